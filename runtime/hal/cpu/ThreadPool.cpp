//===- ThreadPool.cpp - the CPU's compute threads ---------------*- C++ -*-===//
#include "runtime/hal/cpu/ThreadPool.h"

#include "formats/machine/HostFacts.h"
#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <mutex>
#include <sched.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

// The number of spins after which a waiting thread sleeps. They take 50 to 200
// microseconds, depending on the latency of the core's `pause` instruction.
// That is longer than the gap between two kernels, and too short to use
// noticeable CPU time on an idle machine.
constexpr uint32_t kSpins = 4096;

// The number of spins after which a waiting thread looks for a thread that has
// work but no CPU.
constexpr uint32_t kSpinsBeforeLending = 1024;
// The number of spins during which a waiting thread observes the CPU time of
// each thread that has work.
constexpr uint32_t kObservationSpins = 512;

constexpr uint64_t kLineBytes = 64;
// A waiting thread prefetches this number of bytes of each stream, and then
// checks again whether a new phase has opened.
constexpr uint64_t kBytesPerLook = 4 * kLineBytes;
constexpr int kIntoL2 = 2;

} // namespace

TileRange air::rt::tilesOfThread(uint64_t tiles, uint32_t thread,
                                 uint32_t threads) {
  uint64_t share = tiles / threads;
  uint64_t extra = tiles % threads;
  uint64_t begin = thread * share + std::min<uint64_t>(thread, extra);
  return {begin, begin + share + (thread < extra ? 1 : 0)};
}

