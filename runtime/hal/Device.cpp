//===- Device.cpp - the part that all devices share -------------*- C++ -*-===//
#include "runtime/hal/Device.h"

#include "formats/support/CheckedMath.h"

using namespace air;
using namespace air::rt;

uint64_t air::rt::tileCount(const DispatchGrid &grid, const AirBatch &batch) {
  uint64_t rows =
      grid.rowsFrom == GridRows::Tokens ? batch.tokens : batch.outputs;
  if (rows == 0) {
    return 0;
  }
  return grid.tokensPerTile == 0
             ? grid.rowTiles()
             : grid.rowTiles() * ceilDiv(rows, grid.tokensPerTile);
}
