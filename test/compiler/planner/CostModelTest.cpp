//===- CostModelTest.cpp - time computed from bytes per link --------------===//
#include "compiler/planner/CostModel.h"

#include <gtest/gtest.h>

namespace air::compiler {
namespace {

TEST(CostModel, TheSlowestLinkLimits) {
  // Reading takes 100 ms from memory and 200 ms from the disk. A fifth of the
  // shorter time is added to the longer one.
  PassPrediction prediction =
      predictPass({{"dram", 8'000'000'000, 80'000'000'000},
                   {"disk", 700'000'000, 3'500'000'000}});
  EXPECT_EQ(prediction.nanoseconds, 220'000'000U);
  EXPECT_EQ(prediction.limit, "disk");
  EXPECT_DOUBLE_EQ(tokensPerSecond(prediction), 1 / 0.22);
  EXPECT_EQ(prediction.links.size(), 2U);
}

TEST(CostModel, DiskAndCoresKeepAShareOfTheirRates) {
  // While the disk is read, the cores take 100 / 0.8 = 125 ms. In this time,
  // the disk does 0.5 * 125 = 62.5 of its 200 ms of work, so it needs another
  // 137.5 ms.
  const LinkLoad reading = {"dram", 8'000'000'000, 80'000'000'000};
  PassPrediction prediction =
      predictPass({reading, {"disk", 700'000'000, 3'500'000'000}},
                  {.disk = 0.5, .memory = 0.8});
  EXPECT_EQ(prediction.nanoseconds, 262'500'000U);
  EXPECT_EQ(prediction.limit, "disk");
  // While the cores are busy, the disk takes 60 / 0.5 = 120 ms. In this time,
  // the cores do 96 of their 100 ms of work. The reported limit is the link
  // that would take longer alone.
  prediction = predictPass({reading, {"disk", 210'000'000, 3'500'000'000}},
                           {.disk = 0.5, .memory = 0.8});
  EXPECT_NEAR(static_cast<double>(prediction.nanoseconds), 124e6, 1);
  EXPECT_EQ(prediction.limit, "dram");
}

TEST(CostModel, AGpuReadsItsOwnMemory) {
  const PassPrediction prediction =
      predictPass({{"vram", 6'000'000'000, 300'000'000'000}});
  EXPECT_EQ(prediction.nanoseconds, 20'000'000U);
  EXPECT_EQ(prediction.limit, "vram");
}

TEST(CostModel, CopiesToAGpuOverlapItsKernels) {
  const LinkLoad reading = {"vram", 6'000'000'000, 300'000'000'000};
  PassPrediction prediction =
      predictPass({reading, {"pcie", 1'000'000'000, 25'000'000'000}});
  EXPECT_EQ(prediction.nanoseconds, 40'000'000U);
  EXPECT_EQ(prediction.limit, "pcie");
  prediction = predictPass({reading, {"pcie", 100'000'000, 25'000'000'000}});
  EXPECT_EQ(prediction.nanoseconds, 20'000'000U);
  EXPECT_EQ(prediction.limit, "vram");
}

TEST(CostModel, ADiskDoesNotSlowDownAGpu) {
  const PassPrediction fast = predictPass({{"vram", 1000, 1'000'000'000},
                                           {"pcie", 100, 50'000'000},
                                           {"disk", 30, 10'000'000}});
  EXPECT_EQ(fast.nanoseconds, 3000U);
  EXPECT_EQ(fast.limit, "disk");
  const PassPrediction slow = predictPass({{"vram", 1000, 1'000'000'000},
                                           {"pcie", 100, 20'000'000},
                                           {"disk", 30, 10'000'000}});
  EXPECT_EQ(slow.nanoseconds, 5000U);
  EXPECT_EQ(slow.limit, "pcie");
}

TEST(CostModel, ArithmeticOverlapsReadingInPart) {
  // Reading takes 100 ms, and arithmetic takes 25 ms. The share of the shorter
  // time that is not hidden is half of the square root of 25 / 100
  // (overlappedTime() in CpuRates.h). This share is a fourth, or 6.25 ms, so
  // the pass takes 106.25 ms.
  const LinkLoad reading = {"dram", 8'000'000'000, 80'000'000'000};
  const LinkLoad arithmetic = {"cpu", 2'500'000'000, 100'000'000'000};
  PassPrediction prediction = predictPass({reading, arithmetic});
  EXPECT_EQ(prediction.nanoseconds, 106'250'000U);
  EXPECT_EQ(prediction.limit, "dram");
  // Reading and arithmetic together take 106.25 ms, and the disk takes 100 ms.
  // A fifth of the shorter time is added to the longer one.
  EXPECT_EQ(
      predictPass({reading, arithmetic, {"disk", 100, 1'000}}).nanoseconds,
      126'250'000U);
  prediction = predictPass({reading, arithmetic, {"disk", 140, 1'000}});
  EXPECT_EQ(prediction.nanoseconds, 161'250'000U);
  EXPECT_EQ(prediction.limit, "disk");
  // Here arithmetic takes 400 ms, and 25 ms of the 100 ms of reading are not
  // hidden behind it.
  prediction = predictPass({reading, {"cpu", 40, 100}});
  EXPECT_EQ(prediction.nanoseconds, 425'000'000U);
  EXPECT_EQ(prediction.limit, "cpu");
}

TEST(CostModel, RoundsTimeUpAndDoesNotOverflow) {
  // Reading 10 bytes at 3 bytes/s takes 3.33... s, which is rounded up to
  // 3333333334 ns.
  EXPECT_EQ(predictPass({{"dram", 10, 3}}).nanoseconds, 3'333'333'334U);
  // Reading 1 TB at 1 TB/s takes 1 s. The product of 1 TB and 1e9 ns/s does not
  // fit in 64 bits.
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
