//===- MemoryLimitTest.cpp - the closest limit counts ---------------------===//
#include "runtime/io/MemoryLimit.h"

#include "formats/support/MonotonicClock.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/sysinfo.h>
#include <unistd.h>

using namespace air;
using namespace air::rt;

namespace {

/// A folder that imitates the file system of a machine.
class MemoryLimitTest : public testing::Test {
protected:
  MemoryLimitTest()
      : root(testing::TempDir() + "limit-" + std::to_string(getpid())) {
    std::filesystem::remove_all(root);
    put("proc/meminfo", "MemTotal:       1000 kB\n"
                        "MemFree:         100 kB\n"
                        "MemAvailable:    600 kB\n");
  }
  ~MemoryLimitTest() override { std::filesystem::remove_all(root); }

  void put(const std::string &name, const std::string &text) const {
    const std::filesystem::path file = root + "/" + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  /// Writes a cgroup of version 2. Its usage includes a page cache of
  /// `inactive` and `active` bytes.
  void putGroup(const std::string &name, const std::string &limit,
                uint64_t usage, uint64_t inactive, uint64_t active = 0) const {
    const std::string folder = "sys/fs/cgroup/" + name;
    put(folder + "memory.max", limit + "\n");
    put(folder + "memory.high", "max\n");
    put(folder + "memory.current", std::to_string(usage) + "\n");
    put(folder + "memory.stat", "anon 5\ninactive_anon 77777\ninactive_file " +
                                    std::to_string(inactive) +
                                    "\nactive_file " + std::to_string(active) +
                                    "\n");
  }
  std::string at(const std::string &name) const { return root + "/" + name; }

  std::string root;
};

TEST_F(MemoryLimitTest, WithoutCgroupsItIsWhatTheMachineHas) {
  MemoryLimit limit = MemoryLimit::open(root);
  std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 600 * 1024);
  EXPECT_EQ(room->limit, 1000u * 1024);
  EXPECT_EQ(room->smallest, 1000u * 1024);
  EXPECT_EQ(room->file, at("proc/meminfo"));
  put("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 7 kB\n");
  EXPECT_EQ(limit.read()->free, 7 * 1024);
}

TEST_F(MemoryLimitTest, TheTotalIsALimitOnItsOwn) {
  put("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\n");
  MemoryLimit limit = MemoryLimit::open(root);
  std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 1000 * 1024);
  EXPECT_EQ(room->limit, 1000u * 1024);
  EXPECT_EQ(room->smallest, 1000u * 1024);
  EXPECT_EQ(room->file, at("proc/meminfo"));
  // The limit of a cgroup may be larger than the memory of the machine.
  put("proc/self/cgroup", "0::/box\n");
  putGroup("box/", "2000000", 1900000, 0);
  room = MemoryLimit::open(root).read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->limit, 2000000u);
  EXPECT_EQ(room->smallest, 1000u * 1024);
}

TEST_F(MemoryLimitTest, WithoutATotalTheMachineSetsNoLimit) {
  for (const char *total : {"", "MemTotal: what\n", "MemTotal: 0 kB\n"}) {
    SCOPED_TRACE(total);
    put("proc/meminfo", std::string(total) + "MemAvailable: 600 kB\n");
    std::filesystem::remove(at("proc/self/cgroup"));
    EXPECT_FALSE(MemoryLimit::open(root).read());
    put("proc/self/cgroup", "0::/box\n");
    putGroup("box/", "500000", 300000, 0);
    MemoryLimit limit = MemoryLimit::open(root);
    const std::optional<MemoryRoom> room = limit.read();
    ASSERT_TRUE(room);
    EXPECT_EQ(room->free, 200000);
    EXPECT_EQ(room->smallest, 500000u);
  }
}

