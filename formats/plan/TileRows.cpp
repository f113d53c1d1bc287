//===- TileRows.cpp - which bytes of a matrix row tiles read --------------===//
#include "formats/plan/TileRows.h"

#include "formats/plan/T16.h"
#include "formats/plan/plan_generated.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

namespace air {

static_assert(kT16Rows == kX16Rows);

uint64_t rowsPerBlock(Layout layout) {
  return layout == Layout::Rows ? 1 : kX16Rows;
}

HalfOpenRange bytesOfRows(Layout layout, uint64_t matrixRows,
                          uint64_t matrixBytes, HalfOpenRange rows) {
  const uint64_t perBlock = rowsPerBlock(layout);
  const uint64_t blockBytes = matrixBytes / ceilDiv(matrixRows, perBlock);
  return {rows.begin / perBlock * blockBytes,
          ceilDiv(rows.end, perBlock) * blockBytes};
}

HalfOpenRange rowsRead(const plan::Grid &grid, uint64_t matrixRows) {
  // A tensor of one row is a vector, and every tile may read all of it.
  if (grid.tiles() == 0 || matrixRows == 1) {
    return {0, matrixRows};
  }
  const uint64_t endTile = grid.first_tile() + grid.tiles();
  return {grid.first_tile() * grid.rows_per_tile(),
          endTile == grid.base_tiles() ? matrixRows
                                       : endTile * grid.rows_per_tile()};
}

HalfOpenRange bytesRead(const plan::Grid &grid, const plan::Tensor &tensor) {
  return bytesOfRows(static_cast<Layout>(tensor.layout()), tensor.rows(),
                     tensor.bytes(), rowsRead(grid, tensor.rows()));
}

} // namespace air
