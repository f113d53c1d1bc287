//===- ReferencePlan.h - the small plan without its matrices ----*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_REFERENCEPLAN_H
#define AIRPACK_TEST_FORMATS_PLAN_REFERENCEPLAN_H

#include "SmallPlan.h"

#include <string>

namespace air::test {

struct ReferencePlan {
  SmallPlan small; ///< segments have only the bytes that the plan stores
  std::vector<uint8_t> source; ///< the content of the file with the matrices
  /// The raw bytes of each segment, without the zeros that fill its last page.
  std::vector<std::vector<uint8_t>> raw;
};

/// The small plan as a reference plan, whose source has the name "small.gguf".
/// Its matrix q+k+v has 21 rows from one place of the source, 1 from another
/// and 42 from a third, so that rows of several places are in one row block.
/// The output head's matrix of 40 rows does not fill its last row block. The
/// embedding table has `tableRows` rows.
ReferencePlan makeReferencePlan(uint64_t tableRows = 40);

void makeReference(SmallPlan &small);

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_REFERENCEPLAN_H
