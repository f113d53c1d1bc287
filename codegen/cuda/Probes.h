//===- Probes.h - kernels that measure the GPU's limits ---------*- C++ -*-===//
//
// The probes measure the limits with which a matmul is compared: the bandwidth
// of reads and copies, and the cost of launching one kernel after another.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_PROBES_H
#define AIRPACK_CODEGEN_CUDA_PROBES_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

/// Reads bytes exactly as a decode matmul does, but only combines them with
/// exclusive or. It measures the limit of a WeightFetch. Bindings: the bytes,
/// and one word per thread.
struct ReadProbe {
  uint64_t bytes = 0; ///< is rounded down to whole steps of all warps
  uint32_t multiprocessors = 0;
  DecodeTiling tiling; ///< units of 1 KiB; splits and reduceTiles stay 1
};

Result<CudaKernel> generateReadProbe(const ReadProbe &probe,
                                     const CudaTarget &target,
                                     std::string_view intrinsics);

/// Copies `bytes` bytes (a multiple of 64 KiB). Bindings: from, to.
Result<CudaKernel> generateCopyProbe(uint64_t bytes, uint32_t multiprocessors,
                                     const CudaTarget &target,
                                     std::string_view intrinsics);

/// One thread of each block adds 1 to its word. Binding: one word per block.
Result<CudaKernel> generateLaunchProbe(uint32_t blocks, bool dependentLaunch,
                                       const CudaTarget &target,
                                       std::string_view intrinsics);

/// One wgmma with m = 64, n = 8, k = 16 in float16. Its left operand is in
/// registers in the order of mma.sync's fragments, where warp w has rows 16w to
/// 16w+15. Bindings: a [64][16] and b [8][16] as float16, d [64][8] as float32.
/// Only for sm_90a.
Result<CudaKernel> generateWgmmaProbe(const CudaTarget &target,
                                      std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PROBES_H
