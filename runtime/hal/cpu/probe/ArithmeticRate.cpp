//===- ArithmeticRate.cpp - how fast all cores compute --------------------===//
#include "runtime/hal/cpu/probe/ArithmeticRate.h"

#include "formats/support/MonotonicClock.h"

#include <atomic>

namespace air::rt {
namespace {

/// The least duration of a sample. It is long compared with the time that
/// threads take to wake up, and short enough for many samples.
constexpr double kSampleSeconds = 2e-3;

struct Job {
  ArithmeticLoop loop = nullptr;
  uint64_t turns = 0;
  std::atomic<uint64_t> products{0};

  static void run(void *context, uint32_t) {
    auto &job = *static_cast<Job *>(context);
    job.products.fetch_add(job.loop(job.turns), std::memory_order_relaxed);
  }
};

} // namespace

double ArithmeticRate::sample() {
  while (true) {
    Job job;
    job.loop = loop;
    job.turns = turns;
    const double start = monotonicSeconds();
    pool->run(Job::run, &job);
    const double seconds = monotonicSeconds() - start;
    if (seconds >= kSampleSeconds || turns >= kMostTurns) {
      return 2 * static_cast<double>(job.products) / seconds;
    }
    turns *= 2;
  }
}

} // namespace air::rt
