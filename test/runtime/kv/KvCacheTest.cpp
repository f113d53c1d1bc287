//===- KvCacheTest.cpp - pages are taken, returned and copied -------------===//
#include "runtime/kv/KvCache.h"

#include "runtime/hal/cpu/CpuDevice.h"
#include "test/runtime/fake/LateGpu.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace air;
using namespace air::rt;

namespace {

/// A cache of pages of 256 bytes with 64 tokens each. The tests that do not
/// fork never use the memory at `base`.
class KvCacheTest : public testing::Test {
protected:
  void SetUp() override {
    Result<std::unique_ptr<CpuDevice>> made = CpuDevice::create(1);
    ASSERT_TRUE(made) << made.status().message();
    device = *std::move(made);
  }
  Result<KvCache> create(std::vector<PageGroup> groups, uint64_t context,
                         uint32_t sequences) {
    for (PageGroup &group : groups) {
      group.device = device.get();
    }
    return KvCache::create(groups, context, sequences);
  }
  KvCache makeCache(uint64_t pages, uint64_t context, uint32_t sequences,
                    DeviceAddress base = 0) {
    Result<KvCache> cache =
        create({{64, 256, pages, base}}, context, sequences);
    EXPECT_TRUE(cache) << cache.status().message();
    return *std::move(cache);
  }
  /// Zeroed memory of `bytes` bytes.
  uint8_t *memory(uint64_t bytes) {
    Result<DeviceAddress> address = device->allocate(bytes, "kv");
    EXPECT_TRUE(address) << address.status().message();
    return reinterpret_cast<uint8_t *>(*address);
  }

