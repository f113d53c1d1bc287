//===- Layout.h - the order of a matrix's bytes -----------------*- C++ -*-===//
//
// The layout of a matrix is independent of its dtype and of the plan's target,
// except that t16 and t16i are for some dtypes and for GPUs only. Unpacking
// restores the source's bytes, except that TQ1_0 in t16 may become other bytes
// that mean the same.
//
//   rows  the source's order: row after row, block after block.
//   x16   16 rows are interleaved. The rows are divided into row blocks of 16;
//         the last one is padded with rows of zeros. In a row block, the blocks
//         of the dtype that are at the same position in the 16 rows form a
//         block column. The block columns are stored one after another, and
//         each of them unit by unit (formats/plan/X16Order.h). For each unit,
//         the values of all 16 rows are adjacent, so one vector load fetches
//         the same unit of 16 rows, one row per lane.
//   t16   tiles of 16 rows in the order of tensor cores' operands, for the
//         dtypes that formats/plan/T16.h lists.
//   t16i  like t16, for IQ1, IQ2 and IQ3 only. Where t16 stores a code for each
//         element, t16i keeps the source's indices of the codebook
//         (formats/plan/T16Indices.h).
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
