//===- CudaTarget.h - limits and features of GPU architectures --*- C++ -*-===//
//
// The properties of NVIDIA architectures on which kernel generation depends.
// Sources: the CUDA C++ Programming Guide, table "Technical Specifications per
// Compute Capability", and the PTX ISA's notes on each instruction.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CUDATARGET_H
#define AIRPACK_CODEGEN_CUDA_CUDATARGET_H

#include "formats/support/Status.h"

#include <span>
#include <string>
#include <string_view>

namespace air::codegen::cuda {

struct CudaTarget {
  std::string_view name; ///< NVRTC's architecture name, for example "sm_90a"
  uint32_t capability;   ///< compute capability: 10 * major + minor
  uint32_t sharedBytesPerBlock;
  uint32_t sharedBytesPerMultiprocessor;
  uint32_t registersPerMultiprocessor;
  uint32_t threadsPerMultiprocessor;
  /// cp.async. Targets that have it also have mma.sync with bfloat16.
  bool hasAsyncCopy;
  bool hasBulkCopy;        ///< cp.async.bulk and mbarrier transaction counts
  bool hasDependentLaunch; ///< griddepcontrol
  bool hasWgmma;           ///< wgmma.mma_async
  /// Whether the GPU is newer than the target and can run the target's kernels
  /// only as PTX, which the GPU's driver compiles.
  bool needsPtx = false;
};

/// The shared memory in bytes that CUDA reserves for each resident block. It
/// counts against sharedBytesPerMultiprocessor, but not against
/// sharedBytesPerBlock.
inline constexpr uint32_t kReservedSharedBytes = 1024;

inline constexpr uint32_t kRegistersPerThread = 255;

/// All targets, in ascending order of compute capability.
std::span<const CudaTarget> cudaTargets();

/// Returns the target called `name`. If there is none, takes `name` as the
/// architecture of a GPU, and derives the result from the newest target whose
/// compute capability is not above that of the GPU. As the GPU may lack
/// instructions that only this target's own architecture has, the result has no
/// wgmma, and its name has no letter at the end. For example, the result for
/// "sm_103a" is derived from target sm_100a and called "sm_100". Returns
/// Unsupported, with a message that lists the names of the targets, if every
/// target is newer than the GPU or `name` is not an architecture.
Result<CudaTarget> cudaTarget(std::string_view name);

/// Returns `arch` without its final letter, if it has one: "sm_90" for
/// "sm_90a". The letter stands for instructions that only one architecture or
/// family has. Later GPUs run neither machine code nor PTX with such
/// instructions (CUDA C++ Programming Guide, "Architecture-Specific Features").
std::string_view portableArch(std::string_view arch);

/// The name of the architecture for which the PTX of a target is compiled, such
/// as "compute_90". All GPUs of this compute capability or a later one run it.
/// The target's kernels must not use instructions that only one architecture
/// has.
std::string ptxArch(const CudaTarget &target);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUDATARGET_H
