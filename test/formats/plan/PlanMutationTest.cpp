//===- PlanMutationTest.cpp - damaged fields are refused without a crash --===//
#include "PlanMutator.h"
#include "SmallPlan.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace air;
using namespace air::test;

// A million plans take minutes, so they are tested only with AIR_TEST_ALL.
TEST(PlanMutation, DamagedFieldsAreRefusedInOneLine) {
  const uint64_t rounds =
      std::getenv("AIR_TEST_ALL") != nullptr ? 1'000'000 : 20'000;
  PlanMutator mutator(fileOf(makeSmallPlan()), 20261128);
  // The small plan has at least 5 tensors with 7 numbers each, 12 steps with 2,
  // 14 dispatches with 13, and 4 segments with 6.
  EXPECT_GT(mutator.places().numbers, 5U * 7 + 12 * 2 + 14 * 13 + 4 * 6);
  EXPECT_GT(mutator.places().lists, 50U);
  MutationCounts counts;
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(mutator.tryOne(counts), "") << "plan " << i;
  }
  EXPECT_GT(counts.accepted, rounds / 100);
  EXPECT_GT(counts.refused, rounds / 2);
}
