//===- GpuLimitTest.cpp - the bandwidth of a fake GPU ---------------------===//
#include "tools/airrun/GpuLimit.h"

#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air {
namespace {

class GpuLimitTest : public testing::Test {
protected:
  void SetUp() override { fakeCuda = FakeCuda(); }
  void TearDown() override { EXPECT_EQ(fakeCudaLiveObjects(), 0); }
};

// The fake driver copies 10 GB/s in any direction. A copy within the GPU reads
// and writes each byte.
TEST_F(GpuLimitTest, ReadAndWrittenBytesCount) {
  Result<std::unique_ptr<GpuLimit>> limit =
      GpuLimit::create({.device = "emulated", .arch = "sm_90a"}, 5'120'000);
  ASSERT_TRUE(limit.isOk()) << limit.status().message();
  Result<double> rate = (*limit)->measure();
  ASSERT_TRUE(rate.isOk()) << rate.status().message();
  EXPECT_NEAR(*rate, 20e9, 1e5);
  rate = (*limit)->measureUpload();
  ASSERT_TRUE(rate.isOk()) << rate.status().message();
  EXPECT_NEAR(*rate, 10e9, 1e5);
}

TEST_F(GpuLimitTest, TheLinkDependsOnTheCache) {
  Result<std::unique_ptr<rt::CudaDriver>> driver = rt::CudaDriver::open({});
  ASSERT_TRUE(driver.isOk()) << driver.status().message();
  const auto l2 = static_cast<double>((*driver)->facts().l2Bytes);
  Result<std::unique_ptr<GpuLimit>> within = GpuLimit::create({}, l2);
  ASSERT_TRUE(within.isOk()) << within.status().message();
  EXPECT_STREQ((*within)->link(), "cache");
  Result<std::unique_ptr<GpuLimit>> beyond = GpuLimit::create({}, l2 + 1);
  ASSERT_TRUE(beyond.isOk()) << beyond.status().message();
  EXPECT_STREQ((*beyond)->link(), "vram");
}

TEST_F(GpuLimitTest, AGpuWithoutRoomIsAnError) {
  fakeCuda.freeBytes = 1'500'000;
  const Status status = GpuLimit::create({}, 2e6).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(),
              testing::HasSubstr("two buffers of 1000192 bytes"));
}

} // namespace
} // namespace air
