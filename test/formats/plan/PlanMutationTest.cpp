//===- PlanMutationTest.cpp - damaged fields are refused without a crash --===//
#include "PlanCases.h"
#include "PlanMutator.h"

#include "formats/plan/PlanEncode.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace air;
using namespace air::test;

namespace {

/// Damages a plan again and again. With AIR_TEST_ALL, it makes a million
/// damaged plans, which takes minutes.
void damage(PlanMutator &mutator, uint64_t rounds) {
  if (std::getenv("AIR_TEST_ALL") != nullptr) {
    rounds = 1'000'000;
  }
  MutationCounts counts;
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(mutator.tryOne(counts), "") << "plan " << i;
  }
  EXPECT_GT(counts.accepted, rounds / 100);
  EXPECT_GT(counts.refused, rounds / 2);
}

} // namespace

TEST(PlanMutation, DamagedFieldsAreRefusedInOneLine) {
  PlanMutator mutator(fileOf(makeSmallPlan()), 20261128);
  // A rough lower bound. The small plan has at least 5 tensors with 7 numeric
  // fields each, 10 steps with 2, 12 dispatches with 13 (6 of them in the
  // grid), and 4 segments with 6.
  EXPECT_GT(mutator.places().numbers, 5U * 7 + 10 * 2 + 12 * 13 + 4 * 6);
  EXPECT_GT(mutator.places().lists, 50U);
  damage(mutator, 20'000);
}

TEST(PlanMutation, DamagedPlansForAGpuAreRefusedInOneLine) {
  // One plan keeps all weights in VRAM, one divides batches into tiles, and one
  // copies weights to the GPU in every pass.
  const std::vector<Change> plans = validDevices();
  for (const size_t index : {0, 1, 2}) {
    SCOPED_TRACE(index);
    SmallPlan small = makeSmallPlan();
    plans[index](small);
    // The change may have made segments or the metadata larger.
    for (size_t i = 0; i < small.segments.size(); ++i) {
      small.segments[i].resize(small.plan.segments[i]->stored_bytes);
    }
    ASSERT_TRUE(placeSegments(small.plan, metadataOf(small.plan).size()));
    PlanMutator mutator(fileOf(small), 20261129 + index);
    damage(mutator, 2'000);
  }
}
