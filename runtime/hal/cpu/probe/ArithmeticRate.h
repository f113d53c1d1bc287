//===- ArithmeticRate.h - how fast all cores compute ------------*- C++ -*-===//
//
// Runs a loop of ArithmeticLoops.h on all threads of a pool.
//
// Ownership: the pool must outlive the object. Thread-safety: one caller at a
// time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICRATE_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICRATE_H

#include "runtime/hal/cpu/ThreadPool.h"
#include "runtime/hal/cpu/probe/ArithmeticLoops.h"

namespace air::rt {

class ArithmeticRate {
public:
  ArithmeticRate(ThreadPool &threads, ArithmeticLoop toRun)
      : pool(&threads), loop(toRun) {}

  /// Returns the operations per second that all threads together execute, from
  /// one sample of at least two milliseconds. A multiplication and an addition
  /// are two operations.
  double sample();

private:
  ThreadPool *pool;
  ArithmeticLoop loop;
  uint64_t turns = 4096; ///< iterations of each thread in a sample
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICRATE_H
