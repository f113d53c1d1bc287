//===- PackLayout.h - packs and unpacks layouts -----------------*- C++ -*-===//
//
// formats/plan/Layout.h defines the layouts. packRows and unpackRows change the
// order of bytes or, in t16 and t16i, the form in which the codes and scales of
// blocks are stored. Nothing is rounded. unpackRows restores the bytes that
// packRows was given, except that TQ1_0 in t16 may become other bytes that mean
// the same.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PACKLAYOUT_H
#define AIRPACK_FORMATS_PLAN_PACKLAYOUT_H

#include "formats/plan/Layout.h"

#include <span>

namespace air {

/// Packs `rowCount` consecutive rows of a matrix. `source` holds them in
/// Layout::Rows order, and `packed` receives layoutBytes(dtype, layout,
/// rowCount, columns) bytes. The caller must pass matching sizes (asserted).
void packRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
              std::span<const uint8_t> source, std::span<uint8_t> packed);

void unpackRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
                std::span<const uint8_t> packed, std::span<uint8_t> source);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PACKLAYOUT_H