  std::unique_ptr<CpuDevice> device;
};

SequenceId begin(KvCache &cache) {
  Result<SequenceId> sequence = cache.newSequence();
  EXPECT_TRUE(sequence) << sequence.status().message();
  return *sequence;
}

uint32_t pageOf(const KvCache &cache, SequenceId sequence, uint64_t position,
                size_t group = 0, uint64_t pageTokens = 64) {
  const AirBlockTable &table = cache.blockTables()[group];
  return table.pages[sequence * table.stride + position / pageTokens];
}

TEST_F(KvCacheTest, TakesAPageWhenAPositionNeedsIt) {
  KvCache cache = makeCache(8, 512, 2);
  EXPECT_EQ(cache.blockTables()[0].stride, 8U);
  SequenceId sequence = begin(cache);
  EXPECT_EQ(cache.freePages(0), 8U);
  ASSERT_TRUE(cache.append(sequence, 63).isOk());
  EXPECT_EQ(cache.freePages(0), 7U);
  ASSERT_TRUE(cache.append(sequence, 1).isOk());
  EXPECT_EQ(cache.freePages(0), 7U);
  ASSERT_TRUE(cache.append(sequence, 1).isOk());
  EXPECT_EQ(cache.freePages(0), 6U);
  EXPECT_EQ(cache.length(sequence), 65U);
  EXPECT_NE(pageOf(cache, sequence, 0), pageOf(cache, sequence, 64));
}

TEST_F(KvCacheTest, ContextAndPagesAreLimitsThatChangeNothing) {
  KvCache cache = makeCache(3, 128, 4);
  SequenceId first = begin(cache);
  ASSERT_TRUE(cache.append(first, 100).isOk());
  Status beyond = cache.append(first, 29);
  EXPECT_EQ(beyond.code(), ErrorCode::DoesNotFit);
  EXPECT_NE(beyond.message().find("100 tokens and 29 more"), std::string::npos)
      << beyond.message();
  EXPECT_NE(beyond.message().find("context of 128"), std::string::npos);
  ASSERT_TRUE(cache.append(first, 28).isOk());
  SequenceId second = begin(cache);
  Status noPages = cache.append(second, 65);
  EXPECT_EQ(noPages.code(), ErrorCode::DoesNotFit);
  EXPECT_NE(
      noPages.message().find("need 2 more pages, but only 1 of 3 are free"),
      std::string::npos)
      << noPages.message();
  EXPECT_EQ(cache.length(second), 0U);
  EXPECT_EQ(cache.freePages(0), 1U);
  EXPECT_EQ(cache.append(second, UINT64_MAX).code(), ErrorCode::DoesNotFit);
  ASSERT_TRUE(cache.append(second, 64).isOk());
  EXPECT_EQ(cache.freePages(0), 0U);
}

TEST_F(KvCacheTest, SequencesAreLimitedAndReused) {
  KvCache cache = makeCache(4, 64, 2);
  SequenceId first = begin(cache);
  SequenceId second = begin(cache);
  EXPECT_NE(first, second);
  EXPECT_EQ(cache.newSequence().status().code(), ErrorCode::DoesNotFit);
  ASSERT_TRUE(cache.append(first, 64).isOk());
  cache.endSequence(first);
  EXPECT_FALSE(cache.isLive(first));
  EXPECT_EQ(cache.freePages(0), 4U);
  EXPECT_EQ(begin(cache), first);
  EXPECT_EQ(cache.length(first), 0U);
}

TEST_F(KvCacheTest, EndedSequencesAreRefused) {
  KvCache cache = makeCache(4, 64, 2);
  EXPECT_EQ(cache.append(0, 1).code(), ErrorCode::Usage);
  EXPECT_EQ(cache.append(99, 1).code(), ErrorCode::Usage);
  EXPECT_EQ(cache.truncate(1, 0).code(), ErrorCode::Usage);
  cache.endSequence(7);
  EXPECT_EQ(cache.length(7), 0U);
}

TEST_F(KvCacheTest, TruncateGivesPagesBackAndNeverGrows) {
  KvCache cache = makeCache(4, 256, 1);
  SequenceId sequence = begin(cache);
  ASSERT_TRUE(cache.append(sequence, 200).isOk());
  EXPECT_EQ(cache.freePages(0), 0U);
  ASSERT_TRUE(cache.truncate(sequence, 65).isOk());
  EXPECT_EQ(cache.freePages(0), 2U);
  ASSERT_TRUE(cache.truncate(sequence, 64).isOk());
  EXPECT_EQ(cache.freePages(0), 3U);
  EXPECT_EQ(cache.truncate(sequence, 65).code(), ErrorCode::Usage);
  EXPECT_EQ(cache.length(sequence), 64U);
}

TEST_F(KvCacheTest, ShapesThatCannotWorkAreRefused) {
  EXPECT_FALSE(create({{64, 256, 0, 0}}, 64, 1));
  EXPECT_FALSE(create({{0, 256, 4, 0}}, 64, 1));
  EXPECT_FALSE(create({{64, 256, 4, 0}}, 0, 1));
  // A context of 257 tokens needs five pages, but this cache has only four.
  EXPECT_FALSE(create({{64, 256, 4, 0}}, 257, 1));
  EXPECT_TRUE(create({{64, 256, 4, 0}}, 256, 1));
  EXPECT_FALSE(create({{64, 256, 5, 0}, {64, 256, 4, 0}}, 257, 1));
}

TEST_F(KvCacheTest, AForkSharesPagesUntilItGrows) {
  uint8_t *bytes = memory(6 * 256);
  KvCache cache = makeCache(6, 192, 3, reinterpret_cast<DeviceAddress>(bytes));
  SequenceId source = begin(cache);
  ASSERT_TRUE(cache.append(source, 130).isOk());
  for (uint64_t page = 0; page < 3; ++page) {
    std::memset(bytes + 256 * pageOf(cache, source, page * 64),
                static_cast<int>(page + 1), 256);
  }
  Result<SequenceId> fork = cache.fork(source, 70);
  ASSERT_TRUE(fork) << fork.status().message();
  EXPECT_EQ(cache.length(*fork), 70U);
  EXPECT_EQ(cache.freePages(0), 3U);
  EXPECT_EQ(pageOf(cache, *fork, 0), pageOf(cache, source, 0));
  EXPECT_EQ(pageOf(cache, *fork, 64), pageOf(cache, source, 64));
  // The next token of the fork would be written to a page that `source` also
  // holds, so the fork gets a copy of that page.
  ASSERT_TRUE(cache.append(*fork, 1).isOk());
  EXPECT_EQ(cache.freePages(0), 2U);
  EXPECT_EQ(pageOf(cache, *fork, 0), pageOf(cache, source, 0));
  const uint32_t copy = pageOf(cache, *fork, 64);
  EXPECT_NE(copy, pageOf(cache, source, 64));
  EXPECT_EQ(bytes[256 * copy], 2);
  EXPECT_EQ(bytes[256 * copy + 255], 2);
  // The page is not shared any more, so it is not copied again.
  ASSERT_TRUE(cache.append(*fork, 1).isOk());
  EXPECT_EQ(pageOf(cache, *fork, 64), copy);
  EXPECT_EQ(cache.fork(source, 131).status().code(), ErrorCode::Usage);
  // The page that both sequences hold stays in use until both have ended.
  cache.endSequence(source);
  EXPECT_EQ(cache.freePages(0), 4U);
  EXPECT_EQ(bytes[256 * pageOf(cache, *fork, 0)], 1);
  cache.endSequence(*fork);
  EXPECT_EQ(cache.freePages(0), 6U);
}

TEST_F(KvCacheTest, TheSourceOfAForkGetsACopyToo) {
  uint8_t *bytes = memory(3 * 256);
  KvCache cache = makeCache(3, 128, 3, reinterpret_cast<DeviceAddress>(bytes));
  SequenceId source = begin(cache);
  ASSERT_TRUE(cache.append(source, 64).isOk());
  Result<SequenceId> fork = cache.fork(source, 64);
  ASSERT_TRUE(fork);
  // A full page is never written again, so neither sequence needs a copy of it.
  ASSERT_TRUE(cache.append(source, 1).isOk());
  ASSERT_TRUE(cache.append(*fork, 1).isOk());
  EXPECT_EQ(pageOf(cache, *fork, 0), pageOf(cache, source, 0));
  EXPECT_EQ(cache.freePages(0), 0U);
  ASSERT_TRUE(cache.truncate(source, 64).isOk());
  ASSERT_TRUE(cache.append(*fork, 1).isOk());
  // Truncating the source to 60 tokens reopens the page that was full. The fork
  // holds this page, too, so the next append to the source needs a copy of it.
  // If five tokens are appended, they also need a second page. Only one page is
  // free, so this append fails and changes nothing. Four tokens fit in the
  // copy.
  ASSERT_TRUE(cache.truncate(source, 60).isOk());
  const uint32_t shared = pageOf(cache, source, 0);
  bytes[256 * shared] = 9;
  EXPECT_EQ(cache.append(source, 5).code(), ErrorCode::DoesNotFit);
  EXPECT_EQ(cache.length(source), 60U);
  EXPECT_EQ(pageOf(cache, source, 0), shared);
  ASSERT_TRUE(cache.append(source, 4).isOk());
  EXPECT_NE(pageOf(cache, source, 0), shared);
  EXPECT_EQ(bytes[256 * pageOf(cache, source, 0)], 9);
  EXPECT_EQ(pageOf(cache, *fork, 0), shared);
}

TEST_F(KvCacheTest, ASequenceTakesPagesFromEveryGroup) {
  uint8_t *bytes = memory(4 * 256 + 8 * 64);
  const auto base = reinterpret_cast<DeviceAddress>(bytes);
  Result<KvCache> made =
      create({{64, 256, 4, base}, {32, 64, 8, base + 4 * 256}}, 128, 3);
  ASSERT_TRUE(made) << made.status().message();
  KvCache &cache = *made;
  ASSERT_EQ(cache.blockTables().size(), 2U);
  EXPECT_EQ(cache.blockTables()[0].stride, 2U);
  EXPECT_EQ(cache.blockTables()[1].stride, 4U);
  SequenceId source = begin(cache);
  ASSERT_TRUE(cache.append(source, 97).isOk());
  EXPECT_EQ(cache.freePages(0), 2U);
  EXPECT_EQ(cache.freePages(1), 4U);
  bytes[4 * 256 + 64 * pageOf(cache, source, 96, 1, 32)] = 7;
  Result<SequenceId> fork = cache.fork(source, 97);
  ASSERT_TRUE(fork);
  ASSERT_TRUE(cache.append(*fork, 1).isOk());
  EXPECT_EQ(cache.freePages(0), 1U);
  EXPECT_EQ(cache.freePages(1), 3U);
  const uint32_t copy = pageOf(cache, *fork, 96, 1, 32);
  EXPECT_NE(copy, pageOf(cache, source, 96, 1, 32));
  EXPECT_EQ(bytes[4 * 256 + 64 * copy], 7);
  // The first group has too few pages, so none is taken from the second.
  SequenceId other = begin(cache);
  EXPECT_EQ(cache.append(other, 65).code(), ErrorCode::DoesNotFit);
  EXPECT_EQ(cache.freePages(1), 3U);
  cache.endSequence(source);
  cache.endSequence(*fork);
  EXPECT_EQ(cache.freePages(0), 4U);
  EXPECT_EQ(cache.freePages(1), 8U);
}

// The pages of the second group are on another device, which cannot copy.
TEST_F(KvCacheTest, AFailedCopyReplacesNoPageOfAnyGroup) {
  test::LateGpu gpu({});
  const PageGroup groups[] = {
      {64, 256, 4, *device->allocate(4 * 256, "kv"), device.get()},
      {64, 512, 4, *gpu.allocate(4 * 512, "kv"), &gpu}};
  Result<KvCache> cache = KvCache::create(groups, 128, 2);
  ASSERT_TRUE(cache) << cache.status().message();
  const SequenceId source = begin(*cache);
  ASSERT_TRUE(cache->append(source, 70).isOk());
  const Result<SequenceId> fork = cache->fork(source, 66);
  ASSERT_TRUE(fork) << fork.status().message();
  gpu.copyFailure = ioError("the fake GPU has failed");
  EXPECT_EQ(cache->append(*fork, 1).message(), "the fake GPU has failed");
  EXPECT_EQ(cache->length(*fork), 66U);
  for (const size_t group : {0, 1}) {
    EXPECT_EQ(cache->freePages(group), 2U);
    EXPECT_EQ(pageOf(*cache, *fork, 64, group),
              pageOf(*cache, source, 64, group));
  }
  gpu.copyFailure = Status::ok();
  ASSERT_TRUE(cache->append(*fork, 1).isOk());
  for (const size_t group : {0, 1}) {
    EXPECT_EQ(cache->freePages(group), 1U);
    EXPECT_NE(pageOf(*cache, *fork, 64, group),
              pageOf(*cache, source, 64, group));
  }
}

TEST_F(KvCacheTest, ASequenceGrowsInPlaceWithinAPageOfItsOwn) {
  KvCache cache =
      makeCache(8, 130, 2, reinterpret_cast<uint64_t>(memory(2048)));
  const SequenceId sequence = begin(cache);
  EXPECT_FALSE(cache.canGrowInPlace(sequence));
  for (uint64_t length = 1; length <= 130; ++length) {
    ASSERT_TRUE(cache.append(sequence, 1).isOk());
    EXPECT_EQ(cache.canGrowInPlace(sequence),
              length != 64 && length != 128 && length != 130)
        << length;
  }
  EXPECT_EQ(cache.drops(), 0U);
  ASSERT_TRUE(cache.truncate(sequence, 130).isOk());
  EXPECT_EQ(cache.drops(), 0U);
  ASSERT_TRUE(cache.truncate(sequence, 100).isOk());
  EXPECT_EQ(cache.drops(), 1U);
  EXPECT_TRUE(cache.canGrowInPlace(sequence));
  const Result<SequenceId> fork = cache.fork(sequence, 70);
  ASSERT_TRUE(fork) << fork.status().message();
  EXPECT_FALSE(cache.canGrowInPlace(sequence));
  EXPECT_FALSE(cache.canGrowInPlace(*fork));
  ASSERT_TRUE(cache.append(*fork, 1).isOk());
  EXPECT_TRUE(cache.canGrowInPlace(sequence));
  EXPECT_TRUE(cache.canGrowInPlace(*fork));
  cache.endSequence(*fork);
  EXPECT_EQ(cache.drops(), 2U);
  EXPECT_FALSE(cache.canGrowInPlace(*fork));
}

TEST_F(KvCacheTest, WithoutGroupsOnlyTheContextIsALimit) {
  Result<KvCache> cache = create({}, 100, 1);
  ASSERT_TRUE(cache) << cache.status().message();
  SequenceId sequence = begin(*cache);
  ASSERT_TRUE(cache->append(sequence, 100).isOk());
  EXPECT_EQ(cache->append(sequence, 1).code(), ErrorCode::DoesNotFit);
  ASSERT_TRUE(cache->truncate(sequence, 3).isOk());
  EXPECT_EQ(cache->length(sequence), 3U);
}

// Each sequence has a text, and writes it to its pages. Whatever the other
// sequences do, it must find this text in its pages.
TEST_F(KvCacheTest, RandomUseNeitherLosesPagesNorChangesSequences) {
  constexpr uint64_t kPages = 40;
  constexpr uint32_t kSequences = 6;
  uint8_t *bytes = memory(kPages * 256);
  KvCache cache = makeCache(kPages, 1000, kSequences,
                            reinterpret_cast<DeviceAddress>(bytes));
  std::vector<std::vector<uint8_t>> texts(kSequences);
  const auto place = [&](uint32_t sequence, uint64_t position) -> uint8_t & {
    return bytes[256 * pageOf(cache, sequence, position) + position % 64];
  };
  std::mt19937 random(1);
  uint32_t shared = 0;
  for (uint32_t round = 0; round < 5000; ++round) {
    const uint32_t sequence = random() % kSequences;
    std::vector<uint8_t> &text = texts[sequence];
    switch (random() % 5) {
    case 0:
      if (Result<SequenceId> made = cache.newSequence()) {
        texts[*made].clear();
      }
      break;
    case 1: {
      const uint64_t count = random() % 300;
      if (cache.append(sequence, count).isOk()) {
        for (uint64_t i = 0; i < count; ++i) {
          text.push_back(static_cast<uint8_t>(random()));
          place(sequence, text.size() - 1) = text.back();
        }
      }
      break;
    }
    case 2: {
      const uint64_t length = random() % 1000;
      if (cache.truncate(sequence, length).isOk()) {
        text.resize(length);
      }
      break;
    }
    case 3:
      if (cache.isLive(sequence)) {
        const uint64_t length = random() % (text.size() + 1);
        if (Result<SequenceId> made = cache.fork(sequence, length)) {
          texts[*made].assign(text.begin(),
                              text.begin() + static_cast<ptrdiff_t>(length));
        }
      }
      break;
    default:
      if (random() % 2 == 0) {
        cache.endSequence(sequence);
        text.clear();
      }
    }
    std::set<uint32_t> held;
    uint64_t entries = 0;
    for (uint32_t s = 0; s < kSequences; ++s) {
      ASSERT_EQ(cache.length(s), texts[s].size());
      for (uint64_t at = 0; at < texts[s].size(); ++at) {
        ASSERT_EQ(place(s, at), texts[s][at]) << s << ' ' << at;
        if (at % 64 == 0) {
          held.insert(pageOf(cache, s, at));
          ++entries;
        }
      }
    }
    shared += entries > held.size() ? 1 : 0;
    ASSERT_EQ(cache.freePages(0), kPages - held.size());
    ASSERT_TRUE(held.empty() || *held.rbegin() < kPages);
  }
  EXPECT_GT(shared, 1000U);
}

} // namespace
