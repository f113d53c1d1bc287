//===- X16Order.h - the order of a block's units in x16 ---------*- C++ -*-===//
//
// Layout x16 (formats/plan/Layout.h) stores the units of a block in the order
// in which kernels consume them: first the scales and whatever all columns of
// the block need, then the data of one part of the columns after another. A
// kernel that multiplies a matrix thus reads ascending addresses. Some CPUs
// stream memory at a third of its rate or less if the lines of a page are read
// in several streams or backwards.
//
// A plan of minor version 0 has the units of every dtype in the order of the
// block's fields instead.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_X16ORDER_H
#define AIRPACK_FORMATS_PLAN_X16ORDER_H

#include "formats/dtype/DType.h"

namespace air {

/// The place of a unit in an x16 block. A field may be divided into equal
/// shares, which are stored in as many sections of equal size. Offsets are in
/// bytes of a single row; 16 times an offset is the offset in a block column.
struct X16Place {
  uint32_t offset;       ///< of the unit of this index in section 0
  uint32_t sectionBytes; ///< the distance from one section to the next
  uint32_t sectionUnits; ///< the number of units of the field per section
};

/// The place of unit `index` of a section's share of the field called `field`.
/// `index` is below sectionUnits, and the dtype has the field (asserted).
X16Place x16Place(DType dtype, std::string_view field, uint32_t index);

/// The offset of unit `unit` of the whole field. The offsets of all units of a
/// block cover it exactly.
uint32_t x16Offset(DType dtype, std::string_view field, uint32_t unit);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_X16ORDER_H
