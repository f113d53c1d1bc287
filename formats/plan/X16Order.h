//===- X16Order.h - the order of a block's units in x16 ---------*- C++ -*-===//
//
// Layout x16 (formats/plan/Layout.h) stores the units of a block in the order
// in which kernels consume them: first the scales and whatever else all columns
// of the block need, then the data of one group of columns after another. A
// kernel that multiplies a matrix thus reads ascending addresses. Some CPUs
// read memory at less than half of their peak rate if the cache lines of a page
// are read in several streams or backwards.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_X16ORDER_H
#define AIRPACK_FORMATS_PLAN_X16ORDER_H

#include "formats/dtype/DType.h"

namespace air {

/// The place of a unit in a block of layout x16. The units of a field are
/// divided evenly among one or more sections of equal size. `offset` and
/// `sectionBytes` are in bytes, as if the block of one row were stored alone.
/// In the layout, each unit has the values of 16 rows (formats/plan/Layout.h),
/// so the real offsets and distances are 16 times as large.
struct X16Place {
  uint32_t offset;       ///< the offset of the unit in section 0
  uint32_t sectionBytes; ///< the distance from one section to the next
  uint32_t sectionUnits; ///< the number of units of the field per section
};

/// The place of a unit of the field called `field`. `index` counts the units of
/// this field within a section. Asserts that `index` is below sectionUnits and
/// that the dtype has the field.
X16Place x16Place(DType dtype, std::string_view field, uint32_t index);

/// The offset of unit `unit`, counted within the whole field. The units of all
/// fields, at their offsets, cover the block without gaps or overlaps.
uint32_t x16Offset(DType dtype, std::string_view field, uint32_t unit);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_X16ORDER_H
