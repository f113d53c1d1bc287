//===- DecodeAttention.h - attention for 1 to 8 tokens ----------*- C++ -*-===//
//
// Causal attention over a paged KV cache (KvPages.h): out[token][head] = sum
// over positions p of softmax(scale * q . k[p]) v[p], where p runs from 0 to
// the token's position. Query head h reads KV head h / (queryHeads / kvHeads).
//
// The 8 columns of an mma are queries of heads that share a KV head, for the
// tokens of one sequence. The keys and values of a sequence are read once for
// every 8 such queries. The positions are divided into ranges of whole pages,
// and each range has its own thread block, whose warps take turns with the
// pages. The last block of a query to finish merges the ranges (Dao et al.,
// "Flash-Decoding for long-context inference", 2023).
//
// Queries and softmax weights are each represented as the sum of two float16
// numbers, so they have 22 significant bits. Keys and values are float16. A
// query whose product with scale * log2(e) overflows float16 gives NaN.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_DECODEATTENTION_H
#define AIRPACK_CODEGEN_CUDA_DECODEATTENTION_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

struct DecodeAttention {
  uint32_t queryHeads = 0; ///< a multiple of pages.kvHeads
  KvPages pages;
  uint32_t tokens = 1; ///< 1 to 8
  /// Tokens are grouped by sequence as in HeadRows (DecodeMatMul.h).
  uint32_t tokensPerSequence = 1;
  uint32_t queryStride = 0; ///< number of floats from one token's q to the next
  float scale = 1;
  uint32_t splits = 1; ///< number of ranges of positions, 1 to 64
  uint32_t warps = 4;  ///< 1 to 16
  bool dependentLaunch = false;
};

std::string decodeAttentionName(const DecodeAttention &spec,
                                const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "q" (float32
/// [tokens][queryStride]), "positions" and "block_tables" (as in
/// DecodeMatMul.h), "kv_cache", "out" (float32 [tokens][queryHeads * headDim]),
/// "partials", "counters". Errors are those of generateDecodeMatMul.
Result<CudaKernel> generateDecodeAttention(const DecodeAttention &spec,
                                           const CudaTarget &target,
                                           std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEATTENTION_H
