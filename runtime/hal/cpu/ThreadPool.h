//===- ThreadPool.h - the CPU's compute threads -----------------*- C++ -*-===//
//
// N persistent threads that walk lists of work together; the caller of run() or
// walk() is thread 0. A walk is a row of phases, one wake-up for all of them.
// Threads share a phase's units through a TileQueue, and whoever ends the last
// unit opens the next phase: neither a phase nor the walk's end waits for a
// thread that has nothing to run, be it asleep or without a CPU. Such a thread
// takes part again with whatever phase it finds, in this walk or a later one.
//
// Threads without work spin briefly and then sleep. With more threads than CPUs
// they sleep at once, since the one that is waited for may need the waiter's
// CPU.
//
// When the pool fills the machine's cores its threads are pinned, one a core;
// a smaller pool is left to the scheduler, because another process may have
// chosen the same cores. The caller's affinity is never touched. A pinned
// thread that loses its CPU to another process while it has work is given the
// CPU of a thread that waits (CpuLending.h).
//
// Thread-safety: run() and walk() from one thread at a time. Errors: Usage for
// no threads or more than kMaxThreads, Io when the system gives no thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H
#define AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H

#include "formats/support/Status.h"
#include "formats/support/Thread.h"
#include "runtime/hal/cpu/CpuLending.h"
#include "runtime/hal/cpu/CpuTopology.h"
#include "runtime/hal/cpu/TileQueue.h"
#include "runtime/hal/cpu/WaitWord.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace air::rt {

/// [begin, end) of `tiles` that thread `thread` of `threads` runs: contiguous,
/// sizes differ by one at most, earlier threads take the larger ones.
struct TileRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};
TileRange tilesOfThread(uint64_t tiles, uint32_t thread, uint32_t threads);

/// What ThreadPool::walk() runs, phase by phase. What nextPhase() writes is
/// seen by every run() of that phase; what those write, by the next
/// nextPhase().
class PhaseWalk {
public:
  /// Goes to the next phase and tells how many units each thread owns there, at
  /// most TileQueue::kMostUnits. False after the last phase. Called by one
  /// thread at a time, by any.
  virtual bool nextPhase(std::span<uint32_t> units) = 0;

  /// Runs claimed units of this phase on thread `thread`.
  virtual void run(const TileQueue::Claim &claim, uint32_t thread) = 0;

protected:
  ~PhaseWalk() = default;
};

class ThreadPool {
public:
  /// The largest machines with one memory have 32 sockets of 28 cores. On more
  /// cores than this a plan runs with as many threads.
  static constexpr uint32_t kMaxThreads = 1024;
  using Job = void (*)(void *context, uint32_t thread);

  static Result<std::unique_ptr<ThreadPool>> create(uint32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  uint32_t threads() const { return threadCount; }

  /// Which threads compute on which memory node, when the threads are pinned
  /// and there are several nodes; else empty. Thread 0 is counted where it
  /// would be pinned; the caller may run elsewhere.
  std::span<const NodeRun> nodeRuns() const { return runs; }

  /// Calls job(context, t) on every thread t and returns when all are done.
  /// Allocates nothing.
  void run(Job job, void *context);

  /// Runs all phases, one after another; what `work` needs of memory besides,
  /// nothing.
  void walk(PhaseWalk &work) { walk(work, true); }

private:
  struct Worker {
    ThreadPool *pool = nullptr;
    uint32_t thread = 0;
    std::optional<uint32_t> homeCpu;
    Thread running;
  };

  explicit ThreadPool(uint32_t threads)
      : lendings(threads), units(threads), queue(threads) {}
  static void workerMain(Worker &worker);
  /// Unless `shared`, each thread runs its own units only.
  void walk(PhaseWalk &work, bool shared);
  /// Claims and runs units while there are any; false when there were none.
  bool work(uint32_t thread);
  /// Returns when `opened` is no longer `seen`.
  void waitForWork(uint32_t seen);
  /// Lends this thread's CPU to one that has work and no CPU. False when none
  /// is in such need.
  bool lendCpu(uint32_t seen);
  /// Opens the next phase or ends the walk.
  void advance();

  uint32_t threadCount = 1;
  uint32_t spins = 0;
  std::vector<NodeRun> runs;
  std::vector<Worker> workers;
  std::vector<CpuLending> lendings; ///< one per thread
  std::vector<uint32_t> units;      ///< of the phase to open
  PhaseWalk *current = nullptr; ///< read only by who has claimed units of it
  bool isShared = true;
  std::atomic<bool> finished{true}; ///< the walk has no more phases
  std::atomic<bool> stopping{false};
  TileQueue queue;
  WaitWord opened; ///< advances with every phase, and at a walk's end
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H
