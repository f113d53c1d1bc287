//===- KvCacheTest.cpp - pages are taken, returned and copied -------------===//
#include "runtime/kv/KvCache.h"

#include "runtime/hal/cpu/CpuDevice.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace air;
using namespace air::rt;

namespace {

KvCache makeCache(uint64_t pages, uint64_t context, uint32_t sequences,
                  DeviceAddress base = 0, uint64_t pageBytes = 256) {
  Result<KvCache> cache =
      KvCache::create({64, pageBytes, pages, context}, base, sequences);
  EXPECT_TRUE(cache) << cache.status().message();
  return *std::move(cache);
}

SequenceId begin(KvCache &cache) {
  Result<SequenceId> sequence = cache.newSequence();
  EXPECT_TRUE(sequence) << sequence.status().message();
  return *sequence;
}

uint32_t pageOf(const KvCache &cache, SequenceId sequence, uint64_t position) {
  return cache
      .blockTables()[sequence * cache.blockTableStride() + position / 64];
}

TEST(KvCache, TakesAPageWhenAPositionNeedsIt) {
  KvCache cache = makeCache(8, 512, 2);
  EXPECT_EQ(cache.blockTableStride(), 8U);
  SequenceId sequence = begin(cache);
  EXPECT_EQ(cache.freePages(), 8U);
  ASSERT_TRUE(cache.append(sequence, 63).isOk());
  EXPECT_EQ(cache.freePages(), 7U);
  ASSERT_TRUE(cache.append(sequence, 1).isOk());
  EXPECT_EQ(cache.freePages(), 7U);
  ASSERT_TRUE(cache.append(sequence, 1).isOk());
  EXPECT_EQ(cache.freePages(), 6U);
  EXPECT_EQ(cache.length(sequence), 65U);
  EXPECT_NE(pageOf(cache, sequence, 0), pageOf(cache, sequence, 64));
}

TEST(KvCache, ContextAndPagesAreLimitsThatChangeNothing) {
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
  EXPECT_EQ(cache.freePages(), 1U);
  EXPECT_EQ(cache.append(second, UINT64_MAX).code(), ErrorCode::DoesNotFit);
  ASSERT_TRUE(cache.append(second, 64).isOk());
  EXPECT_EQ(cache.freePages(), 0U);
}

TEST(KvCache, SequencesAreLimitedAndReused) {
  KvCache cache = makeCache(4, 64, 2);
  SequenceId first = begin(cache);
  SequenceId second = begin(cache);
  EXPECT_NE(first, second);
  EXPECT_EQ(cache.newSequence().status().code(), ErrorCode::DoesNotFit);
  ASSERT_TRUE(cache.append(first, 64).isOk());
  cache.endSequence(first);
  EXPECT_FALSE(cache.isLive(first));
  EXPECT_EQ(cache.freePages(), 4U);
  EXPECT_EQ(begin(cache), first);
  EXPECT_EQ(cache.length(first), 0U);
}

TEST(KvCache, EndedSequencesAreRefused) {
  KvCache cache = makeCache(4, 64, 2);
  EXPECT_EQ(cache.append(0, 1).code(), ErrorCode::Usage);
  EXPECT_EQ(cache.append(99, 1).code(), ErrorCode::Usage);
  EXPECT_EQ(cache.truncate(1, 0).code(), ErrorCode::Usage);
  cache.endSequence(7);
  EXPECT_EQ(cache.length(7), 0U);
}

TEST(KvCache, TruncateGivesPagesBackAndNeverGrows) {
  KvCache cache = makeCache(4, 256, 1);
  SequenceId sequence = begin(cache);
  ASSERT_TRUE(cache.append(sequence, 200).isOk());
  EXPECT_EQ(cache.freePages(), 0U);
  ASSERT_TRUE(cache.truncate(sequence, 65).isOk());
  EXPECT_EQ(cache.freePages(), 2U);
  ASSERT_TRUE(cache.truncate(sequence, 64).isOk());
  EXPECT_EQ(cache.freePages(), 3U);
  EXPECT_EQ(cache.truncate(sequence, 65).code(), ErrorCode::Usage);
  EXPECT_EQ(cache.length(sequence), 64U);
}

TEST(KvCache, ShapesThatCannotWorkAreRefused) {
  EXPECT_FALSE(KvCache::create({64, 256, 0, 64}, 0, 1));
  EXPECT_FALSE(KvCache::create({0, 256, 4, 64}, 0, 1));
  EXPECT_FALSE(KvCache::create({64, 256, 4, 0}, 0, 1));
  // A context of 257 tokens needs five pages, but this cache has only four.
  EXPECT_FALSE(KvCache::create({64, 256, 4, 257}, 0, 1));
  EXPECT_TRUE(KvCache::create({64, 256, 4, 256}, 0, 1));
}

TEST(KvCache, ForkCopiesPages) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(1);
  ASSERT_TRUE(device) << device.status().message();
  Result<DeviceAddress> memory = (*device)->allocate(6 * 256, "kv");
  ASSERT_TRUE(memory) << memory.status().message();
  auto *bytes = reinterpret_cast<uint8_t *>(*memory);
  KvCache cache = makeCache(6, 192, 3, *memory);
  SequenceId source = begin(cache);
  ASSERT_TRUE(cache.append(source, 130).isOk());
  for (uint64_t page = 0; page < 3; ++page) {
    std::memset(bytes + 256 * pageOf(cache, source, page * 64),
                static_cast<int>(page + 1), 256);
  }
  Result<SequenceId> copy = cache.fork(source, 70, **device);
  ASSERT_TRUE(copy) << copy.status().message();
  EXPECT_EQ(cache.length(*copy), 70U);
  for (uint64_t page = 0; page < 2; ++page) {
    uint32_t place = pageOf(cache, *copy, page * 64);
    EXPECT_NE(place, pageOf(cache, source, page * 64));
    EXPECT_EQ(bytes[256 * place], page + 1);
    EXPECT_EQ(bytes[256 * place + 255], page + 1);
  }
  // One page is left. A fork that needs two must change nothing.
  EXPECT_EQ(cache.fork(source, 65, **device).status().code(),
            ErrorCode::DoesNotFit);
  EXPECT_EQ(cache.freePages(), 1U);
  EXPECT_EQ(cache.fork(source, 131, **device).status().code(),
            ErrorCode::Usage);
  EXPECT_EQ(begin(cache), 2U);
}

TEST(KvCache, RandomUseNeverSharesNorLosesAPage) {
  constexpr uint64_t kPages = 40;
  constexpr uint32_t kSequences = 6;
  KvCache cache = makeCache(kPages, 1000, kSequences);
  std::mt19937 random(1);
  for (uint32_t round = 0; round < 5000; ++round) {
    uint32_t sequence = random() % kSequences;
    switch (random() % 4) {
    case 0:
      (void)cache.newSequence();
      break;
    case 1:
      (void)cache.append(sequence, random() % 300);
      break;
    case 2:
      (void)cache.truncate(sequence, random() % 1000);
      break;
    default:
      if (random() % 4 == 0) {
        cache.endSequence(sequence);
      }
    }
    std::set<uint32_t> held;
    uint64_t expected = 0;
    for (uint32_t s = 0; s < kSequences; ++s) {
      for (uint64_t at = 0; at < cache.length(s); at += 64) {
        held.insert(pageOf(cache, s, at));
        ++expected;
      }
    }
    ASSERT_EQ(held.size(), expected);
    ASSERT_EQ(cache.freePages(), kPages - expected);
    ASSERT_TRUE(held.empty() || *held.rbegin() < kPages);
  }
}

} // namespace
