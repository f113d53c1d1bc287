//===- CpuLending.h - lends a CPU to a thread without one -------*- C++ -*-===//
//
// A pinned thread whose CPU is taken by another process stops in the middle of
// a tile. All other threads then wait for that tile, although their own CPUs
// are idle. A waiting thread therefore checks how much CPU time the threads
// with work receive. If one of them receives little or none, the waiting thread
// pins it to the CPU that the waiting thread runs on, and goes to sleep. When
// the work of the moved thread is done, that thread is pinned again to its home
// CPU, to which attach() pinned it at first.
//
// There is one object per thread of a pool. Thread-safety: attach(),
// beginWork() and endWork() are called by the thread itself, the other members
// by any thread. A waiter may notice too late that the work is done, and then
// moves the thread needlessly. The thread still returns to its home CPU, at the
// latest in its next call of endWork().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_CPULENDING_H
#define AIRPACK_RUNTIME_HAL_CPU_CPULENDING_H

#include <atomic>
#include <cstdint>
#include <ctime>
#include <optional>
#include <sys/types.h>

namespace air::rt {

class alignas(64) CpuLending {
public:
  /// Ties this object to the calling thread, and pins the thread to `homeCpu`
  /// if there is one. If the system refuses, the scheduler chooses the thread's
  /// CPU, which may make the thread slower but changes no result.
  void attach(std::optional<uint32_t> homeCpu);

  /// The thread calls beginWork() before work that other threads may wait for,
  /// and endWork() after it.
  void beginWork() { working.store(true, std::memory_order_relaxed); }
  void endWork() {
    working.store(false, std::memory_order_relaxed);
    if (state.load(std::memory_order_relaxed) == Moved) {
      returnToHomeCpu();
    }
  }

  bool isWorking() const { return working.load(std::memory_order_relaxed); }

  /// The CPU time that the thread has used so far. The result is empty if the
  /// thread has no home CPU, or if the system does not report the time.
  std::optional<uint64_t> cpuNanoseconds() const;

  /// Pins the thread to the CPU that the caller runs on, and returns true. If
  /// this CPU is the thread's home CPU, returns true without doing anything. In
  /// both cases, the caller should then sleep, so that the thread gets the CPU.
  /// Returns false if an earlier call has moved the thread, which has not yet
  /// returned to its home CPU, or if the system refuses.
  bool moveToCallersCpu();

private:
  enum State : uint32_t { AtHome, Moving, Moved };

  void returnToHomeCpu();

  pid_t threadId = 0;
  clockid_t clock = {};
  bool hasHome = false;
  uint32_t home = 0;
  std::atomic<bool> isAttached{false}; ///< attach() has set the fields above
  std::atomic<bool> working{false};
  std::atomic<uint32_t> state{AtHome};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CPULENDING_H
