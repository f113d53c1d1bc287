//===- WaitWord.h - wait for a word to change: spin, then sleep -*- C++ -*-===//
//
// A WaitWord is a counter that is only ever incremented. Waiters first spin,
// because a kernel usually ends within microseconds, and then sleep on a futex,
// so that an idle process uses no CPU time. Whatever a thread wrote before
// advance() is visible to every thread whose wait is ended by that call.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_WAITWORD_H
#define AIRPACK_RUNTIME_HAL_CPU_WAITWORD_H

#include <atomic>
#include <cstdint>

namespace air::rt {

class WaitWord {
public:
  uint32_t value() const { return word.load(std::memory_order_acquire); }

  /// Adds one and wakes every thread that sleeps in waitWhile().
  void advance();

  /// Spins until the value differs from `seen`, at most `spins` times. Returns
  /// false if the value still equals `seen` then.
  bool spinWhile(uint32_t seen, uint32_t spins) const;

  /// Returns once the value differs from `seen`. Spins `spins` times before it
  /// sleeps.
  void waitWhile(uint32_t seen, uint32_t spins);

private:
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) &&
                    std::atomic<uint32_t>::is_always_lock_free,
                "the futex system call works on the atomic's own bytes");
  // The accesses that decide whether a thread sleeps are sequentially
  // consistent. Either the waiter sees the new value of `word`, or advance()
  // sees that there is a sleeper to wake.
  alignas(64) std::atomic<uint32_t> word{0};
  std::atomic<uint32_t> sleepers{0};
};

/// Tells the core that this is a spin loop.
inline void relaxCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_WAITWORD_H
