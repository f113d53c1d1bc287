//===- GpuDemand.h - the memory that a plan on a GPU needs ------*- C++ -*-===//
//
// These functions collect the input of planner/Budget.h from the ops of a
// packed module whose kernels run on a GPU, and refuse options that a plan for
// a GPU does not support.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_GPUDEMAND_H
#define AIRPACK_COMPILER_TRANSFORMS_GPUDEMAND_H

#include "compiler/planner/GpuPlan.h"
#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/DenseSet.h"

namespace air::compiler {

/// The VRAM that a plan reserves for each kernel before the kernels are
/// compiled, so that the placement does not depend on their actual sizes. The
/// kernels of a plan take 20 to 52 KiB on average.
inline constexpr uint64_t kGpuKernelBytes = uint64_t{64} << 10;

/// The names of the segments, of any kind, that kernels of the CPU use. In a
/// plan for a GPU, they belong to the layers that the CPU computes.
llvm::DenseSet<mlir::StringAttr> cpuSegmentsOf(mlir::ModuleOp module);

/// Returns the VRAM and the RAM that the module needs. The member `cpu` of the
/// result counts the segments that the CPU uses, and `vram` counts all others.
/// Kernels count with the size of their segments or, if it is larger, with the
/// size that is reserved for them (kGpuKernelBytes or
/// KernelBuild::kReservedBytes each). `vocabularyBytes` is the size of the
/// vocabulary in the plan, in bytes. `threads` is the number of threads that
/// compute the CPU's layers, if there are any.
GpuDemand gpuDemandOf(mlir::ModuleOp module, uint64_t vocabularyBytes,
                      uint64_t threads);

/// `vram` is the size of the VRAM in bytes; 0 means the size in `profile`.
VramLimit vramLimitOf(uint64_t vram, const MachineProfile &profile);

/// Fails with Unsupported if one of these options of place-weights asks for
/// something that a plan for a GPU does not support.
Status checkGpuOptions(int pin, llvm::StringRef codec, bool reference);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_GPUDEMAND_H
