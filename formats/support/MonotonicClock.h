//===- MonotonicClock.h - time that only goes forward -----------*- C++ -*-===//
//
// For durations: no date, and no jump when somebody sets the clock. Nothing
// read from it may enter a plan.
//
// Thread-safety: any. Errors: none; Linux always has this clock. Allocates
// nothing.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_MONOTONICCLOCK_H
#define AIRPACK_FORMATS_SUPPORT_MONOTONICCLOCK_H

#include <cstdint>
#include <ctime>

namespace air {

/// Nanoseconds since an unspecified moment, the same for all threads.
inline uint64_t monotonicNanoseconds() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000U +
         static_cast<uint64_t>(time.tv_nsec);
}

/// The same in seconds. A double holds them to a microsecond for centuries.
inline double monotonicSeconds() {
  return static_cast<double>(monotonicNanoseconds()) * 1e-9;
}

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_MONOTONICCLOCK_H
