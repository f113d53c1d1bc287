//===- BestCpuLayers.h - the fastest number of layers on a CPU --*- C++ -*-===//
//
// Implements `airpack --cpu-layers auto`. For this, the model is compiled for
// the target up to three times, with different numbers of layers on the CPU.
// Each compilation ends with the pass schedule-reads, before the kernels are
// compiled.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H
#define AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H

#include "compiler/driver/Compiler.h"

#include <string>

namespace air::compiler {

struct BestCpuLayers {
  uint64_t layers = 0;
  /// If not "", no number of layers could be chosen, and `layers` is 0. The
  /// note tells the user why.
  std::string note;
};

/// Returns the number of layers on the CPU for which a decode pass of the plan
/// is predicted to be fastest (planner/CpuLayers.h). 0 means that the GPU
/// computes all layers. Another number is returned only if its plan is
/// predicted to be faster than the plan with 0 layers, or if the plan with 0
/// layers does not fit.
///
/// The best number above 0 is first chosen by estimated sizes, and then checked
/// with a plan that has this number of layers on the CPU. The result is 0, and
/// `note` says why, if
/// - the target does not state a bandwidth or another rate that the prediction
///   depends on,
/// - the plan with 1 layer or the plan with the best number is Unsupported,
/// - the plan with the best number does not fit, or
/// - the plan with 0 layers fits, but by the estimates no other plan does.
/// In the first three cases, the plan with 0 layers may not fit even though a
/// plan with another number would. If the plan with 0 layers does not fit, and
/// by the estimates no other plan does either, the result is 0 without a note,
/// because compiling the plan with 0 layers reports what is missing.
///
/// `options.machine` must be set and have a GPU. `options.activations` has no
/// effect on the plan with 0 layers. `loaded` has read the model.
///
/// Errors: those of Compiler::again() and Compiler::run(), except Unsupported
/// for a plan with layers on the CPU.
Result<BestCpuLayers> bestCpuLayers(const Compiler &loaded,
                                    CompileOptions options);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_DRIVER_BESTCPULAYERS_H
