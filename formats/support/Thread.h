//===- Thread.h - threads that may fail to start ----------------*- C++ -*-===//
//
// std::thread throws when the system cannot start a thread, and takes the size
// of its stack from `ulimit -s`. Here the failure is a Status, and the stack
// has the size that the work needs.
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
  /// The usual stack of the main thread of a Linux process. Only pages that are
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

  /// Waits until the body has returned. Returns at once if no thread runs.
  void join();

private:
  pthread_t handle = {};
  bool isRunning = false;
};

/// How many of the wanted threads can run at the same time, and why no more
/// can.
struct ThreadSupply {
  unsigned threads = 0;
  Status refusal; ///< ok if all could be started
};

/// Starts the threads and lets them end again. Other processes may use up
/// threads afterwards, so later calls of Thread::start may still fail.
ThreadSupply probeThreads(unsigned wanted);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_THREAD_H
