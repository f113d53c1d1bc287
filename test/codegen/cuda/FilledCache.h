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
  /// The cached keys and values of each sequence, as numbers.
  std::vector<reference::Doubles> keys, values;
};

/// Fills the cache of sequences whose last positions are `last`. The pages of a
/// sequence are in descending order.
FilledCache fillCache(const KvPages &pages, const std::vector<uint32_t> &last,
                      std::mt19937_64 &random);

} // namespace air::codegen::cuda

#endif // AIRPACK_TEST_CODEGEN_CUDA_FILLEDCACHE_H
