//===- PlanSourceTest.cpp - nothing is used before it is verified ---------===//
#include "runtime/io/PlanSource.h"

#include "test/runtime/fake/FakePlan.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

class PlanSourceWith : public testing::TestWithParam<uint32_t> {
protected:
  FakePlanFile file;
};

TEST_P(PlanSourceWith, GivesEverySegmentVerified) {
  PlanFile plan = file.open();
  Result<std::unique_ptr<PlanSource>> source =
      PlanSource::start(plan, GetParam(), {});
  ASSERT_TRUE(source) << source.status().message();
  for (uint32_t i = 0; i < 3; ++i) {
    Status status = (*source)->requireNow(std::span(&i, 1));
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_EQ((*source)->segment(i).data(), plan.segmentBytes(i).data());
    EXPECT_EQ((*source)->segment(i).size(), plan.segmentBytes(i).size());
  }
  EXPECT_TRUE((*source)->settled());
  // The progress of loading leaves out the segment with the kernels.
  const uint64_t bytes =
      plan.segmentBytes(0).size() + plan.segmentBytes(2).size();
  EXPECT_EQ((*source)->loading().done, bytes);
  EXPECT_EQ((*source)->loading().total, bytes);
  uint32_t again[] = {2, 0, 1, 0};
  EXPECT_TRUE((*source)->requireNow(again).isOk());
}

TEST_P(PlanSourceWith, NodesChangeNothingOfWhatIsRead) {
  PlanFile plan = file.open();
  // Every machine has NUMA node 0, and hardly any machine has node 999.
  Result<std::unique_ptr<PlanSource>> source =
      PlanSource::start(plan, GetParam(), {{0, 0, 2, 3}, {999, 2, 3, 3}});
  ASSERT_TRUE(source) << source.status().message();
  uint32_t all[] = {0, 1, 2};
  Status status = (*source)->requireNow(all);
  EXPECT_TRUE(status.isOk()) << status.message();
  EXPECT_TRUE((*source)->settled());
}

TEST_P(PlanSourceWith, KernelsAloneDoNotSettleIt) {
  PlanFile plan = file.open();
  Result<std::unique_ptr<PlanSource>> source =
      PlanSource::start(plan, GetParam(), {});
  ASSERT_TRUE(source) << source.status().message();
  uint32_t kernels = 1;
  ASSERT_TRUE((*source)->requireNow(std::span(&kernels, 1)).isOk());
  EXPECT_TRUE(GetParam() != 0 || !(*source)->settled());
  EXPECT_TRUE(GetParam() != 0 || (*source)->loading().done == 0);
}

TEST_P(PlanSourceWith, AChangedByteIsFoundWhereItMatters) {
  PlanFile before = file.open();
  uint64_t offset = before.plan().segments()->Get(0)->offset();
  file.damage(offset + 5);
  PlanFile plan = file.open();
  Result<std::unique_ptr<PlanSource>> source =
      PlanSource::start(plan, GetParam(), {});
  ASSERT_TRUE(source) << source.status().message();
  uint32_t sound = 2;
  uint32_t changed = 0;
  EXPECT_TRUE((*source)->requireNow(std::span(&sound, 1)).isOk());
  for (int attempt = 0; attempt < 2; ++attempt) {
    Status status = (*source)->requireNow(std::span(&changed, 1));
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
    EXPECT_NE(status.message().find("head"), std::string::npos)
        << status.message();
  }
  EXPECT_FALSE((*source)->settled());
  EXPECT_TRUE((*source)->requireNow(std::span(&sound, 1)).isOk());
}

TEST_P(PlanSourceWith, CanBeDroppedWhileItReads) {
  PlanFile plan = file.open();
  for (int round = 0; round < 20; ++round) {
    Result<std::unique_ptr<PlanSource>> source =
        PlanSource::start(plan, GetParam(), {});
    ASSERT_TRUE(source) << source.status().message();
  }
}

INSTANTIATE_TEST_SUITE_P(Loaders, PlanSourceWith, testing::Values(0, 1, 4, 99));

} // namespace
