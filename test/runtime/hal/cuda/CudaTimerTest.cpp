//===- CudaTimerTest.cpp - times that the driver reports ------------------===//
#include "runtime/hal/cuda/CudaTimer.h"

#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <gtest/gtest.h>

namespace air::rt {
namespace {

// The fake driver copies 10 GB/s, and rounds the time of each copy up to whole
// microseconds.
TEST(CudaTimer, TimesAreThoseOfTheDriver) {
  fakeCuda = FakeCuda();
  {
    // Two users of a GPU share its context.
    Result<std::unique_ptr<CudaDriver>> other = CudaDriver::open({});
    Result<std::unique_ptr<CudaDriver>> driver = CudaDriver::open({});
    ASSERT_TRUE(other.isOk() && driver.isOk());
    other->reset();
    Result<std::unique_ptr<CudaTimer>> timer = CudaTimer::create(**driver);
    ASSERT_TRUE(timer.isOk()) << timer.status().message();
    const Result<uint64_t> memory = (*driver)->allocate(2'000'000);
    ASSERT_TRUE(memory.isOk()) << memory.status().message();
    const Result<double> copy = (*timer)->copyMilliseconds(
        *memory + 1'000'000, *memory, 1'000'000, 3, 2);
    ASSERT_TRUE(copy.isOk()) << copy.status().message();
    EXPECT_NEAR(*copy, 0.1, 1e-6);
    // The copy consists of three pieces of 300,001 bytes, which take 31
    // microseconds each, and a fourth one with the remaining 99,997 bytes,
    // which takes 10 microseconds.
    const Result<double> upload =
        (*timer)->uploadMilliseconds(*memory, 1'000'000, 300'001);
    ASSERT_TRUE(upload.isOk()) << upload.status().message();
    EXPECT_NEAR(*upload, 0.103, 1e-6);
    EXPECT_FALSE(
        (*timer)
            ->copyMilliseconds(*memory, *memory + 1'500'000, 1'000'000, 1, 1)
            .isOk())
        << "the copy reads beyond the allocation";
    EXPECT_TRUE(
        (*driver)->call((*driver)->functions().memoryFree, *memory).isOk());
  }
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
}

} // namespace
} // namespace air::rt
