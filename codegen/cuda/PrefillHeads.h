//===- PrefillHeads.h - RoPE and KV append of many tokens -------*- C++ -*-===//
//
// The kernel between the matmul for q, k and v and the attention of a prefill.
// It does what MatMulOutput::Heads does in a decode step: QK-norm, RoPE, and
// the append of keys and values to the KV cache. A thread block handles all
// heads of a token.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_PREFILLHEADS_H
#define AIRPACK_CODEGEN_CUDA_PREFILLHEADS_H

#include "codegen/cuda/PrefillMatMul.h"

namespace air::codegen::cuda {

struct PrefillHeads {
  HeadRows heads;         ///< tokensPerSequence is not used
  uint32_t maxTokens = 0; ///< 1 to kMaxPrefillTokens
  bool dependentLaunch = false;
};

std::string prefillHeadsName(const PrefillHeads &spec,
                             const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "y" (float32
/// [M][(queryHeads + keyHeads + valueHeads) * headDim]), "token_count" (uint32
/// M, at most maxTokens), "sequences" (uint32 [M], the row of each token's
/// sequence in the block tables), and then, if the kernel uses them, "angles"
/// and the bindings that follow it in generateDecodeMatMul. A row of y contains
/// q, k and v of a token, as the matmul has computed them. The kernel stores
/// the normalised and rotated q in place, and writes k and v to the KV cache.
/// Errors are those of generateDecodeMatMul.
Result<CudaKernel> generatePrefillHeads(const PrefillHeads &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PREFILLHEADS_H
