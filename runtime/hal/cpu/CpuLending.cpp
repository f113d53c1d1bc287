//===- CpuLending.cpp - affinities and thread clocks ------------*- C++ -*-===//
#include "runtime/hal/cpu/CpuLending.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace air::rt;

namespace {

/// Pins a thread to `cpu`. A cpu_set_t has room for CPUs below CPU_SETSIZE,
/// which is 1024, so a larger mask is allocated for other CPUs.
bool pin(pid_t thread, uint32_t cpu) {
  cpu_set_t few;
  cpu_set_t *mask = &few;
  size_t bytes = sizeof few;
  if (cpu >= CPU_SETSIZE) {
    mask = CPU_ALLOC(cpu + 1);
    bytes = CPU_ALLOC_SIZE(cpu + 1);
  }
  CPU_ZERO_S(bytes, mask);
  CPU_SET_S(cpu, bytes, mask);
  bool done = sched_setaffinity(thread, bytes, mask) == 0;
  if (mask != &few) {
    CPU_FREE(mask);
  }
  return done;
}

} // namespace

void CpuLending::attach(std::optional<uint32_t> homeCpu) {
  threadId = static_cast<pid_t>(syscall(SYS_gettid));
  hasHome = homeCpu && pthread_getcpuclockid(pthread_self(), &clock) == 0 &&
            pin(threadId, *homeCpu);
  home = homeCpu.value_or(0);
  isAttached.store(true, std::memory_order_release);
}

std::optional<uint64_t> CpuLending::cpuNanoseconds() const {
  timespec time = {};
  if (!isAttached.load(std::memory_order_acquire) || !hasHome ||
      clock_gettime(clock, &time) != 0) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000U +
         static_cast<uint64_t>(time.tv_nsec);
}

bool CpuLending::moveToCallersCpu() {
  uint32_t expected = AtHome;
  if (!state.compare_exchange_strong(expected, Moving)) {
    return false;
  }
  int here = sched_getcpu();
  bool isAtHome = here >= 0 && static_cast<uint32_t>(here) == home;
  bool moved =
      !isAtHome && here >= 0 && pin(threadId, static_cast<uint32_t>(here));
  // This store must come after the call of pin(): endWork() pins the thread to
  // its home CPU as soon as it sees Moved, and a later pin() would undo that.
  state.store(moved ? Moved : AtHome);
  return isAtHome || moved;
}

void CpuLending::returnToHomeCpu() {
  pin(threadId, home);
  state.store(AtHome);
}
