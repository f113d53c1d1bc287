//===- HostGpu.h - whether --target host means a GPU ------------*- C++ -*-===//
//
// `--target host` means the GPU of this machine if a saved probe has measured
// one, and the CPU otherwise. It also means the CPU if no plan for the GPU can
// be made; a note then says why. If --vram is given with a size above 0, or
// --cpu-layers with auto or a number above 0, the user has asked for the GPU,
// and anything that prevents a plan for it is an error.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRPACK_HOSTGPU_H
#define AIRPACK_TOOLS_AIRPACK_HOSTGPU_H

#include "compiler/driver/Compiler.h"
#include "tools/cli/CommandLine.h"

namespace air {

/// Returns Ok if, as far as is known without the model, a plan for the GPU can
/// be made. Otherwise, returns an error that says why the plan must be for the
/// CPU: --vram is 0, an option is supported only in plans for CPUs, there are
/// no kernels for the GPU, or NVRTC is missing. If --vram is not 0 and the user
/// has asked for the GPU (see above), checks nothing else and returns Ok;
/// whatever prevents the plan is then reported as an error later.
Status canPlanForHostGpu(const cli::Invocation &invocation,
                         const GpuProfile &gpu);

/// If `options` ask for it, chooses the number of layers that the CPU computes,
/// and replaces `compiler` by one for that number. If the fastest number cannot
/// be found, a note says why.
Status chooseCpuLayers(compiler::Compiler &compiler,
                       compiler::CompileOptions &options);

/// Runs the passes of `compiler` up to and including `stopAfter`. If the target
/// is this machine ("host") and its GPU cannot run the model, removes the GPU
/// from `options` and compiles for the CPU, unless an option asks for the GPU.
Status runPasses(compiler::Compiler &compiler,
                 compiler::CompileOptions &options,
                 const std::string &stopAfter);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_HOSTGPU_H
