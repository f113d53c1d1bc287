//===- BestCpuLayers.h - the fastest number of layers on a CPU --*- C++ -*-===//
//
// Implements `airpack --cpu-layers auto` by compiling the model for the target
// several times up to the pass schedule-reads, which compiles no kernels.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H
#define AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H

#include "compiler/driver/Compiler.h"

#include <string>

namespace air::compiler {

struct BestCpuLayers {
  uint64_t layers = 0;
  /// A note for the user that says why the best number of layers could not be
  /// found, so that the GPU computes all of them. "" if it was found.
  std::string note;
};

/// Returns the number of layers on the CPU for which a decode pass of the plan
/// is predicted to be fastest (planner/CpuLayers.h). 0 means that the GPU
/// computes all layers. Another number is returned only if it is predicted to
/// be faster than 0, or if the plan with 0 layers does not fit.
///
/// In two cases, 0 is returned even if the plan with 0 layers does not fit and
/// a plan with another number would: if a rate of the machine is not known, so
/// that nothing can be predicted, and if the number that is best by estimated
/// sizes does not fit with the real ones. `note` says which of the two it is.
///
/// The target of `options` must have a GPU. options.activations has no effect
/// on the plan with 0 layers. `loaded` has read the model.
///
/// Errors: those of Compiler::run() for the plan with 0 layers. The plans with
/// 1 layer and with the best number are also made. If one of them is
/// Unsupported, the result is 0; any other error of theirs is returned.
Result<BestCpuLayers> bestCpuLayers(const Compiler &loaded,
                                    CompileOptions options);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H
