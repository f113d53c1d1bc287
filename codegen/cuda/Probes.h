//===- Probes.h - kernels that measure the machine --------------*- C++ -*-===//
//
// What a product can be compared with: how fast bytes are read and copied, and
// what it costs to start a kernel after another.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_PROBES_H
#define AIRPACK_CODEGEN_CUDA_PROBES_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

/// Reads bytes exactly as a decode matmul does, and only combines them by
/// exclusive or: the limit of a way to fetch. Bindings: bytes, one word a
/// thread.
struct ReadProbe {
  uint64_t bytes = 0; ///< rounded down to whole steps of all warps
  uint32_t multiprocessors = 0;
  DecodeTiling tiling; ///< units of 1 KiB; splits and reduceTiles stay 1
};

Result<CudaKernel> generateReadProbe(const ReadProbe &probe,
                                     const CudaTarget &target,
                                     std::string_view intrinsics);

/// Copies `bytes` (a multiple of 64 KiB). Bindings: from, to.
Result<CudaKernel> generateCopyProbe(uint64_t bytes, uint32_t multiprocessors,
                                     const CudaTarget &target,
                                     std::string_view intrinsics);

/// One thread of each block adds 1 to its word. Binding: a word a block.
Result<CudaKernel> generateLaunchProbe(uint32_t blocks, bool dependentLaunch,
                                       const CudaTarget &target,
                                       std::string_view intrinsics);

/// One product of 64 x 8 by 16 columns (float16) by wgmma, its left operand
/// from registers in the order of mma.sync's fragments: warp w has rows 16w to
/// 16w+15. Bindings: a [64][16], b [8][16] as float16, d [64][8] as float32.
/// Only for sm_90a.
Result<CudaKernel> generateWgmmaProbe(const CudaTarget &target,
                                      std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PROBES_H
