//===- VerifyCurveTest.cpp - what a pass costs with more tokens -----------===//
#include "tools/airrun/VerifyCurve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace air;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

TEST(VerifyCurve, ReadsTheNumbersOfTokens) {
  EXPECT_THAT(*parseCurveTokens("1,2,4", 4), ElementsAre(1, 2, 4));
  EXPECT_THAT(*parseCurveTokens("3,8", 8), ElementsAre(1, 3, 8));
  EXPECT_THAT(*parseCurveTokens("1", 1), ElementsAre(1));
  // In the default list, token counts above the limit are left out.
  EXPECT_THAT(*parseCurveTokens(kCurveTokens, 10), ElementsAre(1, 2, 4, 8));
  for (const char *text : {"", ",", "1,", "0", "1,0", "a", "1;2", "-1", "1,2x",
                           "99999999999999999999999"}) {
    const Status status = parseCurveTokens(text, 64).status();
    EXPECT_EQ(status.code(), ErrorCode::Usage) << text;
    EXPECT_THAT(status.message(), HasSubstr("is not a list")) << text;
  }
  EXPECT_THAT(parseCurveTokens("2,2", 64).status().message(),
              HasSubstr("must ascend"));
  EXPECT_THAT(parseCurveTokens("4,1", 64).status().message(),
              HasSubstr("must ascend"));
  EXPECT_THAT(
      parseCurveTokens("65", 64).status().message(),
      HasSubstr("a pass of 65 tokens is requested, but this plan supports "
                "at most 64 tokens of one sequence per pass"));
}

std::vector<CurvePoint> example() {
  return {{1, {0.5, 1e9}, CurvePass{0.5, 1e9}}, {8, {0.75, 1e9}, std::nullopt}};
}

TEST(VerifyCurve, ReportsTimesRelativeToOneToken) {
  const nlohmann::json json = nlohmann::json::parse(curveJson(example()));
  EXPECT_EQ(json[1]["tokens"], 8);
  EXPECT_EQ(json[1]["one_sequence"]["seconds"], 0.75);
  EXPECT_EQ(json[1]["one_sequence"]["relative"], 1.5);
  EXPECT_EQ(json[1]["one_sequence"]["disk_bytes"], 1e9);
  EXPECT_EQ(json[0]["sequences"]["relative"], 1);
  EXPECT_TRUE(json[1]["sequences"].is_null());
  EXPECT_THAT(curveText(example()), HasSubstr("750.00 ms  x 1.50"));
  EXPECT_THAT(curveText(example()), HasSubstr("no room"));
}

TEST(VerifyCurve, ShowsWhatThePlanPredicts) {
  // A pass of one token reads 4 GB at 10 GB/s. A pass of 4 tokens also computes
  // for 0.1 s, of which overlappedTime() (CpuRates.h) adds a half times the
  // square root of 0.1 / 0.4: 25 ms.
  BenchMeasurement measured;
  measured.planLinks = {{"dram", 4e9, 0, 10e9}};
  measured.planVerifyLinks = {{"dram", 4e9, 0, 10e9}, {"cpu", 1e9, 0, 10e9}};
  std::vector<CurvePoint> curve = {
      {1, {0.5, 0}, {}, 0}, {2, {0.5, 0}, {}, 0}, {4, {0.6, 0}, {}, 0}};
  addPredictions(measured, curve);
  EXPECT_NEAR(curve[0].predictedSeconds, 0.4, 1e-12);
  EXPECT_EQ(curve[1].predictedSeconds, 0);
  EXPECT_NEAR(curve[2].predictedSeconds, 0.425, 1e-12);
  const nlohmann::json json = nlohmann::json::parse(curveJson(curve));
  EXPECT_EQ(json[0]["predicted_s"], 0.4);
  EXPECT_TRUE(json[1]["predicted_s"].is_null());
  EXPECT_EQ(json[2]["predicted_s"], 0.425);
  EXPECT_THAT(curveText(curve), HasSubstr("425.00 ms predicted"));
  // If a rate was not measured, there is no prediction.
  measured.planVerifyLinks[1].measuredRate = 0;
  addPredictions(measured, curve);
  EXPECT_EQ(curve[2].predictedSeconds, 0);
}

TEST(VerifyCurve, ARateAboveALimitIsRefused) {
  // A pass of the example reads 1 GB from the disk in 0.5 s, which is 2 GB/s.
  // Its 4 GB of weights are read from memory at 8 GB/s.
  BenchMeasurement measured;
  measured.links = {{"dram", 0, 0, 10e9, 0, 4e9}, {"disk", 0, 0, 2.5e9}};
  uint32_t calls = 0;
  const auto again = [&](size_t) {
    ++calls;
    return 0.0;
  };
  EXPECT_TRUE(checkCurve(example(), measured, again).isOk());
  EXPECT_EQ(calls, 0U);
  measured.links[1].limitPerSecond = 1.5e9;
  const Status status = checkCurve(example(), measured, again);
  EXPECT_EQ(status.code(), ErrorCode::Internal);
  EXPECT_THAT(status.message(), HasSubstr("a pass of 1 token"));
  EXPECT_THAT(status.message(), HasSubstr("2.00 GB/s from disk"));
  EXPECT_GT(calls, 0U);
  // If measuring the limit again gives a higher value, the higher value is
  // kept.
  EXPECT_TRUE(
      checkCurve(example(), measured, [](size_t) { return 3e9; }).isOk());
  EXPECT_EQ(measured.links[1].limitPerSecond, 3e9);
  // Each pass also copies 2 GB to a GPU, at 4 GB/s.
  measured.links.push_back({"pcie", 0, 0, 5e9, 0, 2e9});
  EXPECT_TRUE(checkCurve(example(), measured, again).isOk());
  measured.links.back().limitPerSecond = 3e9;
  EXPECT_THAT(checkCurve(example(), measured, again).message(),
              HasSubstr("4.00 GB/s from pcie"));
}

} // namespace
