//===- ThreadSeatTest.cpp - lending a CPU, and going home again -----------===//
#include "runtime/hal/cpu/ThreadSeat.h"

#include "runtime/hal/cpu/CpuTopology.h"

#include <functional>
#include <gtest/gtest.h>
#include <sched.h>
#include <thread>
#include <unistd.h>

using namespace air::rt;

namespace {

std::vector<uint32_t> allowedCpus(pid_t thread) {
  cpu_set_t mask;
  std::vector<uint32_t> cpus;
  if (sched_getaffinity(thread, sizeof mask, &mask) == 0) {
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &mask)) {
        cpus.push_back(cpu);
      }
    }
  }
  return cpus;
}

void stayOn(uint32_t cpu) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
}

/// A thread that takes its seat and then runs the tasks it is given, one at a
/// time.
class Sitter {
public:
  Sitter(ThreadSeat &seat, std::optional<uint32_t> home)
      : thread([this, &seat, home] {
          seat.sit(home);
          id = gettid();
          while (!isOver.load()) {
            if (isAsked.exchange(false)) {
              task();
              isDone = true;
            }
            std::this_thread::yield();
          }
        }) {
    while (id.load() == 0) {
      std::this_thread::yield();
    }
  }
  ~Sitter() {
    isOver = true;
    thread.join();
  }
  void ask(std::function<void()> what) {
    task = std::move(what);
    isDone = false;
    isAsked = true;
    while (!isDone.load()) {
      std::this_thread::yield();
    }
  }
  pid_t tid() const { return id; }

private:
  std::function<void()> task;
  std::atomic<bool> isAsked{false};
  std::atomic<bool> isDone{false};
  std::atomic<bool> isOver{false};
  std::atomic<pid_t> id{0};
  std::thread thread;
};

TEST(ThreadSeat, AThreadIsMovedToTheHelpersCpuAndGoesHome) {
  CpuTopology topology = cpuTopology();
  if (topology.cpus.size() < 2) {
    GTEST_SKIP() << "one CPU only: no other to lend";
  }
  uint32_t home = topology.cpus[0];
  uint32_t here = topology.cpus[1];
  ThreadSeat seat;
  Sitter sitter(seat, home);
  EXPECT_EQ(allowedCpus(sitter.tid()), std::vector<uint32_t>{home});
  std::thread helper([&] {
    stayOn(here);
    sitter.ask([&] { seat.begin(); });
    EXPECT_TRUE(seat.works());
    EXPECT_TRUE(seat.bringHere());
    EXPECT_EQ(allowedCpus(sitter.tid()), std::vector<uint32_t>{here});
    EXPECT_FALSE(seat.bringHere()) << "moved twice";
    sitter.ask([&] { seat.end(); });
    EXPECT_FALSE(seat.works());
    EXPECT_EQ(allowedCpus(sitter.tid()), std::vector<uint32_t>{home});
    // There is nothing to move when the thread already runs on its home CPU.
    stayOn(home);
    EXPECT_TRUE(seat.bringHere());
    EXPECT_EQ(allowedCpus(sitter.tid()), std::vector<uint32_t>{home});
  });
  helper.join();
}

TEST(ThreadSeat, TellsCpuTimeOfAThreadWithAHome) {
  ThreadSeat empty;
  EXPECT_FALSE(empty.cpuNanoseconds());
  ThreadSeat homeless;
  Sitter guest(homeless, std::nullopt);
  EXPECT_FALSE(homeless.cpuNanoseconds());

  ThreadSeat seat;
  Sitter sitter(seat, cpuTopology().cpus[0]);
  std::optional<uint64_t> before = seat.cpuNanoseconds();
  ASSERT_TRUE(before);
  sitter.ask([&] {
    // Only this thread runs, until it has used 5 ms of CPU time.
    while (*seat.cpuNanoseconds() - *before < 5'000'000) {
    }
  });
  std::optional<uint64_t> busy = seat.cpuNanoseconds();
  ASSERT_TRUE(busy);
  EXPECT_GE(*busy - *before, 5'000'000U);
  uint64_t asleep = 0;
  sitter.ask([&] {
    std::optional<uint64_t> start = seat.cpuNanoseconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    asleep = *seat.cpuNanoseconds() - *start;
  });
  EXPECT_LT(asleep, 25'000'000U);
}

} // namespace
