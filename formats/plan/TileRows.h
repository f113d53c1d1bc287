//===- TileRows.h - which bytes of a matrix row tiles read ------*- C++ -*-===//
//
// A dispatch with Grid.rows_per_tile divides the rows of its matrices between
// its row tiles (plan.fbs). The rows of consecutive tiles are one range of
// bytes in every layout, because a layout stores the rows, or the row blocks,
// one after the other.
//
// Thread-safety: pure functions. They rely on what verifyPlan() checks of
// tensors and grids.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_TILEROWS_H
#define AIRPACK_FORMATS_PLAN_TILEROWS_H

#include "formats/plan/Layout.h"

#include <cstdint>

namespace air {

namespace plan {
struct Grid;
struct Tensor;
} // namespace plan

/// The half-open range [begin, end) of rows or bytes.
struct HalfOpenRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool operator==(const HalfOpenRange &) const = default;
};

/// The number of rows that a layout stores as one unit: 1 for the layout rows,
/// and 16 for all others.
uint64_t rowsPerBlock(Layout layout);

/// The range of bytes that holds the given rows, relative to the start of the
/// matrix. A row block is always included as a whole. `matrixRows` and
/// `matrixBytes` are the size of the whole matrix.
HalfOpenRange bytesOfRows(Layout layout, uint64_t matrixRows,
                          uint64_t matrixBytes, HalfOpenRange rows);

/// The rows of a matrix that the tiles of a dispatch read. If `grid` divides
/// the rows between tiles, these are the rows of the tiles that run; otherwise,
/// they are all rows.
HalfOpenRange rowsRead(const plan::Grid &grid, uint64_t matrixRows);

/// The range of bytes that the tiles of a dispatch read, relative to the start
/// of the tensor.
HalfOpenRange bytesRead(const plan::Grid &grid, const plan::Tensor &tensor);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_TILEROWS_H
