//===- CudaTarget.h - what a GPU architecture has ---------------*- C++ -*-===//
//
// Facts of NVIDIA's architectures that kernels are generated for. Sources: the
// CUDA C++ Programming Guide, table "Technical Specifications per Compute
// Capability", and the PTX ISA's notes on each instruction.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CUDATARGET_H
#define AIRPACK_CODEGEN_CUDA_CUDATARGET_H

#include "formats/support/Status.h"

#include <span>
#include <string_view>

namespace air::codegen::cuda {

struct CudaTarget {
  std::string_view name; ///< "sm_90a", as compilers take it
  uint32_t capability;   ///< 10 * major + minor
  uint32_t sharedBytesPerBlock;
  uint32_t sharedBytesPerMultiprocessor;
  uint32_t registersPerMultiprocessor;
  uint32_t threadsPerMultiprocessor;
  bool hasAsyncCopy;       ///< cp.async, mma.sync of bfloat16
  bool hasBulkCopy;        ///< cp.async.bulk and mbarrier transaction counts
  bool hasDependentLaunch; ///< griddepcontrol
  bool hasWgmma;           ///< wgmma.mma_async
};

/// What a block may have statically or dynamically without counting against
/// sharedBytesPerBlock: the system's own share of each block.
inline constexpr uint32_t kReservedSharedBytes = 1024;

inline constexpr uint32_t kRegistersPerThread = 255;

/// All targets, ascending by capability.
std::span<const CudaTarget> cudaTargets();

/// Unsupported, with the known names, for any other.
Result<CudaTarget> cudaTarget(std::string_view name);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUDATARGET_H
