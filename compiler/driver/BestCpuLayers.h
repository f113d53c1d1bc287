//===- BestCpuLayers.h - the fastest number of layers on a CPU --*- C++ -*-===//
//
// Implements `airpack --cpu-layers auto` by compiling the model for the target
// several times up to the pass schedule-reads, which compiles no kernels.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H
#define AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H

#include "compiler/driver/Compiler.h"

namespace air::compiler {

/// Returns the number of layers on the CPU for which a decode pass of the plan
/// is predicted to be fastest (planner/CpuLayers.h). It is 0, which means that
/// the GPU computes all layers, unless another number is predicted to be
/// faster, or the plan does not fit otherwise. The target of `options` must
/// have a GPU. `loaded` has read the model. Errors: those of Compiler::run() if
/// the GPU cannot compute the model at all.
Result<uint64_t> bestCpuLayers(const Compiler &loaded, CompileOptions options);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H
