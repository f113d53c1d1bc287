//===- HostGpu.cpp - whether --target host means a GPU --------------------===//
#include "tools/airpack/HostGpu.h"

#include "codegen/cuda/CudaTarget.h"
#include "codegen/cuda/Nvrtc.h"
#include "compiler/driver/BestCpuLayers.h"
#include "formats/machine/GpuTable.h"
#include "tools/cli/ByteSize.h"
#include "tools/cli/Output.h"
#include "tools/cli/ProbeFile.h"

#include <optional>
#include <string>
#include <utility>

namespace air {

/// The first option that was given although only plans for CPUs support it, or
/// "".
static std::string optionForCpus(const cli::Invocation &invocation) {
  for (const char *name : {"--activations", "--pin", "--reference", "--tune"}) {
    if (invocation.has(name)) {
      return name;
    }
  }
  const std::string codec = invocation.text("--codec").value_or("");
  if (codec == "planes" || codec == "zstd") {
    return "--codec " + codec;
  }
  return invocation.text("--kv-type") == "f32" ? "--kv-type f32" : "";
}

Status canPlanForHostGpu(const cli::Invocation &invocation,
                         const GpuProfile &gpu) {
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> vram,
                       cli::byteSizeOf(invocation, "--vram"));
  if (vram == uint64_t{0}) {
    return unsupportedError("--vram is 0");
  }
  // A size above 0 for --vram, or --cpu-layers with anything but 0, asks for a
  // plan for the GPU.
  if (vram || invocation.text("--cpu-layers").value_or("0") != "0") {
    return Status::ok();
  }
  if (const std::string option = optionForCpus(invocation); !option.empty()) {
    return unsupportedError(option + " is supported only in plans for CPUs");
  }
  if (!canPlanFor(gpu)) {
    return unsupportedError("there are no kernels for this GPU");
  }
  AIR_RETURN_IF_ERROR(codegen::cuda::cudaTarget(gpu.arch).status());
  return codegen::cuda::Nvrtc::open("").status();
}

Status chooseCpuLayers(compiler::Compiler &compiler,
                       compiler::CompileOptions &options) {
  if (!options.choosesCpuLayers || options.machine->gpus.empty()) {
    return Status::ok();
  }
  AIR_ASSIGN_OR_RETURN(const compiler::BestCpuLayers best,
                       compiler::bestCpuLayers(compiler, options));
  options.cpuLayers = best.layers;
  if (!best.note.empty()) {
    cli::printNotes({best.note});
  }
  AIR_ASSIGN_OR_RETURN(compiler, compiler.again(options));
  return Status::ok();
}

Status runPasses(compiler::Compiler &compiler,
                 compiler::CompileOptions &options,
                 const std::string &stopAfter) {
  AIR_RETURN_IF_ERROR(chooseCpuLayers(compiler, options));
  const Status status = compiler.run(stopAfter);
  const bool mayUseCpu = options.target == "host" &&
                         !options.machine->gpus.empty() && options.vram == 0 &&
                         options.cpuLayers == 0 && !options.choosesCpuLayers &&
                         !options.ptx;
  if (!mayUseCpu || (status.code() != ErrorCode::Unsupported &&
                     status.code() != ErrorCode::DoesNotFit)) {
    return status;
  }
  cli::useCpuOnly(*options.machine, status);
  AIR_ASSIGN_OR_RETURN(compiler, compiler.again(options));
  return compiler.run(stopAfter);
}

} // namespace air
