//===- PlanCacheTest.cpp - the folder with the plans of models ------------===//
#include "tools/airrun/PlanCache.h"
#include "tools/airrun/ChosenPlan.h"

#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace air;
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

class PlanCacheTest : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(testing::TempDir()) /
             (testing::UnitTest::GetInstance()->current_test_info()->name() +
              ("-" + std::to_string(getpid())));
    fs::remove_all(folder);
    Result<PlanCache> opened = PlanCache::open(folder.string());
    ASSERT_TRUE(opened.isOk());
    cache = std::move(*opened);
  }
  void TearDown() override { fs::remove_all(folder); }

  static std::string key(char digit) { return std::string(32, digit); }

  /// Makes an entry that was last used `seconds` after a fixed time.
  void add(char digit, size_t bytes, int64_t seconds) {
    std::ofstream(cache->planPath(key(digit))) << std::string(bytes, 'x');
    const std::string lock = (folder / (key(digit) + ".lock")).string();
    std::ofstream(lock).flush();
    const struct timespec times[2] = {{1700000000 + seconds, 0},
                                      {1700000000 + seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, lock.c_str(), times, 0), 0);
  }
  /// The first digit of each key, in the order of entries().
  std::string left() {
    std::string digits;
    for (const CacheEntry &entry : cache->entries()) {
      digits += entry.key.front();
    }
    return digits;
  }

  fs::path folder;
  std::optional<PlanCache> cache;
};

TEST_F(PlanCacheTest, EntriesAreListedByLastUse) {
  add('b', 10, 3);
  add('a', 20, 1);
  add('c', 30, 2);
  std::ofstream(folder / "notes.txt") << "foreign";
  std::ofstream(folder / "short.air") << "foreign";
  EXPECT_EQ(left(), "bca");
  cache->touch(key('a'));
  EXPECT_EQ(left(), "abc");
  EXPECT_EQ(cache->entries()[0].bytes, 20U);
  EXPECT_FALSE(cache->entries()[0].origin.has_value());
}

TEST_F(PlanCacheTest, OldestPlansMakeRoom) {
  for (char digit : {'1', '2', '3', '4'}) {
    add(digit, 100, digit);
  }
  ASSERT_TRUE(cache->makeRoom(0, 400).isOk());
  EXPECT_EQ(left(), "4321");
  ASSERT_TRUE(cache->makeRoom(50, 400).isOk());
  EXPECT_EQ(left(), "432");
  ASSERT_TRUE(cache->makeRoom(0, 200).isOk());
  EXPECT_EQ(left(), "43");
  EXPECT_FALSE(fs::exists(folder / (key('1') + ".lock")));
  ASSERT_TRUE(cache->makeRoom(1000, 200).isOk());
  EXPECT_EQ(left(), "");
}

TEST_F(PlanCacheTest, PlanInUseStays) {
  add('1', 100, 1);
  add('2', 100, 2);
  Result<EntryLock> held = cache->lock(key('1'), LockKind::Shared, false);
  ASSERT_TRUE(held.isOk() && *held);
  ASSERT_TRUE(cache->makeRoom(0, 100).isOk());
  EXPECT_EQ(left(), "1");
  EXPECT_TRUE(cache->entries()[0].isInUse);
  Result<bool> isRemoved = cache->remove(key('1'));
  ASSERT_TRUE(isRemoved.isOk());
  EXPECT_FALSE(*isRemoved);
  *held = EntryLock();
  ASSERT_TRUE(cache->makeRoom(0, 99).isOk());
  EXPECT_EQ(left(), "");
}

TEST_F(PlanCacheTest, LocksExcludeEachOther) {
  Result<EntryLock> reader = cache->lock(key('1'), LockKind::Shared, false);
  Result<EntryLock> other = cache->lock(key('1'), LockKind::Shared, false);
  ASSERT_TRUE(reader.isOk() && *reader && other.isOk() && *other);
  Result<EntryLock> writer = cache->lock(key('1'), LockKind::Exclusive, false);
  ASSERT_TRUE(writer.isOk());
  EXPECT_FALSE(*writer);
  *reader = EntryLock();
  *other = EntryLock();
  writer = cache->lock(key('1'), LockKind::Exclusive, false);
  ASSERT_TRUE(writer.isOk() && *writer);
  reader = cache->lock(key('1'), LockKind::Shared, false);
  ASSERT_TRUE(reader.isOk());
  EXPECT_FALSE(*reader);
}

// The lock file of an entry may be removed while a process waits for the lock.
// The lock that the process then gets must still keep later processes out.
TEST_F(PlanCacheTest, WaitingSurvivesARemoval) {
  add('1', 100, 1);
  Result<EntryLock> first = cache->lock(key('1'), LockKind::Exclusive, false);
  ASSERT_TRUE(first.isOk() && *first);
  EntryLock waited;
  std::thread waiting([&] {
    Result<EntryLock> lock = cache->lock(key('1'), LockKind::Exclusive, true);
    waited = lock ? std::move(*lock) : EntryLock();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  fs::remove(folder / (key('1') + ".lock"));
  *first = EntryLock();
  waiting.join();
  ASSERT_TRUE(static_cast<bool>(waited));
  Result<EntryLock> third = cache->lock(key('1'), LockKind::Shared, false);
  ASSERT_TRUE(third.isOk());
  EXPECT_FALSE(*third);
}

TEST_F(PlanCacheTest, WhatIsNoPlanIsNotUsed) {
  EXPECT_EQ(cache->check(key('1')).code(), ErrorCode::Usage);
  add('1', 100, 1);
  EXPECT_EQ(cache->check(key('1')).code(), ErrorCode::Corrupt);
  EXPECT_EQ(cache->describe(key('1'), {"m", "", "r"}).code(),
            ErrorCode::Corrupt);
}

TEST_F(PlanCacheTest, FolderThatCannotBeMade) {
  std::ofstream(folder / "file").flush();
  Result<PlanCache> opened = PlanCache::open((folder / "file/plans").string());
  EXPECT_EQ(opened.status().code(), ErrorCode::Io);
  EXPECT_THAT(opened.status().message(), HasSubstr("file/plans"));
}

TEST_F(PlanCacheTest, FilesOfAModel) {
  const std::string stem = (folder / "m").string();
  for (const char *tail : {"-00001-of-00003.gguf", "-00002-of-00003.gguf",
                           "-00003-of-00003.gguf"}) {
    std::ofstream(stem + tail).flush();
  }
  EXPECT_THAT(modelFiles(stem + "-00001-of-00003.gguf"),
              ElementsAre(stem + "-00001-of-00003.gguf",
                          stem + "-00002-of-00003.gguf",
                          stem + "-00003-of-00003.gguf"));
  EXPECT_THAT(modelFiles(stem + "-00002-of-00003.gguf"),
              ElementsAre(stem + "-00002-of-00003.gguf"));
  EXPECT_THAT(modelFiles("-00001-of-0000x.gguf"),
              ElementsAre("-00001-of-0000x.gguf"));
  EXPECT_THAT(modelFiles("m.gguf"), ElementsAre("m.gguf"));
}

} // namespace
