//===- Thread.h - threads whose refusal is an error -------------*- C++ -*-===//
//
// std::thread throws where the system gives no thread and takes the size of its
// stack from `ulimit -s`. Here a refusal is a Status, and the stack has the
// size that the work needs.
//
// Ownership: a Thread joins in its destructor; it can be moved. Thread-safety:
// each Thread is used by one thread at a time. Errors: Io with the system's
// reason.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_THREAD_H
#define AIRPACK_FORMATS_SUPPORT_THREAD_H

#include "formats/support/Status.h"

#include <cstddef>
#include <functional>
#include <pthread.h>

namespace air {

class Thread {
public:
  /// What the main thread of a Linux process usually has. Only pages that are
  /// touched take memory.
  static constexpr size_t kStackBytes = size_t{8} << 20;

  /// Runs `body` on a new thread. `stackBytes` is at least PTHREAD_STACK_MIN.
  static Result<Thread> start(std::function<void()> body,
                              size_t stackBytes = kStackBytes);

  Thread() = default;
  ~Thread() { join(); }
  Thread(Thread &&other) noexcept;
  Thread &operator=(Thread &&other) noexcept;
  Thread(const Thread &) = delete;
  Thread &operator=(const Thread &) = delete;

  /// Returns when the body has; at once when there is none.
  void join();

private:
  pthread_t handle = {};
  bool isRunning = false;
};

/// How many of `wanted` threads the system gives at the same time, and why not
/// more.
struct ThreadSupply {
  unsigned threads = 0;
  Status refusal; ///< ok when all were given
};

/// Starts the threads and lets them end again. What another process takes
/// afterwards, nobody knows: who starts threads must still expect a refusal.
ThreadSupply probeThreads(unsigned wanted);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_THREAD_H
