//===- ScheduleTest.cpp - the order in which segments are read ------------===//
#include "compiler/planner/Schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::compiler {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kNames = {"head", "embed", "layer.0"};

TEST(Schedule, OrdersByFirstUse) {
  // Step 0 reads no segment, step 1 reads "embed", step 2 reads "layer.0", and
  // step 3 reads "embed" again and "head".
  Result<std::vector<ScheduledRead>> reads =
      scheduleReads({{}, {1}, {2}, {1, 0}}, kNames);
  ASSERT_TRUE(reads.isOk());
  EXPECT_THAT(*reads, ElementsAre(ScheduledRead{1, 1}, ScheduledRead{2, 2},
                                  ScheduledRead{0, 3}));
  EXPECT_TRUE(verifyReads({{}, {1}, {2}, {1, 0}}, kNames, *reads).isOk());
}

TEST(Schedule, RefusesASegmentThatNothingReads) {
  Result<std::vector<ScheduledRead>> reads = scheduleReads({{1}, {2}}, kNames);
  ASSERT_FALSE(reads.isOk());
  EXPECT_THAT(reads.status().message(), HasSubstr("'head'"));
}

TEST(Schedule, RefusesAnUnknownSegment) {
  EXPECT_EQ(scheduleReads({{3}}, kNames).status().code(), ErrorCode::Internal);
}

TEST(ScheduleVerifier, FindsEveryFault) {
  std::vector<std::vector<uint32_t>> steps = {{1}, {2}, {0}};
  auto verdict = [&](std::vector<ScheduledRead> reads) {
    return verifyReads(steps, kNames, reads).message();
  };
  EXPECT_THAT(verdict({{1, 0}, {2, 2}, {0, 2}}),
              HasSubstr("step 1 needs segment 'layer.0' before"));
  EXPECT_THAT(verdict({{1, 0}, {2, 1}}), HasSubstr("step 2 needs segment"));
  EXPECT_THAT(verdict({{1, 0}, {1, 0}, {2, 1}, {0, 2}}),
              HasSubstr("'embed' is read twice"));
  EXPECT_THAT(verdict({{0, 2}, {1, 0}, {2, 1}}),
              HasSubstr("comes after one for step 2"));
  EXPECT_THAT(verdict({{7, 0}}),
              HasSubstr("refers to segment 7, but there are only 3 segments"));
  EXPECT_EQ(verdict({{1, 0}, {2, 1}, {0, 2}}), "");
}

} // namespace
} // namespace air::compiler
