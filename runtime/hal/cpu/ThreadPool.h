//===- ThreadPool.h - the CPU's compute threads -----------------*- C++ -*-===//
//
// A pool of N threads consists of N - 1 persistent threads and of the caller of
// run() or walk(), which is thread 0. A walk is a sequence of phases, and one
// wake-up of the threads serves all phases of a walk. A phase is a set of units
// of work. The threads share the units through a TileQueue, and whichever
// thread completes the last unit opens the next phase. Neither a phase nor the
// end of a walk therefore waits for a thread that has nothing to run, even if
// that thread is asleep or has no CPU. Such a thread joins whichever phase is
// open when it comes back, in this walk or in a later one.
//
// A waiting thread prefetches the memory that it will read first in an upcoming
// phase (ReadAhead). Memory is thus also read while only a few threads have
// work.
//
// Threads without work spin briefly and then sleep. If there are more threads
// than CPUs, or more than the CPU quota allows, threads without work sleep
// immediately, so that other threads get the CPU time.
//
// If the pool has at least one thread per core, and at most one per CPU, each
// thread except the caller is pinned to a CPU of its own. The threads of any
// other pool are left to the scheduler: a larger pool has too few CPUs, and a
// smaller one might be pinned to the same cores as the threads of another
// process while other cores are idle. The caller keeps its affinity, but if the
// scheduler has placed the caller on the CPU of a pinned thread, the caller
// moves to another CPU before it works. Otherwise the two threads would share a
// CPU until the scheduler notices, which may take longer than a pass. If a
// pinned thread loses its CPU to another process while it has work, a waiting
// thread lends it a CPU (CpuLending.h).
//
// Thread-safety: any thread may call run() and walk(). Calls are served one at
// a time, in their order. Errors: Usage for zero threads or more than
// kMaxThreads, Io if the system refuses to create a thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H
#define AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H

#include "formats/support/Status.h"
#include "formats/support/Thread.h"
#include "runtime/hal/cpu/CpuLending.h"
#include "runtime/hal/cpu/CpuTopology.h"
#include "runtime/hal/cpu/TileQueue.h"
#include "runtime/hal/cpu/TurnLock.h"
#include "runtime/hal/cpu/WaitWord.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace air::rt {

/// The half-open range [begin, end) of tiles.
struct TileRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// The range that thread `thread` of `threads` threads owns if there are
/// `tiles` tiles. The ranges are contiguous, and their sizes differ by at most
/// one; earlier threads own the larger ranges.
TileRange tilesOfThread(uint64_t tiles, uint32_t thread, uint32_t threads);

/// The number of bytes that a waiting thread prefetches: half of an L2 cache of
/// 256 KiB, which is among the smallest in use. A core reads this number of
/// bytes in about 10 microseconds, which is longer than most waits.
inline constexpr uint64_t kAheadBytes = 128 << 10;

/// The memory that the tiles of an upcoming dispatch will read, in the order of
/// the tiles. Since it is only prefetched, the information need not be exact,
/// and the addresses need not even be mapped.
struct ReadAhead {
  struct Stream {
    const uint8_t *start = nullptr; ///< the address at which tile 0 begins
    uint64_t tileBytes = 0;         ///< the bytes that each tile reads
  };
  uint64_t tiles = 0;
  /// The streams that each tile reads simultaneously.
  std::vector<Stream> streams;

  /// The part of `stream` that thread `thread` of a pool of `threads` threads
  /// reads. The caller may prefetch this memory but must not read it, because
  /// it need not be mapped.
  std::span<const uint8_t> partOf(const Stream &stream, uint32_t thread,
                                  uint32_t threads) const;
};

/// The work that ThreadPool::walk() runs, phase by phase. Every run() of a
/// phase observes what nextPhase() wrote when it began the phase, and the next
/// call of nextPhase() observes what these calls of run() wrote.
class PhaseWalk {
public:
  /// Begins the next phase and sets units[t] to the number of units that thread
  /// t owns in it. The sum of all units[t] is at most TileQueue::kMaxUnits.
  /// Returns false after the last phase. Any thread may be the caller, but only
  /// one at a time.
  virtual bool nextPhase(std::span<uint32_t> units) = 0;

