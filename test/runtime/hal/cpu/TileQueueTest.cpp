//===- TileQueueTest.cpp - every unit runs once, even if threads are late -===//
#include "runtime/hal/cpu/TileQueue.h"

#include <gtest/gtest.h>
#include <numeric>
#include <thread>

using namespace air::rt;

namespace {

/// Counts how often each unit of each owner has been claimed.
class Tally {
public:
  explicit Tally(std::vector<uint32_t> units) {
    for (uint32_t count : units) {
      times.emplace_back(count);
    }
  }
  void add(const TileQueue::Claim &claim) {
    ASSERT_LT(claim.begin, claim.end);
    ASSERT_LE(claim.end, times.at(claim.owner).size());
    for (uint32_t unit = claim.begin; unit < claim.end; ++unit) {
      ++times[claim.owner][unit];
    }
  }
  bool isOnceEach() const {
    for (const std::vector<uint32_t> &owner : times) {
      for (uint32_t count : owner) {
        if (count != 1) {
          return false;
        }
      }
    }
    return true;
  }

private:
  std::vector<std::vector<uint32_t>> times;
};

TEST(TileQueue, IsEmptyBeforeItsFirstPhase) {
  TileQueue queue(2);
  EXPECT_FALSE(queue.claim(0));
  EXPECT_FALSE(queue.claim(1));
}

TEST(TileQueue, AnOwnerTakesItsRangeInOrder) {
  TileQueue queue(2);
  const std::vector<uint32_t> units = {64, 0};
  queue.open(units, true);
  uint32_t next = 0;
  uint32_t chunks = 0;
  while (std::optional<TileQueue::Claim> claim = queue.claim(0)) {
    EXPECT_EQ(claim->owner, 0U);
    EXPECT_EQ(claim->begin, next);
    EXPECT_LE(claim->end - claim->begin,
              (64 - next + TileQueue::kChunkDivisor - 1) /
                  TileQueue::kChunkDivisor);
    next = claim->end;
    ++chunks;
    EXPECT_EQ(queue.finish(claim->end - claim->begin), next == 64);
  }
  EXPECT_EQ(next, 64U);
  // A chunk is 1 / kChunkDivisor of the units that are left, rounded up. Most
  // chunks have several units, so there are far fewer chunks than units.
  EXPECT_LE(chunks, 32U);
}

TEST(TileQueue, AThiefTakesTheSecondHalfOfTheLongestRange) {
  TileQueue queue(3);
  const std::vector<uint32_t> units = {0, 10, 40};
  Tally tally(units);
  queue.open(units, true);
  std::optional<TileQueue::Claim> claim = queue.claim(0);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->owner, 2U);
  EXPECT_EQ(claim->begin, 20U);
  uint64_t finished = 0;
  bool isOver = false;
  uint32_t next = 20;
  while (claim) {
    tally.add(*claim);
    EXPECT_FALSE(isOver);
    uint32_t count = claim->end - claim->begin;
    // Thread 0 has stolen units [20, 40) of owner 2. It claims them from front
    // to back before it steals anything else.
    if (next != 40) {
      EXPECT_EQ(claim->owner, 2U);
      EXPECT_EQ(claim->begin, next);
      next = claim->end;
    }
    isOver = queue.finish(count);
    finished += count;
    claim = queue.claim(0);
  }
  // A single thread has run everything, and did not wait for the other owners.
  EXPECT_TRUE(isOver);
  EXPECT_EQ(finished, 50U);
  EXPECT_TRUE(tally.isOnceEach());
  EXPECT_FALSE(queue.claim(1));
  EXPECT_FALSE(queue.claim(2));
}

TEST(TileQueue, WhatAThiefHasNotStartedCanBeStolenFromIt) {
  TileQueue queue(3);
  const std::vector<uint32_t> units = {0, 64, 0};
  Tally tally(units);
  queue.open(units, true);
  // Thread 0 steals [32, 64) and claims units from the start of this range.
  std::optional<TileQueue::Claim> claim = queue.claim(0);
  ASSERT_TRUE(claim);
  tally.add(*claim);
  EXPECT_EQ(claim->begin, 32U);
  uint32_t started = claim->end;
  EXPECT_LT(started, 64U);
  // The owner runs its half.
  for (uint32_t next = 0; next < 32; next = claim->end) {
    claim = queue.claim(1);
    ASSERT_TRUE(claim);
    EXPECT_EQ(claim->begin, next);
    tally.add(*claim);
  }
  // Thread 0 has stolen all remaining units, but claims no more of them. Thread
  // 2 steals the second half of these units.
  claim = queue.claim(2);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->owner, 1U);
  EXPECT_EQ(claim->begin, started + (64 - started) / 2);
  while (claim) {
    tally.add(*claim);
    claim = queue.claim(2);
  }
  EXPECT_TRUE(tally.isOnceEach());
  EXPECT_TRUE(queue.finish(64));
  EXPECT_FALSE(queue.claim(0));
}

