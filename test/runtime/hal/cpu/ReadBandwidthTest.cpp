//===- ReadBandwidthTest.cpp - the measured limit is plausible ------------===//
#include "runtime/hal/cpu/ReadBandwidth.h"

#include "runtime/hal/cpu/CpuDevice.h"

#include <ctime>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

TEST(ReadBandwidth, KnowsTheCaches) {
  // A machine reports a cache of 128 KiB to 4 GiB, or none.
  uint64_t bytes = lastLevelCacheBytes();
  EXPECT_TRUE(bytes == 0 || (bytes >= 128 << 10 && bytes <= uint64_t{4} << 30))
      << bytes;
}

TEST(ReadBandwidth, IsAtLeastTheBandwidthOfAPlainLoop) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(1);
  ASSERT_TRUE(device) << device.status().message();
  constexpr uint64_t kBytes = 1 << 20;
  Result<ReadBandwidth> probe =
      ReadBandwidth::create(**device, (*device)->threadPool(), kBytes);
  ASSERT_TRUE(probe) << probe.status().message();
  double limit = probe->measure(3, 5);
  const double limitWithin = probe->bestWithin(0.02);

  std::vector<uint64_t> words(kBytes / sizeof(uint64_t), 3);
  timespec begin = {};
  timespec end = {};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  volatile uint64_t sum = 0;
  for (uint64_t word : words) {
    // `sum` is volatile, so this loop is slow: each iteration waits for the
    // store of the previous one.
    sum = sum + word;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = static_cast<double>(end.tv_sec - begin.tv_sec) +
                   1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec);
  EXPECT_GT(limit, static_cast<double>(kBytes) / seconds);
  EXPECT_GT(limitWithin, static_cast<double>(kBytes) / seconds);
  // No core reads 1.28e12 bytes per second, which are two 64-byte loads per
  // cycle at 10 GHz. A higher result would mean that the probe read nothing.
  EXPECT_LT(limit, 1.28e12);
  EXPECT_LT(limitWithin, 1.28e12);
}

TEST(ReadBandwidth, ReturnsAsManySamplesAsItWasAskedFor) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(1);
  ASSERT_TRUE(device) << device.status().message();
  const std::vector<uint8_t> bytes(1 << 16, 1);
  ReadBandwidth probe =
      ReadBandwidth::over((*device)->threadPool(), {std::span(bytes)});
  const std::vector<double> samples = probe.sample(4, 1);
  EXPECT_EQ(samples.size(), 4u);
  for (double sample : samples) {
    EXPECT_GT(sample, 0);
  }
  ReadBandwidth nothing = ReadBandwidth::over((*device)->threadPool(), {});
  EXPECT_TRUE(nothing.sample(4, 1).empty());
  EXPECT_EQ(nothing.measure(4, 1), 0);
  EXPECT_EQ(nothing.bestWithin(0.01), 0);
}

} // namespace
