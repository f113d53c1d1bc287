//===- PlanReportTest.cpp - bounds, sums, and impossible measurements -----===//
#include "tools/air-bench/PlanReport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using namespace air::bench;
using ::testing::HasSubstr;

namespace {

DispatchCost cost(const char *kernel, plan::Arithmetic arithmetic,
                  double weights, double kv, double operations) {
  DispatchCost made;
  made.kernel = kernel;
  made.arithmetic = kernelArithmetic(arithmetic);
  made.weightBytes = weights;
  made.kvBytes = kv;
  made.operations = operations;
  return made;
}

/// A pass over two layers and an output head. Each layer has one step with two
/// dispatches. The rates are 100 bytes, 10 float32 operations and 40 byte
/// products per second.
PlanMeasurement measurement() {
  PlanMeasurement measured;
  measured.link = "dram";
  measured.shape.tokens = 2;
  measured.rates = {100, {10, 40}};
  const std::vector<DispatchCost> layer = {
      cost("matmul", plan::Arithmetic::Int15, 50, 0, 20),
      cost("attention", plan::Arithmetic::Float32, 0, 10, 30)};
  measured.steps = {
      {"layer.0.attn", "Attn", layer},
      {"head", "Head", {cost("head", plan::Arithmetic::Int8, 200, 0, 40)}},
      {"layer.1.attn", "Attn", layer}};
  measured.steps[0].dispatches[0].barrier = false;
  measured.dispatchSeconds = {2, 4, 5, 1.25, 6};
  measured.passes = {{16, measured.rates, measured.rates}};
  measured.emptySingleSeconds = 0.5;
  return measured;
}

TEST(PlanReport, TheNearerBoundCounts) {
  const PlanReport report = evaluate(measurement());
  ASSERT_EQ(report.dispatches.size(), 5U);
  // Reading 50 bytes at 100 bytes per second takes 0.5 s. Int15 needs two byte
  // products for each operation, so 20 operations take 40 products, which at 40
  // products per second take 1 s.
  EXPECT_DOUBLE_EQ(report.dispatches[0].byteBound, 0.5);
  EXPECT_DOUBLE_EQ(report.dispatches[0].operationBound, 1);
  EXPECT_DOUBLE_EQ(report.dispatches[0].bound, 1);
  EXPECT_DOUBLE_EQ(report.dispatches[0].share(), 0.5);
  EXPECT_DOUBLE_EQ(report.dispatches[1].byteBound, 0.1);
  EXPECT_DOUBLE_EQ(report.dispatches[1].bound, 3);
  // Int8 needs one byte product for each operation, so 40 operations at 40
  // products per second take 1 s.
  EXPECT_DOUBLE_EQ(report.dispatches[2].operationBound, 1);
  EXPECT_DOUBLE_EQ(report.dispatches[2].bound, 2);
  EXPECT_EQ(report.impossible, "");
}

TEST(PlanReport, ThePartsOfAStepAreOneStep) {
  PlanMeasurement measured = measurement();
  measured.steps[2].isFurtherPart = true;
  const PlanReport report = evaluate(measured);
  EXPECT_EQ(report.wholeSteps, 2U);
  EXPECT_EQ(report.steps.size(), 3U);
  EXPECT_EQ(report.kinds[0].steps, 1U);
  EXPECT_DOUBLE_EQ(report.kinds[0].part.seconds, 13.25);
}

TEST(PlanReport, SumsGoByStepKindAndPass) {
  const PlanReport report = evaluate(measurement());
  ASSERT_EQ(report.kinds.size(), 2U);
  EXPECT_EQ(report.kinds[0].kind, "Attn");
  EXPECT_EQ(report.kinds[0].steps, 2U);
  EXPECT_DOUBLE_EQ(report.kinds[0].part.seconds, 13.25);
  EXPECT_DOUBLE_EQ(report.kinds[0].part.bound, 8);
  EXPECT_DOUBLE_EQ(report.kinds[0].part.weightBytes, 100);
  EXPECT_DOUBLE_EQ(report.kinds[1].part.seconds, 5);
  EXPECT_DOUBLE_EQ(report.sum.seconds, 18.25);
  EXPECT_DOUBLE_EQ(report.sum.bound, 10);
  EXPECT_DOUBLE_EQ(report.sum.kvBytes, 20);
  EXPECT_DOUBLE_EQ(report.whole.seconds, 16);
  EXPECT_DOUBLE_EQ(report.whole.share(), 10.0 / 16);
  EXPECT_DOUBLE_EQ(report.outsideSeconds, 16 - (18.25 - 0.5));
  EXPECT_EQ(report.barriers, 4U);
}

TEST(PlanReport, ADispatchFasterThanItsBoundIsNamed) {
  PlanMeasurement measured = measurement();
  // The bound of this dispatch is 2 s. Its share, 2 / 1.91, is just below the
  // allowed share of 1.05, and 2 / 1.9 is just above it.
  measured.dispatchSeconds[2] = 1.91;
  EXPECT_EQ(evaluate(measured).impossible, "");
  measured.dispatchSeconds[2] = 1.9;
  EXPECT_THAT(evaluate(measured).impossible, HasSubstr("head head took 1900"));
  // If a new measurement raises the bandwidth, a time that was impossible
  // becomes possible.
  measured.rates.bytes = 110;
  EXPECT_EQ(evaluate(measured).impossible, "");
}

TEST(PlanReport, PrefetchedBytesNeedNoTime) {
  PlanMeasurement measured = measurement();
  // Of the 200 bytes of this dispatch, 10 are read ahead and 190 while it runs,
  // which takes at least 1.9 s. If the dispatch takes 1.81 s, it is faster than
  // that by a factor of 1.9 / 1.81, which is just below the limit of 1.05. For
  // 1.8 s, the factor is just above the limit.
  measured.aheadBytes = 10;
  measured.dispatchSeconds[2] = 1.81;
  EXPECT_EQ(evaluate(measured).impossible, "");
  EXPECT_DOUBLE_EQ(evaluate(measured).dispatches[2].bound, 2);
  measured.dispatchSeconds[2] = 1.8;
  EXPECT_THAT(evaluate(measured).impossible, HasSubstr("head head took 1800"));
}

TEST(PlanReport, APassFasterThanTheSumOfItsBoundsIsNamed) {
  PlanMeasurement measured = measurement();
  measured.passes[0].seconds = 9.5;
  EXPECT_THAT(evaluate(measured).impossible, HasSubstr("the pass took 9500"));
}

TEST(PlanReport, EachPassIsComparedWithTheRatesAroundIt) {
  PlanMeasurement measured = measurement();
  const MachineRates whole = measured.rates;
  // At half the rates, the bounds add up to 20 seconds instead of 10.
  const MachineRates half = {50, {5, 20}};
  measured.passes = {{40, half, half},
                     {25, whole, half},
                     {16, whole, whole},
                     {20, half, whole},
                     {20, whole, whole}};
  const PlanReport report = evaluate(measured);
  // The shares (bound / time) are 20/40, 15/25, 10/16, 15/20 and 10/20.
  ASSERT_TRUE(report.adjacent.shares.has_value());
  EXPECT_DOUBLE_EQ(report.adjacent.shares->low, 0.5);
  EXPECT_DOUBLE_EQ(report.adjacent.shares->median, 0.6);
  EXPECT_DOUBLE_EQ(report.adjacent.shares->high, 0.625);
  EXPECT_EQ(report.adjacent.passes, 5U);
  // The share of the bound that the whole pass attains is computed with
  // measured.rates, the highest rates of the run, and not with the rates that
  // were measured just before and after a pass.
  EXPECT_DOUBLE_EQ(report.whole.seconds, 20);
  EXPECT_DOUBLE_EQ(report.whole.share(), 0.5);
  EXPECT_THAT(planJson(measured, report),
              HasSubstr("\"adjacent_share\": [0.5, 0.6, 0.625]"));
}

TEST(PlanReport, PassesFasterThanTheLimitsAroundThemAreLeftOut) {
  PlanMeasurement measured = measurement();
  const MachineRates third = {100.0 / 3, {10.0 / 3, 40.0 / 3}};
  // The bounds of each pass add up to 30 seconds. Because of errors of
  // measurement, a pass may take less time, down to 30 / 1.05 seconds. So a
  // pass of 29 seconds counts, and one of 28 seconds is left out.
  measured.passes = {
      {29, third, third}, {60, third, third}, {28, third, third}};
  PlanReport report = evaluate(measured);
  EXPECT_EQ(report.impossible, "");
  ASSERT_TRUE(report.adjacent.shares.has_value());
  EXPECT_DOUBLE_EQ(report.adjacent.shares->low, 0.5);
  EXPECT_DOUBLE_EQ(report.adjacent.shares->high, 30.0 / 29);
  EXPECT_THAT(planText(measured, report), HasSubstr("2 of 3 passes"));
  // If half of the passes or more are left out, no shares are reported.
  measured.passes[0].seconds = 28;
  report = evaluate(measured);
  EXPECT_EQ(report.impossible, "");
  EXPECT_THAT(planJson(measured, report),
              HasSubstr("\"adjacent_share\": null, \"adjacent_passes\": 1"));
  EXPECT_THAT(planText(measured, report),
              HasSubstr("adjacent share unknown: only 1 of 3 passes"));
}

TEST(PlanReport, APassIsSteadyIfTheLimitsAroundItAgree) {
  const PlanMeasurement measured = measurement();
  const MachineRates rates = measured.rates;
  // At these rates, the dispatches take at least 1 + 3 + 2 + 1 + 3 = 10 s.
  EXPECT_TRUE(isSteady(measured, {10, rates, rates}));
  EXPECT_FALSE(isSteady(measured, {9, rates, rates}));
  MachineRates faster = rates;
  faster.bytes = 119;
  EXPECT_TRUE(isSteady(measured, {16, rates, faster}));
  EXPECT_TRUE(isSteady(measured, {16, faster, rates}));
  faster.bytes = 121;
  EXPECT_FALSE(isSteady(measured, {16, rates, faster}));
  EXPECT_FALSE(isSteady(measured, {16, faster, rates}));
}

TEST(PlanReport, PassesThatAreLeftOutAreCounted) {
  PlanMeasurement measured = measurement();
  measured.timedPasses = 5;
  measured.unsteadyPasses = 2;
  measured.leavesOutUnsteady = true;
  PlanReport report = evaluate(measured);
  EXPECT_THAT(planText(measured, report),
              HasSubstr("5 timed by dispatch (2 left out, because memory "
                        "changed its rate)"));
  EXPECT_THAT(planJson(measured, report),
              HasSubstr("\"timed_passes\": 5, \"unsteady_passes\": 2,"));
  // If too few passes are steady, the unsteady ones are not left out.
  measured.leavesOutUnsteady = false;
  report = evaluate(measured);
  EXPECT_THAT(planText(measured, report),
              HasSubstr("5 timed by dispatch (memory changed its rate during 2 "
                        "of them)"));
}

TEST(PlanReport, LimitsThatMostPassesBeatAreAnError) {
  PlanMeasurement measured = measurement();
  measured.timedPasses = 4;
  measured.unsteadyPasses = 4;
  measured.leavesOutUnsteady = true;
  measured.tooFastPasses = 3;
  EXPECT_EQ(evaluate(measured).impossible, "");
  measured.tooFastPasses = 4;
  EXPECT_EQ(evaluate(measured).impossible,
            "of 8 passes timed by dispatch, 4 took less time than the limits "
            "before and after them allow");
}

TEST(PlanReport, NamesAreQuoted) {
  PlanMeasurement measured = measurement();
  measured.steps[0].name = "a\"b\\c\n\u202e";
  EXPECT_THAT(planJson(measured, evaluate(measured)),
              HasSubstr(R"("name": "a\"b\\c\n\u202e")"));
}

} // namespace
