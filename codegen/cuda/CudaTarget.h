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
};

/// The shared memory in bytes that CUDA reserves for each resident block. It
/// counts against sharedBytesPerMultiprocessor, but not against
/// sharedBytesPerBlock.
inline constexpr uint32_t kReservedSharedBytes = 1024;

inline constexpr uint32_t kRegistersPerThread = 255;

/// All targets, in ascending order of compute capability.
std::span<const CudaTarget> cudaTargets();

/// Returns the target called `name`. If there is none, returns Unsupported with
/// a message that lists the supported names.
Result<CudaTarget> cudaTarget(std::string_view name);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUDATARGET_H
