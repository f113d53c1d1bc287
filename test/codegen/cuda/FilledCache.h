//===- FilledCache.h - a KV cache with random contents ----------*- C++ -*-===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_FILLEDCACHE_H
#define AIRPACK_TEST_CODEGEN_CUDA_FILLEDCACHE_H

#include "codegen/cuda/KvPages.h"
#include "codegen/reference/Reference.h"

#include <random>
#include <vector>

namespace air::codegen::cuda {

struct FilledCache {
  /// Elements that no position uses are NaN.
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> tables; ///< [sequences][pages.tablePages]
  /// For each sequence, the numbers that its cached keys and values have.
  std::vector<reference::Doubles> keys, values;
};

/// Fills the cache of sequences of which the last position is given. The pages
/// of a sequence are in descending order.
FilledCache fillCache(const KvPages &pages, const std::vector<uint32_t> &last,
                      std::mt19937_64 &random);

} // namespace air::codegen::cuda

#endif // AIRPACK_TEST_CODEGEN_CUDA_FILLEDCACHE_H
