//===- MemoryLimitTest.cpp - the closest limit counts ---------------------===//
#include "runtime/io/MemoryLimit.h"

#include "formats/support/MonotonicClock.h"
#include "test/runtime/fake/FakeRoot.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <sys/sysinfo.h>
#include <unistd.h>

using namespace air;
using namespace air::rt;
using air::test::FakeRoot;

namespace {

class MemoryLimitTest : public testing::Test {
protected:
  MemoryLimitTest() {
    root.put("proc/meminfo", "MemTotal:       1000 kB\n"
                             "MemFree:         100 kB\n"
                             "MemAvailable:    600 kB\n");
  }

  FakeRoot root;
};

TEST_F(MemoryLimitTest, WithoutCgroupsItIsWhatTheMachineHas) {
  MemoryLimit limit = MemoryLimit::open(root.path());
  std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 600 * 1024);
  EXPECT_EQ(room->limit, 1000u * 1024);
  EXPECT_EQ(room->smallest, 1000u * 1024);
  EXPECT_EQ(room->file, root.at("proc/meminfo"));
  root.putMemory(1000, 7);
  EXPECT_EQ(limit.read()->free, 7 * 1024);
}

TEST_F(MemoryLimitTest, TheTotalIsALimitOnItsOwn) {
  root.put("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\n");
  MemoryLimit limit = MemoryLimit::open(root.path());
  std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 1000 * 1024);
  EXPECT_EQ(room->limit, 1000u * 1024);
  EXPECT_EQ(room->smallest, 1000u * 1024);
  EXPECT_EQ(room->file, root.at("proc/meminfo"));
  // The limit of a cgroup may be larger than the memory of the machine.
  root.enterGroup(2, "box");
  root.putGroup(2, "box", "2000000", 1900000, 0);
  room = MemoryLimit::open(root.path()).read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->limit, 2000000u);
  EXPECT_EQ(room->smallest, 1000u * 1024);
}

TEST_F(MemoryLimitTest, WithoutATotalTheMachineSetsNoLimit) {
  for (const char *total : {"", "MemTotal: what\n", "MemTotal: 0 kB\n"}) {
    SCOPED_TRACE(total);
    root.put("proc/meminfo", std::string(total) + "MemAvailable: 600 kB\n");
    std::filesystem::remove(root.at("proc/self/cgroup"));
    EXPECT_FALSE(MemoryLimit::open(root.path()).read());
    root.enterGroup(2, "box");
    root.putGroup(2, "box", "500000", 300000, 0);
    MemoryLimit limit = MemoryLimit::open(root.path());
    const std::optional<MemoryRoom> room = limit.read();
    ASSERT_TRUE(room);
    EXPECT_EQ(room->free, 200000);
    EXPECT_EQ(room->smallest, 500000u);
  }
}

TEST_F(MemoryLimitTest, Version2SubtractsThePageCache) {
  root.enterGroup(2, "box/job");
  root.putGroup(2, "box/job", "500000", 300000, 30000, 10000);
  root.putGroup(2, "box", "max", 900000, 0);
  MemoryLimit limit = MemoryLimit::open(root.path());
  std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 500000 - (300000 - 40000));
  EXPECT_EQ(room->limit, 500000u);
  EXPECT_EQ(room->file, root.at("sys/fs/cgroup/box/job/memory.max"));
  // An ancestor can leave less room than the group itself, for example because
  // of the ancestor's other children.
  root.putGroup(2, "box", "910000", 900000, 0);
  room = limit.read();
  EXPECT_EQ(room->free, 10000);
  EXPECT_EQ(room->file, root.at("sys/fs/cgroup/box/memory.max"));
  // memory.high can leave less room than memory.max.
  root.put("sys/fs/cgroup/box/job/memory.high", "261000\n");
  room = limit.read();
  EXPECT_EQ(room->free, 1000);
  EXPECT_EQ(room->file, root.at("sys/fs/cgroup/box/job/memory.high"));
}