TEST_F(MemoryLimitTest, Version2SubtractsThePageCache) {
  put("proc/self/cgroup", "0::/box/job\n");
  putGroup("box/job/", "500000", 300000, 30000, 10000);
  putGroup("box/", "max", 900000, 0);
  MemoryLimit limit = MemoryLimit::open(root);
  std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 500000 - (300000 - 40000));
  EXPECT_EQ(room->limit, 500000u);
  EXPECT_EQ(room->file, at("sys/fs/cgroup/box/job/memory.max"));
  // An ancestor can leave less room than the group itself, for example because
  // of the ancestor's other children.
  putGroup("box/", "910000", 900000, 0);
  room = limit.read();
  EXPECT_EQ(room->free, 10000);
  EXPECT_EQ(room->file, at("sys/fs/cgroup/box/memory.max"));
  // memory.high can leave less room than memory.max.
  put("sys/fs/cgroup/box/job/memory.high", "261000\n");
  room = limit.read();
  EXPECT_EQ(room->free, 1000);
  EXPECT_EQ(room->file, at("sys/fs/cgroup/box/job/memory.high"));
}

// If groups are nested, the one with the least room is not always the one with
// the smallest limit.
TEST_F(MemoryLimitTest, Version2HasLimitsInEveryAncestor) {
  put("proc/self/cgroup", "0::/a/b/c\n");
  putGroup("a/", "900000", 100000, 0);
  putGroup("a/b/", "max", 90000, 0);
  putGroup("a/b/c/", "max", 80000, 0);
  MemoryLimit limit = MemoryLimit::open(root);
  EXPECT_EQ(limit.read()->smallest, 900000u);
  EXPECT_EQ(limit.read()->file, at("proc/meminfo"));
  EXPECT_EQ(limit.read()->limit, 1000u * 1024);
  // The other processes of the outermost group use nearly all of its memory.
  putGroup("a/", "900000", 890000, 0);
  putGroup("a/b/c/", "300000", 80000, 0);
  std::optional<MemoryRoom> room = limit.read();
  EXPECT_EQ(room->file, at("sys/fs/cgroup/a/memory.max"));
  EXPECT_EQ(room->free, 10000);
  EXPECT_EQ(room->limit, 900000u);
  EXPECT_EQ(room->smallest, 300000u);
  // Linux slows down a process that exceeds memory.high, so memory.high is a
  // limit like memory.max, whichever group sets it.
  put("sys/fs/cgroup/a/b/memory.high", "95000\n");
  room = limit.read();
  EXPECT_EQ(room->file, at("sys/fs/cgroup/a/b/memory.high"));
  EXPECT_EQ(room->free, 5000);
  EXPECT_EQ(room->smallest, 95000u);
  // A limit that is changed to "max" no longer applies.
  put("sys/fs/cgroup/a/b/memory.high", "max\n");
  putGroup("a/", "max", 890000, 0);
  putGroup("a/b/c/", "max", 80000, 0);
  EXPECT_EQ(limit.read()->file, at("proc/meminfo"));
  EXPECT_EQ(limit.read()->smallest, 1000u * 1024);
}

TEST_F(MemoryLimitTest, Version2WithoutSomeFilesHasTheOtherLimits) {
  put("proc/self/cgroup", "0::/box\n");
  put("sys/fs/cgroup/box/memory.max", "500000\n");
  put("sys/fs/cgroup/box/memory.current", "100000\n");
  MemoryLimit limit = MemoryLimit::open(root);
  EXPECT_EQ(limit.read()->free, 400000);
  EXPECT_EQ(limit.read()->limit, 500000u);
}

