//===- CpuLoadTest.cpp - CPU time that others take ------------------------===//
#include "runtime/hal/cpu/probe/CpuLoad.h"

#include "test/runtime/fake/FakeRoot.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <unistd.h>

using namespace air::rt;
using air::test::FakeRoot;

TEST(CpuLoad, ReadsWhatLinuxCounts) {
  // The CPUs are busy for 7 + 1 + 3 + 2 + 5 + 4 = 22 seconds, idle for 100, and
  // wait for disks for 10. The last two numbers, 6 and 1, are the time of
  // guests. They are not added, because the first two numbers, 7 and 1, include
  // them.
  const auto ticks = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  std::string line = "cpu ";
  for (const uint64_t seconds : {7, 1, 3, 100, 10, 2, 5, 4, 6, 1}) {
    line += " " + std::to_string(seconds * ticks);
  }
  const FakeRoot root;
  root.put("proc/stat", line + "\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
  const std::optional<CpuTimes> times = cpuTimes(root.path());
  ASSERT_TRUE(times);
  EXPECT_DOUBLE_EQ(times->busy, 22);
  EXPECT_DOUBLE_EQ(times->total, 132);
}

TEST(CpuLoad, IsUnknownWithoutTheCounters) {
  for (const std::string text : {"", "intr 5\n", "cpu  1 2 3\n", "cpu  x\n"}) {
    const FakeRoot root;
    root.put("proc/stat", text);
    EXPECT_FALSE(cpuTimes(root.path())) << text;
    EXPECT_EQ(CpuLoad(root.path()).others(), 0) << text;
  }
}

TEST(CpuLoad, LeavesOutThisProcess) {
  // In 10 seconds, two CPUs had 20 seconds of CPU time, of which 14 were busy.
  // This process took 9 of the 14 busy seconds, so others took 5 of the 20.
  EXPECT_DOUBLE_EQ(shareOfOthers({50, 100}, {64, 120}, 9), 0.25);
  // Linux counts whole ticks, so the busy time that it reports (2 seconds here)
  // may be shorter than the CPU time of this process alone (2.5 seconds).
  EXPECT_EQ(shareOfOthers({50, 100}, {52, 120}, 2.5), 0);
  EXPECT_EQ(shareOfOthers({50, 100}, {50, 100}, 0), 0);
}

TEST(CpuLoad, CountsOthersSinceItWasMade) {
  const auto ticks = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  const auto counted = [&](uint64_t user, uint64_t idle) {
    return "cpu  " + std::to_string(user * ticks) + " 0 0 " +
           std::to_string(idle * ticks) + " 0 0 0 0 0 0\n";
  };
  const FakeRoot root;
  root.put("proc/stat", counted(1000, 1000));
  const CpuLoad load(root.path());
  root.put("proc/stat", counted(5000, 5000));
  // The counters have grown by 4,000 busy and 4,000 idle seconds. The CPU time
  // of this test is negligible in comparison.
  EXPECT_NEAR(load.others(), 0.5, 0.01);
}