TEST(TileQueue, AThreadThatSleptThroughPhasesJoinsTheOneThatRuns) {
  TileQueue queue(2);
  const std::vector<uint32_t> units = {3, 5};
  for (int phase = 0; phase < 10; ++phase) {
    queue.open(units, true);
    while (std::optional<TileQueue::Claim> claim = queue.claim(0)) {
      queue.finish(claim->end - claim->begin);
    }
    EXPECT_FALSE(queue.claim(1)); // a late claim finds that the phase is over
  }
  queue.open(units, true);
  std::optional<TileQueue::Claim> claim = queue.claim(1);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->owner, 1U);
  EXPECT_EQ(claim->begin, 0U);
}

TEST(TileQueue, APhaseWithoutUnitsIsOverAtOnce) {
  TileQueue queue(3);
  EXPECT_TRUE(queue.open(std::vector<uint32_t>{0, 0, 0}, true));
  EXPECT_FALSE(queue.claim(1));
  EXPECT_FALSE(queue.open(std::vector<uint32_t>{0, 2, 0}, true));
}

TEST(TileQueue, UnsharedUnitsAreTheirOwnersAlone) {
  TileQueue queue(3);
  const std::vector<uint32_t> units = {1, 1, 0};
  queue.open(units, false);
  EXPECT_FALSE(queue.claim(2));
  ASSERT_TRUE(queue.claim(0));
  EXPECT_FALSE(queue.claim(0));
  EXPECT_FALSE(queue.finish(1));
  std::optional<TileQueue::Claim> claim = queue.claim(1);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->owner, 1U);
  EXPECT_TRUE(queue.finish(1));
}

TEST(TileQueue, LargestRangesKeepTheirNumbers) {
  TileQueue queue(2);
  constexpr uint32_t kFirst = TileQueue::kMaxUnits / 3;
  const std::vector<uint32_t> units = {kFirst, TileQueue::kMaxUnits - kFirst};
  queue.open(units, true);
  uint64_t claimed[2] = {};
  bool isOver = false;
  for (uint32_t turn = 0;; ++turn) {
    std::optional<TileQueue::Claim> claim = queue.claim(turn % 2);
    if (!claim) {
      break;
    }
    claimed[claim->owner] += claim->end - claim->begin;
    isOver = queue.finish(claim->end - claim->begin);
  }
  EXPECT_TRUE(isOver);
  EXPECT_EQ(claimed[0], kFirst);
  EXPECT_EQ(claimed[1], TileQueue::kMaxUnits - kFirst);
}

/// Threads claim units without ever waiting for each other. The thread that
/// ends a phase opens the next one, whatever the others are doing.
TEST(TileQueue, EveryUnitOfEveryPhaseRunsOnceUnderContention) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kPhases = 3000;
  TileQueue queue(kThreads);
  auto unitsOf = [](uint32_t phase) {
    std::vector<uint32_t> units(kThreads);
    for (uint32_t thread = 0; thread < kThreads; ++thread) {
      units[thread] =
          thread > phase % kThreads ? 0 : (phase * 7 + thread * 5) % 11;
    }
    return units;
  };
  // These variables are not atomic. The thread that opens a phase writes them,
  // and every thread reads them after a claim, so ThreadSanitizer reports a
  // claim that outlives its phase.
  uint32_t phase = 0;
  uint64_t sum = 0; ///< the sum of all slots
  /// How often each unit of each owner has run in the current phase.
  std::vector<uint64_t> slots;
  uint64_t expected = 0;
  std::vector<uint32_t> units;
  std::atomic<bool> isOver{false};
  std::atomic<uint64_t> wrong{0};
  auto check = [&] {
    sum = std::accumulate(slots.begin(), slots.end(), uint64_t{0});
    bool isOnce = sum == expected;
    for (uint64_t times : slots) {
      isOnce = isOnce && times <= 1;
    }
    wrong += isOnce ? 0 : 1;
  };
  auto open = [&] {
    do {
      if (phase != 0) {
        check();
      }
      if (phase++ == kPhases) {
        isOver = true;
        return;
      }
      units = unitsOf(phase);
      expected = std::accumulate(units.begin(), units.end(), uint64_t{0});
      slots.assign(kThreads * 16, 0);
    } while (queue.open(units, true));
  };
  open();
  auto loop = [&](uint32_t thread) {
    uint32_t dice = thread + 1;
    while (!isOver.load()) {
      uint64_t ran = 0;
      while (std::optional<TileQueue::Claim> claim = queue.claim(thread)) {
        for (uint32_t unit = claim->begin; unit < claim->end; ++unit) {
          ++slots[claim->owner * 16 + unit];
        }
        ran += claim->end - claim->begin;
        dice = dice * 1664525 + 1013904223;
        if (dice >> 24 == 0) {
          std::this_thread::sleep_for(std::chrono::microseconds(dice % 300));
        }
      }
      if (ran == 0) {
        std::this_thread::yield();
      } else if (queue.finish(ran)) {
        open();
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t thread = 1; thread < kThreads; ++thread) {
    threads.emplace_back(loop, thread);
  }
  loop(0);
  for (std::thread &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(phase, kPhases + 1);
  EXPECT_EQ(wrong.load(), 0U);
}

} // namespace
