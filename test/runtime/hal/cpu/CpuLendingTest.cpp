//===- CpuLendingTest.cpp - a thread is moved, and returns home -----------===//
#include "runtime/hal/cpu/CpuLending.h"

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

/// A thread that calls lending.attach(), and then runs the tasks that it is
/// given, one at a time.
class AttachedThread {
public:
  AttachedThread(CpuLending &lending, std::optional<uint32_t> home)
      : thread([this, &lending, home] {
          lending.attach(home);
          id = gettid();
          while (!isOver.load()) {
            if (hasTask.exchange(false)) {
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
  ~AttachedThread() {
    isOver = true;
    thread.join();
  }
  void run(std::function<void()> what) {
    task = std::move(what);
    isDone = false;
    hasTask = true;
    while (!isDone.load()) {
      std::this_thread::yield();
    }
  }
  pid_t tid() const { return id; }

private:
  std::function<void()> task;
  std::atomic<bool> hasTask{false};
  std::atomic<bool> isDone{false};
  std::atomic<bool> isOver{false};
  std::atomic<pid_t> id{0};
  std::thread thread;
};

TEST(CpuLending, AThreadIsMovedToTheHelpersCpuAndReturnsHome) {
  CpuTopology topology = cpuTopology();
  if (topology.cpus.size() < 2) {
    GTEST_SKIP() << "there is only one CPU, so none can be lent";
  }
  uint32_t home = topology.cpus[0];
  uint32_t here = topology.cpus[1];
  CpuLending lending;
  AttachedThread thread(lending, home);
  EXPECT_EQ(allowedCpus(thread.tid()), std::vector<uint32_t>{home});
  std::thread helper([&] {
    stayOn(here);
    thread.run([&] { lending.beginWork(); });
    EXPECT_TRUE(lending.isWorking());
    EXPECT_TRUE(lending.moveToCallersCpu());
    EXPECT_EQ(allowedCpus(thread.tid()), std::vector<uint32_t>{here});
    EXPECT_FALSE(lending.moveToCallersCpu()) << "moved twice";
    thread.run([&] { lending.endWork(); });
    EXPECT_FALSE(lending.isWorking());
    EXPECT_EQ(allowedCpus(thread.tid()), std::vector<uint32_t>{home});
    // The helper moves to the home CPU of the attached thread. The attached
    // thread is there already, so moveToCallersCpu() need not move it.
    stayOn(home);
    EXPECT_TRUE(lending.moveToCallersCpu());
    EXPECT_EQ(allowedCpus(thread.tid()), std::vector<uint32_t>{home});
  });
  helper.join();
}

TEST(CpuLending, ReportsTheCpuTimeOfAPinnedThread) {
  CpuLending unattached;
  EXPECT_FALSE(unattached.cpuNanoseconds());
  CpuLending withoutHome;
  AttachedThread unpinned(withoutHome, std::nullopt);
  EXPECT_FALSE(withoutHome.cpuNanoseconds());

  CpuLending lending;
  AttachedThread thread(lending, cpuTopology().cpus[0]);
  std::optional<uint64_t> before = lending.cpuNanoseconds();
  ASSERT_TRUE(before);
  thread.run([&] {
    // The attached thread runs until it has used 5 ms of CPU time.
    while (*lending.cpuNanoseconds() - *before < 5'000'000) {
    }
  });
  std::optional<uint64_t> busy = lending.cpuNanoseconds();
  ASSERT_TRUE(busy);
  EXPECT_GE(*busy - *before, 5'000'000U);
  uint64_t asleep = 0;
  thread.run([&] {
    std::optional<uint64_t> start = lending.cpuNanoseconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    asleep = *lending.cpuNanoseconds() - *start;
  });
  EXPECT_LT(asleep, 25'000'000U);
}

} // namespace
