//===- JoinMatrices.h - gate and up as one matrix ---------------*- C++ -*-===//
//
// A gated feed-forward layer multiplies by two matrices, gate and up. If a pass
// reads weights from the disk, its steps are divided into parts, and each part
// needs rows of both matrices. With one matrix after the other in the file, the
// reads of a pass would have to go back and forth between the two. If passes
// may have to read weights even with all of the RAM that the plan is made for,
// the plan has one matrix in place of the two. In this matrix, each row of gate
// is followed by the same row of up (KernelSpec::isJoined of
// codegen/KernelSpec.h), so the reads of a pass ascend in the file.
//
// If all weights certainly stay in RAM with so much RAM, the two matrices
// remain, even if the plan also has placements for less RAM with which weights
// are read. They remain in a reference plan, too, because its matrices stay in
// the model's file.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_JOINMATRICES_H
#define AIRPACK_COMPILER_TRANSFORMS_JOINMATRICES_H

#include "compiler/transforms/RamDemand.h"
#include "compiler/transforms/StepLowering.h"

namespace air::compiler {

/// Returns whether each pass of the plan that consists of `steps` may have to
/// read weights from the disk with the placement for the whole limit of RAM.
/// The limit is that of ramLimitOf(): `memory.ram`, or the memory of the target
/// if that is 0. Without a limit, or if `memory.streams` is false, the result
/// is false; with `memory.pinned` below 100, it is true.
///
/// Tensors and buffers have not been placed yet, so the decision relies on
/// upper bounds of sizes. Near the limit, the result may therefore be true for
/// a plan that keeps all weights in RAM. It is not false for a plan that does
/// not keep them, with two exceptions: the kernels need more than
/// KernelBuild::kReservedBytes each, or kernels with measured tiles
/// (`airpack --tune`) need more scratch than those with the tiles of the cost
/// model, which are counted here.
///
/// `mClasses` is the bit set of the M classes for which there are programs (see
/// bitOf), and `vocabularyBytes` how many bytes the vocabulary takes in the
/// plan's metadata. Errors: those of codegen::describeKernel(), with the name
/// of the step.
Result<bool> mayStreamWeights(mlir::ModuleOp module,
                              const std::vector<LoweredStep> &steps,
                              unsigned mClasses, const MachineProfile &profile,
                              const PlacementOptions &memory,
                              uint64_t vocabularyBytes);

/// Replaces the two matrices of each GluMatMul by one, and removes the tensors
/// that are no longer used. Two matrices remain if the target has no kernel for
/// both as one, because a row of both would be too long. `mClasses` is as for
/// mayStreamWeights().
void joinMatrices(mlir::ModuleOp module, std::vector<LoweredStep> &steps,
                  unsigned mClasses, const MachineProfile &profile);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_JOINMATRICES_H
