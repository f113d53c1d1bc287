//===- FilledCache.cpp - a KV cache with random contents ------------------===//
#include "test/codegen/cuda/FilledCache.h"

#include "formats/dtype/Half.h"

#include <cstring>

namespace air::codegen::cuda {

FilledCache fillCache(const KvPages &pages, const std::vector<uint32_t> &last,
                      std::mt19937_64 &random) {
  std::normal_distribution<float> normal;
  const uint64_t sequences = last.size();
  FilledCache cache;
  cache.bytes.assign(pages.pageBytes * pages.tablePages * sequences, 0xff);
  cache.keys.resize(sequences);
  cache.values.resize(sequences);
  for (uint32_t s = 0; s < sequences; ++s) {
    for (uint32_t p = 0; p < pages.tablePages; ++p) {
      cache.tables.push_back((s + 1) * pages.tablePages - 1 - p);
    }
    for (uint32_t p = 0; p <= last[s]; ++p) {
      const uint64_t page =
          cache.tables[s * pages.tablePages + p / kKvPageTokens] *
          pages.pageBytes;
      for (uint32_t h = 0; h < pages.kvHeads; ++h) {
        for (uint32_t e = 0; e < paddedHeadDim(pages.headDim); ++e) {
          const bool inside = e < pages.headDim;
          const uint16_t k = inside ? floatToHalf(normal(random)) : 0;
          const uint16_t v = floatToHalf(normal(random));
          std::memcpy(&cache.bytes[page + keyOffset(pages, h, p % 64, e)], &k,
                      2);
          if (inside) {
            std::memcpy(&cache.bytes[page + valueOffset(pages, h, p % 64, e)],
                        &v, 2);
            cache.keys[s].push_back(halfToFloat(k));
            cache.values[s].push_back(halfToFloat(v));
          }
        }
      }
    }
  }
  return cache;
}

} // namespace air::codegen::cuda
