//===- KernelBuild.cpp - kernels that compile while the plan is written ---===//
#include "compiler/transforms/KernelBuild.h"

#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <sys/resource.h>
#include <utility>

namespace air::compiler {

void KernelBuild::compile(const std::vector<codegen::KernelSpec> &specs,
                          const MachineProfile &profile, unsigned threads) {
  Result<codegen::KernelArtifact> compiled =
      codegen::compileKernels(specs, profile, threads);
  if (compiled) {
    artifact = *std::move(compiled);
  } else {
    status = compiled.status();
  }
  end = monotonicSeconds();
  done = true;
}

void KernelBuild::start(std::vector<codegen::KernelSpec> specs,
                        const MachineProfile &profile, unsigned threads) {
  reservedBytes = reservationFor(specs.size());
  done = false;
  if (isBackground) {
    Result<Thread> started = Thread::start([this, specs, profile, threads] {
      // Kernels are compiled with a lower priority than the threads that pack
      // and write the weights, because the disk would idle while these threads
      // wait for a CPU. On Linux, setpriority() changes the priority of the
      // calling thread, and the threads that it starts inherit it. If it fails,
      // the build only takes longer.
      constexpr int kNice = 10;
      (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + kNice);
      compile(specs, profile, threads);
    });
    if (started) {
      thread = *std::move(started);
      return;
    }
  }
  compile(specs, profile, threads);
  if (!isBackground) {
    reservedBytes = std::max<uint64_t>(reservedBytes, artifact.object.size());
  }
}

Result<std::vector<std::span<const uint8_t>>>
KernelBuild::compileCuda(const std::vector<codegen::cuda::CudaSpec> &specs,
                         const codegen::cuda::CudaTarget &target,
                         unsigned threads) {
  if (!cuda) {
    AIR_ASSIGN_OR_RETURN(cuda, codegen::cuda::openNvrtcCompiler());
    cuda = codegen::cuda::withMemory(std::move(cuda));
  }
  version = cuda->version();
  for (const codegen::cuda::CudaSpec &spec : specs) {
    AIR_ASSIGN_OR_RETURN(
        codegen::cuda::CudaKernel kernel,
        codegen::cuda::generateKernel(spec, target, cuda->intrinsics()));
    kernels.push_back(std::move(kernel));
  }
  AIR_ASSIGN_OR_RETURN(
      cubins, codegen::cuda::compileKernels(kernels, target, *cuda, threads));
  end = monotonicSeconds();
  return images();
}

Result<std::vector<std::span<const uint8_t>>> KernelBuild::images() {
  AIR_ASSIGN_OR_RETURN(const codegen::KernelArtifact *compiled, wait());
  if (cubins.empty()) {
    return std::vector<std::span<const uint8_t>>{compiled->object};
  }
  return std::vector<std::span<const uint8_t>>(cubins.begin(), cubins.end());
}

Result<const codegen::KernelArtifact *> KernelBuild::wait() {
  thread.join();
  AIR_RETURN_IF_ERROR(status);
  return &std::as_const(artifact);
}

} // namespace air::compiler
