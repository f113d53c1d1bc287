//===- TableRowsTest.cpp - rows of a table are verified before use --------===//
#include "runtime/io/TableRows.h"

#include "test/runtime/fake/FakePlan.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

/// The index of the fake plan's embedding table.
constexpr uint32_t kTable = 2;

class TableRowsTest : public testing::Test {
protected:
  void SetUp() override {
    path = temporaryPath("plan.air");
    writeFakePlan(path);
  }
  void TearDown() override { std::remove(path.c_str()); }

  PlanFile openPlan() {
    Result<PlanFile> opened = PlanFile::open(path);
    EXPECT_TRUE(opened) << opened.status().message();
    EXPECT_EQ(opened->plan().segments()->Get(kTable)->kind(),
              plan::SegmentKind::Table);
    return *std::move(opened);
  }

  std::string path;
};

TEST_F(TableRowsTest, EveryRowMayBeNeededAgainAndAgain) {
  PlanFile plan = openPlan();
  uint64_t bytes = plan.segmentBytes(kTable).size();
  TableRows rows(plan);
  // Each pass needs the pages of its rows. The first one needs whole chunks.
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
  // The rows can be read after they have been dropped.
  EXPECT_TRUE(rows.require(std::span(&range, 1)).isOk());
  EXPECT_TRUE(plan.verifyChunk(kTable, 0).isOk());
}

TEST_F(TableRowsTest, AChangedRowIsFoundInEveryPass) {
  uint64_t offset = openPlan().plan().segments()->Get(kTable)->offset();
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset + 9));
    char byte = 0;
    file.get(byte);
    file.seekp(static_cast<std::streamoff>(offset + 9));
    file.put(static_cast<char>(byte ^ 1));
  }
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
