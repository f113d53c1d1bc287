//===- ThreadPool.cpp - pinned threads and their barrier --------*- C++ -*-===//
#include "runtime/hal/cpu/ThreadPool.h"

#include "runtime/hal/cpu/CpuTopology.h"

#include <algorithm>
#include <cstring>
#include <sched.h>

using namespace air;
using namespace air::rt;

namespace {

// Some 50 to 200 microseconds of `pause`, by the core: longer than the gap
// between two kernels, shorter than anyone notices on an idle machine.
constexpr uint32_t kSpins = 4096;

void pinThread(pthread_t handle, uint32_t cpu) {
  cpu_set_t *mask = CPU_ALLOC(cpu + 1);
  size_t bytes = CPU_ALLOC_SIZE(cpu + 1);
  CPU_ZERO_S(bytes, mask);
  CPU_SET_S(cpu, bytes, mask);
  // A refusal leaves the thread to the scheduler: slower, not wrong.
  (void)pthread_setaffinity_np(handle, bytes, mask);
  CPU_FREE(mask);
}

} // namespace

TileRange air::rt::tilesOfThread(uint64_t tiles, uint32_t thread,
                                 uint32_t threads) {
  uint64_t share = tiles / threads;
  uint64_t extra = tiles % threads;
  uint64_t begin = thread * share + std::min<uint64_t>(thread, extra);
  return {begin, begin + share + (thread < extra ? 1 : 0)};
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(uint32_t threads) {
  if (threads == 0 || threads > kMaxThreads) {
    return usageError("threads: " + std::to_string(threads) +
                      " asked for, between 1 and " +
                      std::to_string(kMaxThreads) + " are possible");
  }
  CpuTopology topology = cpuTopology();
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  pool->spins = threads <= topology.cpus.size() ? kSpins : 0;
  bool pin = threads >= topology.cores && threads <= topology.cpus.size();
  // Workers keep their Worker's address.
  pool->workers.resize(threads - 1);
  for (uint32_t thread = 1; thread < threads; ++thread) {
    Worker &worker = pool->workers[thread - 1];
    worker.pool = pool.get();
    worker.thread = thread;
    int error = pthread_create(&worker.handle, nullptr, workerMain, &worker);
    if (error != 0) {
      pool->workers.resize(thread - 1);
      return ioError("threads: the system gave " + std::to_string(thread) +
                     " of " + std::to_string(threads) + " (" +
                     std::strerror(error) + "); ask for fewer with --threads");
    }
    pool->threadCount = thread + 1;
    if (pin) {
      pinThread(worker.handle, topology.cpus[thread]);
    }
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping = true;
  started.advance();
  for (Worker &worker : workers) {
    pthread_join(worker.handle, nullptr);
  }
}

void *ThreadPool::workerMain(void *argument) {
  auto *worker = static_cast<Worker *>(argument);
  ThreadPool &pool = *worker->pool;
  // Jobs are counted from 0: a worker that starts late still runs the first.
  for (uint32_t seen = 0;; ++seen) {
    pool.started.waitWhile(seen, pool.spins);
    if (pool.stopping) {
      return nullptr;
    }
    pool.currentJob(pool.currentContext, worker->thread);
    pool.barrier();
  }
}

void ThreadPool::run(Job job, void *context) {
  if (threadCount == 1) {
    job(context, 0);
    return;
  }
  currentJob = job;
  currentContext = context;
  started.advance();
  job(context, 0);
  barrier();
}

void ThreadPool::barrier() {
  if (threadCount == 1) {
    return;
  }
  uint32_t seen = passed.value();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threadCount) {
    arrived.store(0, std::memory_order_relaxed);
    passed.advance();
  } else {
    passed.waitWhile(seen, spins);
  }
}
