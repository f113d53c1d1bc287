//===- PrefillAttention.h - attention of many tokens ------------*- C++ -*-===//
//
// Causal attention over a paged KV cache (KvPages.h) for the tokens of a
// prefill. DecodeAttention.h states the formula. The tokens may belong to any
// sequences; a table in device memory divides them into tiles of consecutive
// tokens of one sequence.
//
// A thread block computes the query heads that share a KV head, for one tile of
// tokens. Its queries are the rows of the mma: row r belongs to token r / group
// and head r % group, where `group` is the number of query heads per KV head. A
// warp has 16 rows. The block copies the keys and values of some positions at a
// time to slots in shared memory, and each warp multiplies its rows by them
// with an online softmax whose weights stay in registers (Dao,
// "FlashAttention-2", 2023). No transposition is needed: the columns of the mma
// are positions in the product with the keys, and elements in the product with
// the values.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_PREFILLATTENTION_H
#define AIRPACK_CODEGEN_CUDA_PREFILLATTENTION_H

#include "codegen/cuda/PrefillMatMul.h"

namespace air::codegen::cuda {

/// Sizes that affect only the speed of a kernel, except that `positions` also
/// changes the order in which float32 sums are added.
struct AttentionTiling {
  uint32_t tileTokens = 16; ///< the largest number of tokens of a tile
  uint32_t positions = 64;  ///< positions of a slot: 16, 32 or 64
  uint32_t stages = 2;      ///< slots, 1 to 4
};

struct PrefillAttention {
  uint32_t queryHeads = 0; ///< a multiple of pages.kvHeads
  KvPages pages;
  uint32_t maxTiles = 0;    ///< 1 to kMaxPrefillTokens
  uint32_t queryStride = 0; ///< as in DecodeAttention
  float scale = 1;
  /// Whether queries and weights of the softmax are multiplied as the sum of
  /// two float16, as in decode steps. This takes twice as many multiplications.
  bool splitOperands = false;
  bool dependentLaunch = false;
  AttentionTiling tiling;
};

/// Returns the default tiling, which depends on the arguments alone. Ignores
/// spec.tiling.
AttentionTiling defaultAttentionTiling(const PrefillAttention &spec,
                                       const CudaTarget &target);

std::string prefillAttentionName(const PrefillAttention &spec,
                                 const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "q" (float32
/// [M][queryStride]), "positions" (uint32 [M]), "block_tables" (uint32
/// [sequences][pages.tablePages]), "kv_cache", "out" (float32 [M][queryHeads *
/// headDim]), "tile_count" (uint32, at most maxTiles) and "tiles" (uint32
/// [tile_count][3]: the first token, the number of tokens, from 1 to
/// tileTokens, and the sequence's row of the block tables). The positions of a
/// tile ascend by 1. Errors are those of generateDecodeMatMul.
Result<CudaKernel> generatePrefillAttention(const PrefillAttention &spec,
                                            const CudaTarget &target,
                                            std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PREFILLATTENTION_H
