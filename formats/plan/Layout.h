//===- Layout.h - the order of a matrix's bytes -----------------*- C++ -*-===//
//
// dtype, layout and target are independent axes. Unpacking any layout restores
// the source's bytes.
//
//   rows  the source's order: row after row, block after block.
//   x16   16 rows are interleaved. The rows are divided into row blocks of 16;
//         the last one is padded with rows of zeros. Within a row block, the
//         blocks of the dtype form columns. The bytes are stored column by
//         column, and within a column unit by unit (formats/plan/X16Order.h).
//         For each unit, the values of all 16 rows are adjacent, so one vector
//         load fetches the same unit of 16 rows, one row per lane.
//   t16   tiles of 16 rows in the order of tensor cores' operands, for some
//         dtypes only (formats/plan/T16.h).
//   t16i  as t16, for IQ1, IQ2 and IQ3 only, with the source's indices of a
//         codebook (formats/plan/T16Indices.h).
//
// A matrix has `rows` outputs (N) and `columns` inputs (K).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_LAYOUT_H
#define AIRPACK_FORMATS_PLAN_LAYOUT_H

#include "formats/dtype/DType.h"

namespace air {

enum class Layout : uint16_t { Rows = 0, X16 = 1, T16 = 2, T16Indices = 3 };

/// Whether only kernels of a GPU read matrices in this layout.
constexpr bool isForGpus(Layout layout) {
  return layout == Layout::T16 || layout == Layout::T16Indices;
}

inline constexpr uint32_t kX16Rows = 16;

std::string_view layoutName(Layout layout);
std::optional<Layout> layoutFromName(std::string_view name);

/// Returns the size in bytes of a matrix of `rows` x `columns` elements,
/// padding included. Fails with Corrupt if a row is not a whole number of
/// blocks or the size overflows 64 bits, and with Unsupported if the layout
/// does not cover the dtype.
Result<uint64_t> layoutBytes(DType dtype, Layout layout, uint64_t rows,
                             uint64_t columns);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_LAYOUT_H
