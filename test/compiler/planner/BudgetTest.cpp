//===- BudgetTest.cpp - how much RAM a plan takes -------------------------===//
#include "compiler/planner/Budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::compiler {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

RamDemand demand() {
  RamDemand demand;
  demand.weights = 100 * kMiB;
  demand.activations = 8 * kMiB;
  demand.scratchPerThread = kMiB;
  demand.threads = 4;
  demand.kernels = kMiB;
  demand.kvPageBytes = 2 * kMiB;
  demand.kvPageTokens = 64;
  demand.context = 1000; // takes 16 pages of 64 tokens
  demand.slots = 2;
  return demand;
}

TEST(Budget, ItemisesAndSums) {
  Result<RamBudget> budget = planBudget(demand(), 0, "host");
  ASSERT_TRUE(budget.isOk());
  ASSERT_EQ(budget->items.size(), 5U);
  EXPECT_EQ(budget->items[0].bytes, 100 * kMiB);
  EXPECT_EQ(budget->items[1].name, "kv");
  // Each of the 2 slots has 16 pages of 2 MiB.
  EXPECT_EQ(budget->items[1].bytes, 2 * 16 * 2 * kMiB);
  EXPECT_EQ(budget->items[3].bytes, 4 * kMiB);
  EXPECT_EQ(budget->total, (100 + 64 + 8 + 4 + 1) * kMiB);
}

TEST(Budget, FitsExactlyOrSaysWhatToDo) {
  EXPECT_TRUE(planBudget(demand(), 177 * kMiB, "host").isOk());
  Result<RamBudget> budget = planBudget(demand(), 177 * kMiB - 1, "small");
  ASSERT_EQ(budget.status().code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(budget.status().message(), HasSubstr("needs 177.00 MiB"));
  EXPECT_THAT(budget.status().message(), HasSubstr("'small' has 177.00 MiB"));
  // The machine has one byte less than 177 MiB. Everything but the KV cache
  // takes 113 MiB, so 31 KV pages of 2 MiB fit. The requested context needs 16
  // pages per sequence: one such sequence fits, but two fit only with 15 pages
  // (960 tokens) each.
  EXPECT_THAT(budget.status().message(),
              HasSubstr("choose --slots 1 or less, or --ctx 960 or less"));
}

/// The advice that the error message gives for a machine with `capacity` MiB of
/// RAM.
std::string adviceFor(const RamDemand &demand, uint64_t capacity) {
  Status status = planBudget(demand, capacity * kMiB, "small").status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  return status.message().substr(status.message().rfind("; ") + 2);
}

TEST(Budget, TheAdviceNamesWhatIsAtFault) {
  // The KV cache of a sequence takes 32 MiB. Everything else takes 113 MiB, so
  // a machine with 113 + 100 MiB has 100 MiB left for the KV cache.
  RamDemand many = demand();
  many.slots = 65536;
  EXPECT_EQ(adviceFor(many, 113 + 100), "choose --slots 3 or less");
  many.slots = 20;
  EXPECT_EQ(adviceFor(many, 113 + 100),
            "choose --slots 3 or less, or --ctx 128 or less");
  // The KV cache of a sequence of 6400 tokens takes 200 MiB.
  many.context = 6400;
  EXPECT_EQ(adviceFor(many, 113 + 100), "choose --ctx 128 or less");
  many.slots = 65536;
  EXPECT_EQ(adviceFor(many, 113 + 100),
            "choose --slots 1 and --ctx 3200 or less");
  many.slots = 1;
  EXPECT_EQ(adviceFor(many, 113 + 100), "choose --ctx 3200 or less");
  EXPECT_THAT(adviceFor(many, 114), HasSubstr("not even one KV page of 2.00 "
                                              "MiB"));
  EXPECT_THAT(adviceFor(many, 113), HasSubstr("even without a KV cache"));
}

TEST(Budget, WhatIsAdvisedFits) {
  RamDemand smaller = demand();
  smaller.context = 960;
  EXPECT_TRUE(planBudget(smaller, 177 * kMiB - 1, "small").isOk());
  smaller = demand();
  smaller.slots = 1;
  EXPECT_TRUE(planBudget(smaller, 177 * kMiB - 1, "small").isOk());
  smaller.slots = 3;
  EXPECT_TRUE(planBudget(smaller, 213 * kMiB, "small").isOk());
  smaller.slots = 4;
  EXPECT_FALSE(planBudget(smaller, 213 * kMiB, "small").isOk());
}

TEST(Budget, WeightsAloneTooLarge) {
  Result<RamBudget> budget = planBudget(demand(), 50 * kMiB, "small");
  ASSERT_EQ(budget.status().code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(budget.status().message(), HasSubstr("smaller quantisation"));
}

TEST(Budget, OverflowDoesNotFit) {
  RamDemand huge = demand();
  huge.context = ~uint64_t{0};
  EXPECT_EQ(planBudget(huge, 0, "host").status().code(), ErrorCode::DoesNotFit);
  huge = demand();
  huge.weights = ~uint64_t{0};
  EXPECT_EQ(planBudget(huge, 0, "host").status().code(), ErrorCode::DoesNotFit);
  huge = demand();
  huge.scratchPerThread = ~uint64_t{0};
  EXPECT_EQ(planBudget(huge, 0, "host").status().code(), ErrorCode::DoesNotFit);
}

} // namespace
} // namespace air::compiler
