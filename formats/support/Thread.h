//===- Thread.h - threads that may fail to start ----------------*- C++ -*-===//
//
// std::thread throws when the system cannot start a thread, and takes the size
// of its stack from `ulimit -s`. Thread::start() returns a Status instead, and
// its caller chooses the size of the stack.
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
  /// The default size of a stack, in bytes. It is the usual size for the main
  /// thread of a Linux process. Only pages that are touched take memory.
  static constexpr size_t kStackBytes = size_t{8} << 20;

  /// Runs `body` on a new thread. `stackBytes` must be at least
  /// PTHREAD_STACK_MIN.
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

/// How many of the wanted threads can run at the same time, and the reason why
/// no more can.
struct ThreadSupply {
  unsigned threads = 0;
  Status refusal; ///< ok if all threads could be started
};

/// Starts `wanted` threads, or as many as the system allows, and lets them end
/// again. Other processes may use up threads afterwards, so later calls of
/// Thread::start() may still fail.
ThreadSupply probeThreads(unsigned wanted);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_THREAD_H
