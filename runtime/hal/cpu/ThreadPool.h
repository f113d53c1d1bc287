//===- ThreadPool.h - the CPU's compute threads -----------------*- C++ -*-===//
//
// N persistent threads that run one job at a time; the caller of run() is
// thread 0. A job walks a whole list of dispatches by itself and meets the
// others at barrier() where the list says so: one wake-up a token, not one a
// kernel.
//
// Between jobs and at barriers threads spin briefly and then sleep. With more
// threads than CPUs they sleep at once, since the one that is waited for may
// need the waiter's CPU.
//
// When the pool fills the machine's cores its threads are pinned, one a core;
// a smaller pool is left to the scheduler, because another process may have
// chosen the same cores. The caller's affinity is never touched.
//
// Thread-safety: run() from one thread at a time. Errors: Usage for no threads
// or more than kMaxThreads, Io when the system gives no thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H
#define AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H

#include "formats/support/Status.h"
#include "runtime/hal/cpu/WaitWord.h"

#include <cstdint>
#include <memory>
#include <pthread.h>
#include <vector>

namespace air::rt {

/// [begin, end) of `tiles` that thread `thread` of `threads` runs: contiguous,
/// sizes differ by one at most, earlier threads take the larger ones.
struct TileRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};
TileRange tilesOfThread(uint64_t tiles, uint32_t thread, uint32_t threads);

class ThreadPool {
public:
  static constexpr uint32_t kMaxThreads = 1024;
  using Job = void (*)(void *context, uint32_t thread);

  static Result<std::unique_ptr<ThreadPool>> create(uint32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  uint32_t threads() const { return threadCount; }

  /// Calls job(context, t) on every thread t and returns when all are done.
  /// Allocates nothing.
  void run(Job job, void *context);

  /// Inside a job: returns when every thread of the pool has called it. What
  /// any of them wrote before is visible to all after.
  void barrier();

private:
  struct Worker {
    ThreadPool *pool = nullptr;
    uint32_t thread = 0;
    pthread_t handle = {};
  };

  ThreadPool() = default;
  static void *workerMain(void *argument);

  uint32_t threadCount = 1;
  uint32_t spins = 0;
  std::vector<Worker> workers;
  Job currentJob = nullptr;
  void *currentContext = nullptr;
  bool stopping = false;
  WaitWord started;
  WaitWord passed;
  alignas(64) std::atomic<uint32_t> arrived{0};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H
