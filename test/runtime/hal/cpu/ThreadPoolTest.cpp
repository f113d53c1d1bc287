//===- ThreadPoolTest.cpp - jobs and phases on every thread ---------------===//
#include "runtime/hal/cpu/ThreadPool.h"

#include "runtime/hal/cpu/CpuTopology.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <gtest/gtest.h>
#include <mutex>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace air;
using namespace air::rt;

namespace {

TEST(TilesOfThread, CoverEveryTileOnceInOrderAndBalanced) {
  for (uint64_t tiles : {0U, 1U, 2U, 3U, 7U, 64U, 65U, 1000U}) {
    for (uint32_t threads : {1U, 2U, 3U, 5U, 16U, 64U}) {
      uint64_t next = 0;
      for (uint32_t thread = 0; thread < threads; ++thread) {
        TileRange range = tilesOfThread(tiles, thread, threads);
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.end - range.begin, tiles / threads);
        EXPECT_LE(range.end - range.begin, tiles / threads + 1);
        next = range.end;
      }
      EXPECT_EQ(next, tiles);
    }
  }
}

TEST(TilesOfThread, HugeCountsDoNotOverflow) {
  TileRange last = tilesOfThread(UINT64_MAX, 1023, 1024);
  EXPECT_EQ(last.end, UINT64_MAX);
  EXPECT_LT(last.begin, last.end);
}

TEST(ThreadPool, RefusesCountsOutsideItsRange) {
  EXPECT_EQ(ThreadPool::create(0).status().code(), ErrorCode::Usage);
  Result<std::unique_ptr<ThreadPool>> tooMany =
      ThreadPool::create(ThreadPool::kMaxThreads + 1);
  EXPECT_EQ(tooMany.status().code(), ErrorCode::Usage);
  EXPECT_NE(tooMany.status().message().find("1025"), std::string::npos);
}

class ThreadPoolOf : public testing::TestWithParam<uint32_t> {
protected:
  void SetUp() override {
    Result<std::unique_ptr<ThreadPool>> made = ThreadPool::create(GetParam());
    ASSERT_TRUE(made) << made.status().message();
    pool = *std::move(made);
  }
  std::unique_ptr<ThreadPool> pool;
};

TEST_P(ThreadPoolOf, RunsEachJobOnceOnEveryThread) {
  // The counters are not atomic, so ThreadSanitizer reports a race if run()
  // returns before all threads are done.
  std::vector<uint32_t> calls(GetParam());
  for (uint32_t round = 1; round <= 200; ++round) {
    pool->run(
        [](void *context, uint32_t thread) {
          ++(*static_cast<std::vector<uint32_t> *>(context))[thread];
        },
        &calls);
    EXPECT_EQ(std::count(calls.begin(), calls.end(), round), GetParam());
  }
}

/// In each phase, a unit reads what another unit wrote in the previous phase.
class Relay final : public PhaseWalk {
public:
  static constexpr uint32_t kUnits = 6; ///< units per thread

  explicit Relay(uint32_t threads)
      : now(uint64_t{threads} * kUnits), next(now.size()) {}

  void start(uint32_t count) { phases = count; }
  bool nextPhase(std::span<uint32_t> units) override {
    std::fill(units.begin(), units.end(), kUnits);
    now.swap(next);
    return phases-- != 0;
  }
  void run(const TileQueue::Claim &claim, uint32_t) override {
    for (uint32_t i = claim.begin; i < claim.end; ++i) {
      size_t unit = size_t{claim.owner} * kUnits + i;
      next[unit] = now[(unit + kUnits) % now.size()] + 1;
    }
  }

  // These numbers are not atomic, so ThreadSanitizer reports accesses that the
  // phases fail to order.
  std::vector<uint64_t> now;
  std::vector<uint64_t> next;

private:
  uint32_t phases = 0;
};

TEST_P(ThreadPoolOf, PhasesOrderWhatUnitsWrite) {
  Relay relay(GetParam());
  for (uint32_t round = 1; round <= 20; ++round) {
    relay.start(100);
    pool->walk(relay);
    for (uint64_t value : relay.now) {
      EXPECT_EQ(value, 100U * round);
    }
    relay.now.swap(relay.next);
  }
}

TEST(ReadAhead, PartsFollowTheTilesOfEachThread) {
  const std::vector<uint8_t> memory(1100);
  const ReadAhead ahead = {10, {{memory.data(), 100}, {&memory[50], 3}}};
  auto expectPart = [&](uint32_t stream, uint32_t thread, uint64_t offset,
                        uint64_t bytes) {
    std::span<const uint8_t> part =
        ahead.partOf(ahead.streams[stream], thread, 3);
    EXPECT_EQ(part.data() - memory.data(), static_cast<ptrdiff_t>(offset));
    EXPECT_EQ(part.size(), bytes);
  };
  // The threads own tiles [0, 4), [4, 7) and [7, 10).
  expectPart(0, 0, 0, 400);
  expectPart(0, 1, 400, 300);
  expectPart(0, 2, 700, 300);
  expectPart(1, 2, 50 + 21, 9);
}

