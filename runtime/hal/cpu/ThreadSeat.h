//===- ThreadSeat.h - lends a CPU to a thread that has none -----*- C++ -*-===//
//
// A pinned thread whose CPU another process uses stops in the middle of a tile,
// and everybody waits for that tile although the waiters' own CPUs have nothing
// to do. So a waiter looks whether the thread that it waits for gets any CPU
// time; if not, it moves that thread to its own CPU, and sleeps. The moved
// thread returns to its home when its work is done.
//
// One seat is one thread's. Thread-safety: sit(), begin() and end() by the
// thread itself, the others by any. A thread that is late in noticing that the
// other's work is done moves it for nothing; it goes home all the same.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_THREADSEAT_H
#define AIRPACK_RUNTIME_HAL_CPU_THREADSEAT_H

#include <atomic>
#include <cstdint>
#include <ctime>
#include <optional>
#include <sys/types.h>

namespace air::rt {

class alignas(64) ThreadSeat {
public:
  /// The calling thread takes this seat. With a home it is pinned there; a
  /// refusal of the system leaves it to the scheduler: slower, not wrong.
  void sit(std::optional<uint32_t> homeCpu);

  /// Around work that others may wait for.
  void begin() { isWorking.store(true, std::memory_order_relaxed); }
  void end() {
    isWorking.store(false, std::memory_order_relaxed);
    if (state.load(std::memory_order_relaxed) == Moved) {
      goHome();
    }
  }

  bool works() const { return isWorking.load(std::memory_order_relaxed); }

  /// CPU time that the thread has had; nothing when the system doesn't say.
  std::optional<uint64_t> cpuNanoseconds() const;

  /// Moves the thread to the caller's CPU, unless that is its home or somebody
  /// else has moved it. True when the thread may run here as soon as the caller
  /// sleeps.
  bool bringHere();

private:
  enum State : uint32_t { Home, Moving, Moved };

  void goHome();

  pid_t id = 0;
  clockid_t clock = {};
  bool hasHome = false;
  uint32_t home = 0;
  std::atomic<bool> isSeated{false}; ///< the fields above are written
  std::atomic<bool> isWorking{false};
  std::atomic<uint32_t> state{Home};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_THREADSEAT_H