// If groups are nested, the one with the least room is not always the one with
// the smallest limit.
TEST_F(MemoryLimitTest, Version2HasLimitsInEveryAncestor) {
  root.enterGroup(2, "a/b/c");
  root.putGroup(2, "a", "900000", 100000, 0);
  root.putGroup(2, "a/b", "max", 90000, 0);
  root.putGroup(2, "a/b/c", "max", 80000, 0);
  MemoryLimit limit = MemoryLimit::open(root.path());
  EXPECT_EQ(limit.read()->smallest, 900000u);
  EXPECT_EQ(limit.read()->file, root.at("proc/meminfo"));
  EXPECT_EQ(limit.read()->limit, 1000u * 1024);
  // The other processes of the outermost group use nearly all of its memory.
  root.putGroup(2, "a", "900000", 890000, 0);
  root.putGroup(2, "a/b/c", "300000", 80000, 0);
  std::optional<MemoryRoom> room = limit.read();
  EXPECT_EQ(room->file, root.at("sys/fs/cgroup/a/memory.max"));
  EXPECT_EQ(room->free, 10000);
  EXPECT_EQ(room->limit, 900000u);
  EXPECT_EQ(room->smallest, 300000u);
  // Linux slows down a process that exceeds memory.high, so memory.high is a
  // limit like memory.max, whichever group sets it.
  root.put("sys/fs/cgroup/a/b/memory.high", "95000\n");
  room = limit.read();
  EXPECT_EQ(room->file, root.at("sys/fs/cgroup/a/b/memory.high"));
  EXPECT_EQ(room->free, 5000);
  EXPECT_EQ(room->smallest, 95000u);
  // A limit that is changed to "max" no longer applies.
  root.put("sys/fs/cgroup/a/b/memory.high", "max\n");
  root.putGroup(2, "a", "max", 890000, 0);
  root.putGroup(2, "a/b/c", "max", 80000, 0);
  EXPECT_EQ(limit.read()->file, root.at("proc/meminfo"));
  EXPECT_EQ(limit.read()->smallest, 1000u * 1024);
}

TEST_F(MemoryLimitTest, Version2WithoutSomeFilesHasTheOtherLimits) {
  root.enterGroup(2, "box");
  root.put("sys/fs/cgroup/box/memory.max", "500000\n");
  root.put("sys/fs/cgroup/box/memory.current", "100000\n");
  MemoryLimit limit = MemoryLimit::open(root.path());
  EXPECT_EQ(limit.read()->free, 400000);
  EXPECT_EQ(limit.read()->limit, 500000u);
}

TEST_F(MemoryLimitTest, Version1SubtractsTheCacheOfAllDescendants) {
  root.enterGroup(1, "box");
  root.putGroup(1, "box", "400000", 390000, 20000, 30000);
  root.put("sys/fs/cgroup/memory/memory.limit_in_bytes",
           "9223372036854771712\n");
  root.put("sys/fs/cgroup/memory/memory.usage_in_bytes", "99999999999\n");
  MemoryLimit limit = MemoryLimit::open(root.path());
  const std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 400000 - (390000 - 50000));
  EXPECT_EQ(room->file, root.limitOf(1, "box"));
}

TEST_F(MemoryLimitTest, ALimitThatIsLoweredWhileTheProcessRunsIsSeen) {
  root.enterGroup(2, "box");
  root.putGroup(2, "box", "500000", 300000, 0);
  MemoryLimit limit = MemoryLimit::open(root.path());
  EXPECT_EQ(limit.read()->free, 200000);
  EXPECT_EQ(usableBytes(*limit.read(), 200000), 400000u);
  EXPECT_EQ(usableBytes(*limit.read(), UINT64_MAX), UINT64_MAX);
  root.put("sys/fs/cgroup/box/memory.max", "250000\n");
  EXPECT_EQ(limit.read()->free, -50000);
  // Other processes use 100000 of the 250000 bytes.
  EXPECT_EQ(usableBytes(*limit.read(), 200000), 150000u);
  EXPECT_EQ(usableBytes(*limit.read(), 40000), 0u);
  EXPECT_EQ(usableBytes(*limit.read(), UINT64_MAX), UINT64_MAX - 50000);
  root.put("sys/fs/cgroup/box/memory.max", "max\n");
  EXPECT_EQ(limit.read()->file, root.at("proc/meminfo"));
}

