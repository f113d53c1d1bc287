//===- BudgetTest.cpp - what a plan takes of RAM --------------------------===//
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
  demand.context = 1000; // 16 pages of 64: 1024
  demand.slots = 2;
  return demand;
}

TEST(Budget, ItemisesAndSums) {
  Result<RamBudget> budget = planBudget(demand(), 0, "host");
  ASSERT_TRUE(budget.isOk());
  ASSERT_EQ(budget->items.size(), 5U);
  EXPECT_EQ(budget->items[0].bytes, 100 * kMiB);
  EXPECT_EQ(budget->items[1].name, "kv");
  EXPECT_EQ(budget->items[1].bytes, 2 * 16 * 2 * kMiB); // slots*pages*page size
  EXPECT_EQ(budget->items[3].bytes, 4 * kMiB);
  EXPECT_EQ(budget->total, (100 + 64 + 8 + 4 + 1) * kMiB);
}

TEST(Budget, FitsExactlyOrSaysWhatToDo) {
  EXPECT_TRUE(planBudget(demand(), 177 * kMiB, "host").isOk());
  Result<RamBudget> budget = planBudget(demand(), 177 * kMiB - 1, "small");
  ASSERT_EQ(budget.status().code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(budget.status().message(), HasSubstr("needs 177.00 MiB"));
  EXPECT_THAT(budget.status().message(), HasSubstr("'small' has 177.00 MiB"));
  // Beside the fixed 113 MiB, 64 MiB - 1 hold 15 pages for each of 2 slots (2
  // MiB each).
  EXPECT_THAT(budget.status().message(), HasSubstr("--ctx 960 or less"));
}

TEST(Budget, TheAdvisedContextFits) {
  RamDemand smaller = demand();
  smaller.context = 960;
  EXPECT_TRUE(planBudget(smaller, 177 * kMiB - 1, "small").isOk());
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

TEST(Budget, ByteText) {
  EXPECT_EQ(byteText(0), "0 B");
  EXPECT_EQ(byteText(1023), "1023 B");
  EXPECT_EQ(byteText(1024), "1.00 KiB");
  EXPECT_EQ(byteText(1536 * kMiB), "1.50 GiB");
}

} // namespace
} // namespace air::compiler
