//===- MeasureNeeds.h - the sizes of a plan module --------------*- C++ -*-===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_MEASURENEEDS_H
#define AIRPACK_COMPILER_TRANSFORMS_MEASURENEEDS_H

#include "compiler/planner/ModelNeeds.h"
#include "compiler/transforms/RamDemand.h"
#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// The options of the pass place-weights that measureNeeds() depends on.
struct NeedsOptions {
  /// How many bytes the vocabulary takes in the plan's metadata.
  uint64_t vocabularyBytes = 0;
  PlacementOptions memory;
  uint64_t vram = 0; ///< bytes; 0 means the memory of the machine's GPU
};

/// Returns what the plan in `module` needs on the machine `profile`. The pass
/// schedule-reads must have run. At that point the kernels have not been
/// compiled, so their size is the estimate kKernelBytes or, on a GPU, what a
/// plan reserves.
Result<ModelNeeds> measureNeeds(mlir::ModuleOp module,
                                const MachineProfile &profile,
                                const NeedsOptions &options);

/// A high estimate of the size of a plan's kernels. Q4_K_M models of 8 to 405
/// billion parameters have 0.4 MiB of kernels with AVX-512, and 0.7 MiB with
/// AVX2. A model with more dtypes has more kernels.
inline constexpr uint64_t kKernelBytes = uint64_t{2} << 20;

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_MEASURENEEDS_H
