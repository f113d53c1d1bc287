//===- FatCases.h - small plans for two targets -----------------*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_FATCASES_H
#define AIRPACK_TEST_FORMATS_PLAN_FATCASES_H

#include "SmallPlan.h"

#include "formats/plan/FatPlan.h"

#include <functional>
#include <vector>

namespace air::test {

/// The small plan for another target: its machine is called `name`, and its
/// kernels have other bytes.
SmallPlan otherTarget(const char *name);

struct FatSmallPlan {
  FatRecords records; ///< with the offsets and digests of `segments`
  std::vector<std::vector<uint8_t>> segments; ///< as in SmallPlan
  uint64_t fileBytes = 0;
  /// Whether metadataOf() writes separate copies of all FlatBuffer tables for
  /// each target.
  bool sharesNothing = false;
};

/// Joins `plans`, which share the weights and the embedding table, but not the
/// kernels.
FatSmallPlan makeFatPlan(std::vector<SmallPlan> plans);

/// The small plan and otherTarget("wide"), in a fat plan.
FatSmallPlan makeFatPlan();

std::vector<uint8_t> metadataOf(const FatSmallPlan &fat);

/// A change to the fat plan that breaks a rule.
struct FatCase {
  const char *rule;
  std::function<void(FatSmallPlan &)> breakIt;
};
std::vector<FatCase> fatCases();

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_FATCASES_H
