//===- TableRowsTest.cpp - rows of a table are verified before use --------===//
#include "runtime/io/TableRows.h"

#include "test/runtime/fake/FakePlan.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

/// The index of the fake plan's embedding table.
constexpr uint32_t kTable = 2;

class TableRowsTest : public testing::Test {
protected:
  PlanFile openPlan() {
    PlanFile plan = file.open();
    EXPECT_EQ(plan.plan().segments()->Get(kTable)->kind(),
              plan::SegmentKind::Table);
    return plan;
  }

  FakePlanFile file;
};

TEST_F(TableRowsTest, EveryRowMayBeNeededAgainAndAgain) {
  PlanFile plan = openPlan();
  uint64_t bytes = plan.segmentBytes(kTable).size();
  TableRows rows(plan);
  // Each pass needs the same three pages. The first pass verifies the whole
  // chunks that contain them.
  uint64_t before = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const SegmentRange ranges[] = {
        {kTable, 0, 16}, {kTable, bytes - 16, 16}, {kTable, bytes / 2, 1}};
    Status status = rows.require(ranges);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_GE(rows.bytesNeeded(), before + 3 * kPlanPageBytes);
    before = rows.bytesNeeded();
    rows.endPass();
  }
}

TEST_F(TableRowsTest, PagesAreDroppedOnceManyHaveBeenNeeded) {
  PlanFile plan = openPlan();
  TableRows rows(plan);
  const SegmentRange range = {kTable, 0, 16};
  const std::vector<SegmentRange> many(
      2 * TableRows::kCachedBytes / kPlanPageBytes, range);
  ASSERT_TRUE(rows.require(many).isOk());
  rows.endPass();
  // The rows can be read again after they have been dropped.
  EXPECT_TRUE(rows.require(std::span(&range, 1)).isOk());
  EXPECT_TRUE(plan.verifyChunk(kTable, 0).isOk());
}

TEST_F(TableRowsTest, AChangedRowIsFoundInEveryPass) {
  file.damage(openPlan().plan().segments()->Get(kTable)->offset() + 9);
  PlanFile plan = openPlan();
  TableRows rows(plan);
  for (int pass = 0; pass < 2; ++pass) {
    const SegmentRange range = {kTable, 4, 4};
    Status status = rows.require(std::span(&range, 1));
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
    EXPECT_NE(status.message().find("embed"), std::string::npos)
        << status.message();
    rows.endPass();
  }
}

} // namespace