TEST_F(MemoryLimitTest, Version1SubtractsTheCacheOfAllDescendants) {
  put("proc/self/cgroup", "9:cpu:/\n4:memory:/box\n0::/\n");
  const std::string folder = "sys/fs/cgroup/memory/box/";
  put(folder + "memory.limit_in_bytes", "400000\n");
  put(folder + "memory.usage_in_bytes", "390000\n");
  put(folder + "memory.stat",
      "cache 1\ninactive_file 1000\nactive_file 2000\n"
      "total_inactive_file 20000\ntotal_active_file 30000\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "99999999999\n");
  MemoryLimit limit = MemoryLimit::open(root);
  const std::optional<MemoryRoom> room = limit.read();
  ASSERT_TRUE(room);
  EXPECT_EQ(room->free, 400000 - (390000 - 50000));
  EXPECT_EQ(room->file, at(folder + "memory.limit_in_bytes"));
}

TEST_F(MemoryLimitTest, ALimitThatIsLoweredWhileTheProcessRunsIsSeen) {
  put("proc/self/cgroup", "0::/box\n");
  putGroup("box/", "500000", 300000, 0);
  MemoryLimit limit = MemoryLimit::open(root);
  EXPECT_EQ(limit.read()->free, 200000);
  EXPECT_EQ(usableBytes(*limit.read(), 200000), 400000u);
  EXPECT_EQ(usableBytes(*limit.read(), UINT64_MAX), UINT64_MAX);
  put("sys/fs/cgroup/box/memory.max", "250000\n");
  EXPECT_EQ(limit.read()->free, -50000);
  // Other processes use 100000 of the 250000 bytes.
  EXPECT_EQ(usableBytes(*limit.read(), 200000), 150000u);
  EXPECT_EQ(usableBytes(*limit.read(), 40000), 0u);
  EXPECT_EQ(usableBytes(*limit.read(), UINT64_MAX), UINT64_MAX - 50000);
  put("sys/fs/cgroup/box/memory.max", "max\n");
  EXPECT_EQ(limit.read()->file, at("proc/meminfo"));
}

TEST_F(MemoryLimitTest, WhatCannotBeReadCountsAsBefore) {
  put("proc/self/cgroup", "0::/box\n");
  putGroup("box/", "500000", 300000, 100000);
  MemoryLimit limit = MemoryLimit::open(root);
  EXPECT_EQ(limit.read()->free, 300000);
  // While a cgroup's file is rewritten, it may be empty for a moment.
  for (const char *file : {"memory.max", "memory.current", "memory.stat"}) {
    put(std::string("sys/fs/cgroup/box/") + file, "");
  }
  EXPECT_EQ(limit.read()->free, 300000);
  put("sys/fs/cgroup/box/memory.max", "what\n");
  EXPECT_EQ(limit.read()->free, 300000);
}

TEST_F(MemoryLimitTest, AbsurdNumbersDoNotOverflow) {
  put("proc/self/cgroup", "0::/box\n");
  putGroup("box/", "1", UINT64_MAX, 0);
  put("proc/meminfo", "MemTotal: 18446744073709551615 kB\n"
                      "MemAvailable: 99999999999999999999999 kB\n");
  MemoryLimit limit = MemoryLimit::open(root);
  EXPECT_LT(limit.read()->free, 0);
  // The reported page cache (20 bytes) exceeds the total usage (10 bytes).
  putGroup("box/", "1000", 10, 20);
  EXPECT_EQ(limit.read()->free, 1000);
}

TEST_F(MemoryLimitTest, NothingIsKnownWithoutFiles) {
  MemoryLimit limit = MemoryLimit::open(root + "/none");
  EXPECT_FALSE(limit.read());
}

TEST_F(MemoryLimitTest, TheProcessItselfUsesPrivateMemoryAndPageTables) {
  MemoryLimit unknown = MemoryLimit::open(root);
  EXPECT_EQ(unknown.read()->own, std::nullopt);
  put("proc/self/status", "Name:\tairrun\nVmRSS:\t    9999 kB\n"
                          "RssAnon:\t     500 kB\nRssFile:\t     300 kB\n"
                          "RssShmem:\t      70 kB\nVmPTE:\t       8 kB\n");
  MemoryLimit limit = MemoryLimit::open(root);
  EXPECT_EQ(limit.read()->own, 508u * 1024);
  // A sum of which a part is missing would be too small.
  put("proc/self/status", "VmPTE:\t       9 kB\n");
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