/// A walk whose phases have two units each. In every phase, the waiting threads
/// may prefetch `ahead`.
class Announcing final : public PhaseWalk {
public:
  bool nextPhase(std::span<uint32_t> units) override {
    std::fill(units.begin(), units.end(), 0U);
    units[0] = 2;
    return phases-- != 0;
  }
  void run(const TileQueue::Claim &claim, uint32_t) override {
    usleep(20);
    ran += claim.end - claim.begin;
  }
  const ReadAhead *readAhead() const override { return ahead; }

  uint32_t phases = 100;
  const ReadAhead *ahead = nullptr;
  std::atomic<uint32_t> ran{0};
};

TEST_P(ThreadPoolOf, WhatIsAnnouncedNeedNotBeReadable) {
  const ReadAhead ahead = {uint64_t{1} << 20,
                           {{reinterpret_cast<const uint8_t *>(64), 1 << 20}}};
  Announcing walk;
  walk.ahead = &ahead;
  pool->walk(walk);
  EXPECT_EQ(walk.ran, 200U);
  pool.reset(); // ends the threads before `ahead` is destroyed
}

TEST_P(ThreadPoolOf, AWalkWithoutPhasesEnds) {
  Relay relay(GetParam());
  pool->walk(relay);
  EXPECT_EQ(relay.now, relay.next);
}

TEST_P(ThreadPoolOf, EndsWithoutEverHavingRun) { pool.reset(); }

INSTANTIATE_TEST_SUITE_P(Counts, ThreadPoolOf, testing::Values(1, 2, 3, 8));

double processCpuSeconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

TEST(ThreadPool, IdleBurnsNoCpu) {
  Result<std::unique_ptr<ThreadPool>> pool =
      ThreadPool::create(static_cast<uint32_t>(cpuTopology().cpus.size()));
  ASSERT_TRUE(pool) << pool.status().message();
  (*pool)->run([](void *, uint32_t) {}, nullptr);
  usleep(50'000); // by now the threads no longer spin
  double before = processCpuSeconds();
  usleep(200'000);
  EXPECT_LT(processCpuSeconds() - before, 0.01);
}

// A pool with a thread for each CPU pins all threads except the caller of
// run(). If the caller is on the CPU of a pinned thread, run() must move it
// away. The test puts the caller on each of these CPUs in turn. On a busy
// machine, Linux may move the caller back before it begins its work, so the
// test fails only if the caller works on a wrong CPU in each of three attempts.
TEST(ThreadPool, TheCallerDoesNotWorkOnTheCpuOfAPinnedThread) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  const CpuTopology topology = cpuTopology();
  if (topology.cpus.size() < 2) {
    GTEST_SKIP() << "there is only one CPU";
  }
  auto made = ThreadPool::create(static_cast<uint32_t>(topology.cpus.size()));
  ASSERT_TRUE(made) << made.status().message();
  for (size_t thread = 1; thread < topology.cpus.size(); ++thread) {
    cpu_set_t taken;
    CPU_ZERO(&taken);
    CPU_SET(topology.cpus[thread], &taken);
    const auto freeCpu = static_cast<int>(topology.cpus[0]);
    int cpuOfCaller = -1;
    for (int attempt = 0; attempt < 3 && cpuOfCaller != freeCpu; ++attempt) {
      ASSERT_EQ(sched_setaffinity(0, sizeof taken, &taken), 0);
      ASSERT_EQ(sched_setaffinity(0, sizeof allowed, &allowed), 0);
      (*made)->run(
          [](void *cpu, uint32_t number) {
            if (number == 0) {
              *static_cast<int *>(cpu) = sched_getcpu();
            }
          },
          &cpuOfCaller);
    }
    EXPECT_EQ(cpuOfCaller, freeCpu);
    cpu_set_t after;
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_TRUE(CPU_EQUAL(&after, &allowed));
    // If the caller may run only on the CPU of a pinned thread, it stays there.
    ASSERT_EQ(sched_setaffinity(0, sizeof taken, &taken), 0);
    (*made)->run([](void *, uint32_t) {}, nullptr);
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_TRUE(CPU_EQUAL(&after, &taken));
    ASSERT_EQ(sched_setaffinity(0, sizeof allowed, &allowed), 0);
  }
}

TEST(CpuTopology, NamesEachAllowedCpuOnce) {
  CpuTopology topology = cpuTopology();
  std::vector<uint32_t> sorted = topology.cpus;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
  EXPECT_EQ(sorted.size(), static_cast<size_t>(CPU_COUNT(&mask)));
  EXPECT_GE(topology.cores, 1U);
  EXPECT_LE(topology.cores, topology.cpus.size());
}

/// Waits until `lock` has this number of users.
void waitForUsers(const TurnLock &lock, uint32_t users) {
  while (lock.users() != users) {
    std::this_thread::yield();
  }
}

// The thread that releases the lock asks for it again at once, but is served
// last.
TEST(TurnLock, IsGrantedInTheOrderOfCalls) {
  TurnLock lock;
  std::vector<uint32_t> order;
  std::vector<std::thread> threads;
  lock.lock();
  for (uint32_t i = 0; i < 5; ++i) {
    threads.emplace_back([&, i] {
      const std::lock_guard held(lock);
      order.push_back(i);
    });
    waitForUsers(lock, i + 2);
  }
  EXPECT_TRUE(order.empty());
  lock.unlock();
  lock.lock();
  EXPECT_EQ(order, (std::vector<uint32_t>{0, 1, 2, 3, 4}));
  lock.unlock();
  for (std::thread &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(lock.users(), 0U);
}

} // namespace