TEST_F(MemoryLimitTest, WhatCannotBeReadCountsAsBefore) {
  root.enterGroup(2, "box");
  root.putGroup(2, "box", "500000", 300000, 100000);
  MemoryLimit limit = MemoryLimit::open(root.path());
  EXPECT_EQ(limit.read()->free, 300000);
  // While a cgroup's file is rewritten, it may be empty for a moment.
  for (const char *file : {"memory.max", "memory.current", "memory.stat"}) {
    root.put(std::string("sys/fs/cgroup/box/") + file, "");
  }
  EXPECT_EQ(limit.read()->free, 300000);
  root.put("sys/fs/cgroup/box/memory.max", "what\n");
  EXPECT_EQ(limit.read()->free, 300000);
}

TEST_F(MemoryLimitTest, AbsurdNumbersDoNotOverflow) {
  root.enterGroup(2, "box");
  root.putGroup(2, "box", "1", UINT64_MAX, 0);
  root.put("proc/meminfo", "MemTotal: 18446744073709551615 kB\n"
                           "MemAvailable: 99999999999999999999999 kB\n");
  MemoryLimit limit = MemoryLimit::open(root.path());
  EXPECT_LT(limit.read()->free, 0);
  // The reported page cache (20 bytes) exceeds the total usage (10 bytes).
  root.putGroup(2, "box", "1000", 10, 20);
  EXPECT_EQ(limit.read()->free, 1000);
}

TEST_F(MemoryLimitTest, NothingIsKnownWithoutFiles) {
  MemoryLimit limit = MemoryLimit::open(root.at("none"));
  EXPECT_FALSE(limit.read());
}

TEST_F(MemoryLimitTest, TheProcessItselfUsesPrivateMemoryAndPageTables) {
  MemoryLimit unknown = MemoryLimit::open(root.path());
  EXPECT_EQ(unknown.read()->own, std::nullopt);
  root.put("proc/self/status", "Name:\tairrun\nVmRSS:\t    9999 kB\n"
                               "RssAnon:\t     500 kB\nRssFile:\t     300 kB\n"
                               "RssShmem:\t      70 kB\nVmPTE:\t       8 kB\n");
  MemoryLimit limit = MemoryLimit::open(root.path());
  EXPECT_EQ(limit.read()->own, 508u * 1024);
  // A sum of which a part is missing would be too small.
  root.put("proc/self/status", "VmPTE:\t       9 kB\n");
  EXPECT_EQ(limit.read()->own, 508u * 1024);
}

TEST(MemoryLimit, ThisMachineHasSomeRoom) {
  MemoryLimit limit = MemoryLimit::open();
  const std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_GT(room->free, 0);
  EXPECT_GE(room->limit, static_cast<uint64_t>(room->free));
  struct sysinfo system = {};
  ASSERT_EQ(sysinfo(&system), 0);
  EXPECT_LE(room->limit, uint64_t{system.totalram} * system.mem_unit);
  EXPECT_GE(room->limit, memoryCapacity(""));
}

TEST(MemoryLimit, NewMemoryOfThisProcessIsItsOwn) {
  constexpr int64_t kBytes = int64_t{64} << 20;
  MemoryLimit limit = MemoryLimit::open();
  const std::optional<MemoryRoom> before = limit.read();
  ASSERT_TRUE(before && before->own);
  const std::vector<uint8_t> filled(kBytes, 1);
  const std::optional<MemoryRoom> after = limit.read();
  // The kernel counts pages in batches.
  EXPECT_NEAR(static_cast<double>(*after->own - *before->own),
              static_cast<double>(kBytes), kBytes / 10.0)
      << filled.size();
}

TEST(MemoryLimit, ReadingIsCheap) {
  MemoryLimit limit = MemoryLimit::open();
  constexpr int kCalls = 1000;
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < kCalls; ++i) {
    const uint64_t start = monotonicNanoseconds();
    (void)limit.read();
    best = std::min(best, monotonicNanoseconds() - start);
  }
  RecordProperty("nanoseconds", std::to_string(best));
  // The smallest models take 1 ms per pass. Reading the limits must take less.
  EXPECT_LT(best, 1'000'000u);
}

} // namespace
