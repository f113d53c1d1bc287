//===- HeadFormulas.cpp - heads of q, k and v in double precision ---------===//
#include "test/codegen/cuda/HeadFormulas.h"

#include "formats/dtype/Half.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace air::codegen::cuda {

using reference::Doubles;

double worstHeadShare(const HeadRows &heads, const HeadOperands &operands,
                      std::span<const float> y, std::vector<uint8_t> &cache,
                      uint8_t untouched) {
  const KvPages &pages = heads.pages;
  const uint32_t d = pages.headDim;
  const uint64_t width = y.size() / operands.positions.size();
  double worst = 0;
  for (uint32_t m = 0; m < operands.positions.size(); ++m) {
    const uint32_t position = operands.positions[m];
    const uint32_t page =
        operands.tables[operands.sequences[m] * pages.tablePages +
                        position / kKvPageTokens];
    const auto place = [&](bool key, uint32_t head, uint32_t element) {
      const uint32_t at = position % kKvPageTokens;
      return page * pages.pageBytes +
             (key ? keyOffset(pages, head, at, element)
                  : valueOffset(pages, head, at, element));
    };
    for (uint32_t h = 0; h < width / d; ++h) {
      const bool query = h < heads.queryHeads;
      const bool key = !query && h < heads.queryHeads + heads.keyHeads;
      // Every head is passed to the reference as a row with one query head.
      KernelSpec row;
      row.heads = 1;
      row.headDim = d;
      row.ropeDim = heads.ropeDim;
      row.rope = query || key ? heads.rope : RopeKind::None;
      row.qkNorm = heads.qkNorm && (query || key);
      row.epsilon = heads.qkEpsilon;
      const Doubles expected =
          reference::ropeAppend(
              row, std::span(operands.rows).subspan(m * width + h * d, d),
              std::span(operands.angles)
                  .subspan(uint64_t{m} * heads.ropeDim, heads.ropeDim),
              query ? operands.qNorm : operands.kNorm, {})
              .q;
      double largest = 0;
      for (const double value : expected) {
        largest = std::max(largest, std::abs(value));
      }
      const uint32_t kvHead =
          key ? h - heads.queryHeads : h - heads.queryHeads - heads.keyHeads;
      for (uint32_t e = 0; e < d; ++e) {
        double value = y[m * width + h * d + e];
        double allowed = 0x1p-16 * largest;
        if (!query) {
          const uint64_t at = place(key, kvHead, e);
          uint16_t half = 0;
          std::memcpy(&half, cache.data() + at, 2);
          value = halfToFloat(half);
          allowed += 0x1p-11 * std::abs(value);
          std::memset(cache.data() + at, untouched, 2);
        }
        const double share = std::abs(value - expected[e]) / allowed;
        worst = std::max(worst, std::isnan(share) ? 1e9 : share);
      }
      for (uint32_t e = d; key && e < paddedHeadDim(d); ++e) {
        const uint64_t at = place(key, kvHead, e);
        if ((cache[at] | cache[at + 1]) != 0) {
          worst = std::numeric_limits<double>::infinity();
        }
        std::memset(cache.data() + at, untouched, 2);
      }
    }
  }
  return worst;
}

} // namespace air::codegen::cuda
