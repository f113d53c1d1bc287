//===- Probes.h - kernels that measure the GPU's limits ---------*- C++ -*-===//
//
// The probes measure the limits with which the time of a matmul is compared:
// the bandwidth of reads and copies, and the cost of launching one kernel after
// another. One more probe, that of wgmma, computes a product by which the order
// of the instruction's operands can be checked.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_PROBES_H
#define AIRPACK_CODEGEN_CUDA_PROBES_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

/// A kernel that reads bytes exactly as a decode matmul reads weights, but only
/// combines them with exclusive or. It measures how fast a WeightFetch can be.
/// Bindings: the bytes to read, and one 32-bit word of results per thread.
struct ReadProbe {
  /// The number of bytes to read, which is rounded down to a multiple of what
  /// the warps of a block copy in one step.
  uint64_t bytes = 0;
  uint32_t multiprocessors = 0;
  /// A unit of `tiling` is 1 KiB here; `splits`, `reduceTiles` and
  /// `heldTiles` are ignored.
  DecodeTiling tiling;
};

Result<CudaKernel> generateReadProbe(const ReadProbe &probe,
                                     const CudaTarget &target,
                                     std::string_view intrinsics);

/// Generates a kernel that copies `bytes` bytes (a multiple of 64 KiB).
/// Bindings, in order: source, destination.
Result<CudaKernel> generateCopyProbe(uint64_t bytes, uint32_t multiprocessors,
                                     const CudaTarget &target,
                                     std::string_view intrinsics);

/// Generates a kernel in which one thread of each block adds 1 to the block's
/// word. Binding: one 32-bit word per block.
Result<CudaKernel> generateLaunchProbe(uint32_t blocks, bool dependentLaunch,
                                       const CudaTarget &target,
                                       std::string_view intrinsics);

/// Generates a kernel with one wgmma instruction that multiplies float16
/// matrices with m = 64, n = 8, k = 16. The left operand is in registers, in
/// the order of mma.sync's fragments; warp w has rows 16w to 16w+15 of it.
/// Bindings: a [64][16] and b [8][16] as float16, d [64][8] as float32. Returns
/// Unsupported for targets without wgmma, which are all but sm_90a.
Result<CudaKernel> generateWgmmaProbe(const CudaTarget &target,
                                      std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PROBES_H
