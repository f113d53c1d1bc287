//===- PlanMutationTest.cpp - damaged fields are refused without a crash --===//
#include "PlanMutator.h"
#include "SmallPlan.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace air;
using namespace air::test;

// A million plans take minutes, so AIR_TEST_ALL must ask for them.
TEST(PlanMutation, DamagedFieldsAreRefusedInOneLine) {
  const uint64_t rounds =
      std::getenv("AIR_TEST_ALL") != nullptr ? 1'000'000 : 20'000;
  PlanMutator mutator(fileOf(makeSmallPlan()), 20261128);
  // The numbers in the small plan's tensors, steps, dispatches and segments.
  EXPECT_GT(mutator.places().numbers, 5U * 7 + 12 * 2 + 14 * 13 + 4 * 6);
  EXPECT_GT(mutator.places().lists, 50U);
  MutationCounts counts;
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(mutator.tryOne(counts), "") << "plan " << i;
  }
  EXPECT_GT(counts.accepted, rounds / 100);
  EXPECT_GT(counts.refused, rounds / 2);
}
