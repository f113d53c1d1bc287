//===- CostModelTest.cpp - bytes per link to time -------------------------===//
#include "compiler/planner/CostModel.h"

#include <gtest/gtest.h>

namespace air::compiler {
namespace {

TEST(CostModel, TheSlowestLinkLimits) {
  // 8 GB over 80 GB/s = 100 ms; 0.7 GB over 3.5 GB/s = 200 ms.
  PassPrediction prediction =
      predictPass({{"dram", 8'000'000'000, 80'000'000'000},
                   {"disk", 700'000'000, 3'500'000'000}});
  EXPECT_EQ(prediction.nanoseconds, 200'000'000U);
  EXPECT_EQ(prediction.limit, "disk");
  EXPECT_DOUBLE_EQ(tokensPerSecond(prediction), 5.0);
  EXPECT_EQ(prediction.links.size(), 2U);
}

TEST(CostModel, RoundsTimeUpAndDoesNotOverflow) {
  // 10 bytes at 3 bytes/s = 3.33.. s -> 3333333334 ns.
  EXPECT_EQ(predictPass({{"dram", 10, 3}}).nanoseconds, 3'333'333'334U);
  // 1 TB * 1e9 does not fit in 64 bits; at 1 TB/s it takes 1 s.
  EXPECT_EQ(
      predictPass({{"dram", 1'000'000'000'000, 1'000'000'000'000}}).nanoseconds,
      1'000'000'000U);
}

TEST(CostModel, UnknownBandwidthIsUnknownTime) {
  PassPrediction prediction = predictPass({{"dram", 8, 0}, {"disk", 1, 1'000}});
  EXPECT_EQ(prediction.nanoseconds, 0U);
  EXPECT_EQ(prediction.limit, "");
  EXPECT_EQ(tokensPerSecond(prediction), 0.0);
}

TEST(CostModel, LinksWithoutBytesDoNotMatter) {
  PassPrediction prediction =
      predictPass({{"dram", 1'000, 1'000'000'000}, {"disk", 0, 0}});
  EXPECT_EQ(prediction.nanoseconds, 1'000U);
  EXPECT_EQ(prediction.limit, "dram");
}

} // namespace
} // namespace air::compiler