  /// Called after nextPhase(), by the same thread. Returns the memory that
  /// threads should prefetch while they wait during or after this phase, or
  /// null for none. The returned object must remain unchanged until
  /// ThreadPool::forgetReadAhead() has returned, or the pool is destroyed.
  virtual const ReadAhead *readAhead() const { return nullptr; }

  /// Runs the units of `claim`, which belong to the current phase, on thread
  /// `thread`.
  virtual void run(const TileQueue::Claim &claim, uint32_t thread) = 0;

protected:
  ~PhaseWalk() = default;
};

class ThreadPool {
public:
  /// The largest number of threads in a pool. It suffices for one thread on
  /// each of the 768 logical CPUs of the largest machines with two sockets. It
  /// is not larger, because a thread that looks for work examines the ranges of
  /// all other threads. On a machine with more than kMaxThreads cores, a plan
  /// runs on kMaxThreads threads by default.
  static constexpr uint32_t kMaxThreads = 1024;
  using Job = void (*)(void *context, uint32_t thread);

  static Result<std::unique_ptr<ThreadPool>> create(uint32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  uint32_t threads() const { return threadCount; }

  /// Which threads compute on which NUMA node. The list is empty unless the
  /// threads are pinned and there are several nodes. Thread 0 is counted on the
  /// node where it would be pinned, although the caller may run elsewhere.
  std::span<const NodeRun> nodeRuns() const { return runs; }

  /// Calls job(context, t) on every thread t and returns when all calls have
  /// returned. Does not allocate.
  void run(Job job, void *context);

  /// Runs all phases of `work` in order. Does not allocate, unless `work` does.
  void walk(PhaseWalk &work) { walk(work, true); }

  /// Waits until no thread uses any object that PhaseWalk::readAhead() has
  /// returned so far. The owner may then change or destroy these objects.
  void forgetReadAhead();

private:
  struct Worker {
    ThreadPool *pool = nullptr;
    uint32_t thread = 0;
    std::optional<uint32_t> homeCpu;
    Thread running;
  };

  /// How much a thread has prefetched of the latest ReadAhead.
  struct alignas(64) Progress {
    const ReadAhead *of = nullptr;
    uint64_t bytes = 0; ///< prefetched so far from each stream
  };

  explicit ThreadPool(uint32_t threads)
      : lendings(threads), progress(threads), units(threads), queue(threads) {}
  static void workerMain(Worker &worker);
  /// Like walk(work), but if `shared` is false, each thread runs only the units
  /// that it owns.
  void walk(PhaseWalk &work, bool shared);
  /// If the calling thread runs on the CPU of a pinned thread, moves the
  /// calling thread to a CPU to which no thread of the pool is pinned. Does
  /// nothing if the affinity mask of the calling thread has no such CPU.
  void leaveWorkersCpu() const;
  /// Claims and runs units until none are left. Returns true if it ran any.
  bool work(uint32_t thread);
  /// Returns once `opened` differs from `seen`.
  void waitForWork(uint32_t thread, uint32_t seen);
  /// Prefetches the memory that `thread` will read next, and returns when it
  /// has prefetched kAheadBytes bytes or when `opened` differs from `seen`.
  void prefetchAhead(uint32_t thread, uint32_t seen);
  /// Lends this thread's CPU to a thread that has work but no CPU. Returns
  /// false if there is no such thread, if it cannot be moved, or if `opened` no
  /// longer equals `seen`.
  bool lendCpu(uint32_t seen);
  /// Opens the next phase or ends the walk.
  void advance();

  TurnLock serving; ///< held during run() and walk()
  uint32_t threadCount = 1;
  uint32_t spins = 0;
  std::vector<NodeRun> runs;
  std::vector<Worker> workers;
  std::vector<CpuLending> lendings; ///< one per thread
  std::vector<Progress> progress;   ///< one per thread
  std::vector<uint32_t> units;      ///< per thread: its units in a phase
  PhaseWalk *current = nullptr;     ///< only read after a successful claim
  bool isShared = true;
  std::atomic<bool> finished{true}; ///< the walk has no more phases
  std::atomic<bool> stopping{false};
  std::atomic<const ReadAhead *> ahead{nullptr};
  TileQueue queue;
  /// A counter on which threads without work wait. It goes up when a phase
  /// begins, when a walk has ended, and when the pool is being destroyed.
  WaitWord opened;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_THREADPOOL_H