std::span<const uint8_t> ReadAhead::partOf(const Stream &stream,
                                           uint32_t thread,
                                           uint32_t threads) const {
  TileRange own = tilesOfThread(tiles, thread, threads);
  return {stream.start + own.begin * stream.tileBytes,
          (own.end - own.begin) * stream.tileBytes};
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(uint32_t threads) {
  if (threads == 0 || threads > kMaxThreads) {
    return usageError("threads: " + std::to_string(threads) +
                      " were requested; choose a number from 1 to " +
                      std::to_string(kMaxThreads));
  }
  CpuTopology topology = cpuTopology();
  std::unique_ptr<ThreadPool> pool(new ThreadPool(threads));
  // Threads spin only if there is a CPU for each of them, and if the CPU quota
  // suffices for all of them. Otherwise, threads that spin would take CPU time
  // from threads that compute.
  pool->spins =
      threads <= topology.cpus.size() && threads <= cpuQuota("") ? kSpins : 0;
  bool pin = threads >= topology.cores && threads <= topology.cpus.size();
  if (pin) {
    pool->runs = air::rt::nodeRuns(topology, threads);
  }
  // Each thread keeps a reference to its Worker, so this vector must not
  // grow later.
  pool->workers.resize(threads - 1);
  for (uint32_t thread = 1; thread < threads; ++thread) {
    Worker &worker = pool->workers[thread - 1];
    worker.pool = pool.get();
    worker.thread = thread;
    if (pin) {
      worker.homeCpu = topology.cpus[thread];
    }
    Result<Thread> running = Thread::start([&worker] { workerMain(worker); });
    if (!running) {
      pool->workers.resize(thread - 1);
      return ioError("threads: only " + std::to_string(thread) + " of " +
                     std::to_string(threads) + " could be started (" +
                     running.status().message() +
                     "); choose fewer with --threads");
    }
    worker.running = *std::move(running);
    pool->threadCount = thread + 1;
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping.store(true, std::memory_order_release);
  opened.advance();
  for (Worker &worker : workers) {
    worker.running.join();
  }
}

void ThreadPool::workerMain(Worker &worker) {
  ThreadPool &pool = *worker.pool;
  pool.lendings[worker.thread].attach(worker.homeCpu);
  while (true) {
    // This counter is read before the thread looks for work, so that a phase
    // that opens in the meantime ends the wait.
    uint32_t seen = pool.opened.value();
    if (pool.stopping.load(std::memory_order_acquire)) {
      return;
    }
    if (!pool.work(worker.thread)) {
      pool.waitForWork(worker.thread, seen);
    }
  }
}

namespace {

/// A walk with a single phase, in which each thread owns one unit.
class EachThread final : public PhaseWalk {
public:
  EachThread(ThreadPool::Job job, void *context) : job(job), context(context) {}

  bool nextPhase(std::span<uint32_t> units) override {
    std::fill(units.begin(), units.end(), 1U);
    return !std::exchange(opened, true);
  }
  void run(const TileQueue::Claim &, uint32_t thread) override {
    job(context, thread);
  }

private:
  ThreadPool::Job job;
  void *context;
  bool opened = false;
};

} // namespace

void ThreadPool::run(Job job, void *context) {
  EachThread once(job, context);
  walk(once, false);
}

void ThreadPool::forgetReadAhead() {
  // This call of run() replaces the current ReadAhead with none, and returns
  // only after every thread has run the job. A thread cannot run the job while
  // it prefetches, and after the job, it finds no ReadAhead.
  run([](void *, uint32_t) {}, nullptr);
}

void ThreadPool::walk(PhaseWalk &work, bool shared) {
  const std::lock_guard lock(serving);
  if (threadCount == 1) {
    while (work.nextPhase(units)) {
      work.run({0, 0, units[0]}, 0);
    }
    return;
  }
  // All units of earlier walks have run, so no thread reads `current` or
  // `isShared` now.
  current = &work;
  isShared = shared;
  finished.store(false, std::memory_order_relaxed);
  advance();
  while (true) {
    uint32_t seen = opened.value();
    if (finished.load(std::memory_order_acquire)) {
      return;
    }
    leaveWorkersCpu();
    if (!this->work(0)) {
      waitForWork(0, seen);
    }
  }
}

void ThreadPool::leaveWorkersCpu() const {
  const int here = sched_getcpu();
  const bool isTaken =
      std::any_of(workers.begin(), workers.end(), [&](const Worker &worker) {
        return worker.homeCpu && static_cast<int>(*worker.homeCpu) == here;
      });
  cpu_set_t allowed;
  // sched_getaffinity() fails on a machine with more than CPU_SETSIZE CPUs. The
  // scheduler alone then decides on which CPU this thread runs.
  if (!isTaken || sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return;
  }
  cpu_set_t others = allowed;
  for (const Worker &worker : workers) {
    if (worker.homeCpu) {
      CPU_CLR(*worker.homeCpu, &others);
    }
  }
  if (CPU_COUNT(&others) != 0 &&
      sched_setaffinity(0, sizeof others, &others) == 0) {
    (void)sched_setaffinity(0, sizeof allowed, &allowed);
  }
}

bool ThreadPool::work(uint32_t thread) {
  uint64_t ran = 0;
  lendings[thread].beginWork();
  while (std::optional<TileQueue::Claim> claim = queue.claim(thread)) {
    current->run(*claim, thread);
    ran += claim->end - claim->begin;
  }
  if (ran != 0 && queue.finish(ran)) {
    advance();
  }
  lendings[thread].endWork();
  return ran != 0;
}

void ThreadPool::advance() {
  do {
    if (!current->nextPhase(units)) {
      // When walk() observes this store, it returns, and its caller may destroy
      // the object that `current` points to.
      finished.store(true, std::memory_order_release);
      break;
    }
    ahead.store(current->readAhead(), std::memory_order_release);
  } while (queue.open(units, isShared));
  opened.advance();
}

void ThreadPool::prefetchAhead(uint32_t thread, uint32_t seen) {
  const ReadAhead *next = ahead.load(std::memory_order_acquire);
  if (next == nullptr || next->streams.empty()) {
    return;
  }
  Progress &done = progress[thread];
  if (done.of != next) {
    done = {next, 0};
  }
  for (; done.bytes < kAheadBytes / next->streams.size();
       done.bytes += kBytesPerLook) {
    if (opened.value() != seen) {
      return;
    }
    for (const ReadAhead::Stream &stream : next->streams) {
      std::span<const uint8_t> part = next->partOf(stream, thread, threadCount);
      uint64_t end =
          std::min<uint64_t>(part.size(), done.bytes + kBytesPerLook);
      for (uint64_t at = done.bytes; at < end; at += kLineBytes) {
        // A prefetch of any address is harmless.
        __builtin_prefetch(part.data() + at, 0, kIntoL2);
      }
    }
  }
}

void ThreadPool::waitForWork(uint32_t thread, uint32_t seen) {
  if (spins == 0) {
    opened.waitWhile(seen, 0);
    return;
  }
  prefetchAhead(thread, seen);
  if (opened.spinWhile(seen, kSpinsBeforeLending)) {
    return;
  }
  bool lent = lendCpu(seen);
  opened.waitWhile(seen, lent ? 0 : spins);
}

bool ThreadPool::lendCpu(uint32_t seen) {
  for (CpuLending &owner : lendings) {
    if (!owner.isWorking()) {
      continue;
    }
    std::optional<uint64_t> before = owner.cpuNanoseconds();
    if (!before) {
      continue;
    }
    uint64_t start = monotonicNanoseconds();
    if (opened.spinWhile(seen, kObservationSpins)) {
      return false;
    }
    std::optional<uint64_t> after = owner.cpuNanoseconds();
    uint64_t passed = monotonicNanoseconds() - start;
    if (after && *after - *before < passed / 4 && owner.isWorking() &&
        owner.moveToCallersCpu()) {
      return true;
    }
  }
  return false;
}
