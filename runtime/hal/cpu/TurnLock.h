//===- TurnLock.h - a lock that threads get in turn -------------*- C++ -*-===//
//
// A std::mutex may be granted to the thread that has just released it, again
// and again, although others wait. A TurnLock is granted in the order in which
// lock() was called.
//
// Thread-safety: any thread may call any function, but only the thread that has
// the lock may call unlock().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_TURNLOCK_H
#define AIRPACK_RUNTIME_HAL_CPU_TURNLOCK_H

#include "runtime/hal/cpu/WaitWord.h"

namespace air::rt {

class TurnLock {
public:
  void lock() {
    const uint32_t turn = next.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t now = ended.value(); now != turn; now = ended.value()) {
      ended.waitWhile(now, 0);
    }
  }
  void unlock() { ended.advance(); }

  /// The number of threads that have called lock() and not yet unlock().
  uint32_t users() const {
    return next.load(std::memory_order_relaxed) - ended.value();
  }

private:
  std::atomic<uint32_t> next{0}; ///< the number of calls of lock()
  WaitWord ended;                ///< the number of calls of unlock()
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_TURNLOCK_H
