//===- PackLayout.h - put a matrix into a layout and back -------*- C++ -*-===//
//
// Layouts are defined in formats/plan/Layout.h. pack and unpack are inverse on
// every input; neither looks at values.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_LAYOUT_PACKLAYOUT_H
#define AIRPACK_CODEGEN_LAYOUT_PACKLAYOUT_H

#include "formats/plan/Layout.h"

#include <span>

namespace air::codegen {

/// Packs rows [firstRow, firstRow + rowCount) of a matrix. `source` holds those
/// rows in Layout::Rows order; `packed` receives layoutBytes(dtype, layout,
/// rowCount, columns). Sizes are the caller's duty (asserted).
void packRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
              std::span<const uint8_t> source, std::span<uint8_t> packed);

void unpackRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
                std::span<const uint8_t> packed, std::span<uint8_t> source);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_LAYOUT_PACKLAYOUT_H
