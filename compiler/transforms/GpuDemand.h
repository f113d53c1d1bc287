//===- GpuDemand.h - the memory that a plan on a GPU needs ------*- C++ -*-===//
//
// These functions collect the input of planner/Budget.h from the ops of a
// packed module whose kernels run on a GPU, and refuse what such a plan cannot
// have.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_GPUDEMAND_H
#define AIRPACK_COMPILER_TRANSFORMS_GPUDEMAND_H

#include "compiler/planner/Budget.h"
#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// Returns what the module needs of the GPU's memory. The kernels are counted
/// with the sizes of their segments.
VramDemand vramDemandOf(mlir::ModuleOp module);

/// `vram` is the size of the VRAM in bytes; 0 means the size in `profile`.
VramLimit vramLimitOf(uint64_t vram, const MachineProfile &profile);

/// The size in bytes of the logits of the largest batch.
uint64_t logitsBytesOf(mlir::ModuleOp module);

/// Fails with Unsupported if one of these options of place-weights asks for
/// what a plan on a GPU cannot have.
Status checkGpuOptions(int pin, llvm::StringRef codec, bool reference);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_GPUDEMAND_H
