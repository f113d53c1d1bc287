//===- MonotonicClock.h - time that only goes forward -----------*- C++ -*-===//
//
// This clock measures durations. It has no date, and does not jump when the
// system's time is set. None of its values may enter a plan, because the same
// inputs must produce the same bytes.
//
// Thread-safety: callable from any thread. Errors: none; Linux always has this
// clock. It allocates nothing.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_MONOTONICCLOCK_H
#define AIRPACK_FORMATS_SUPPORT_MONOTONICCLOCK_H

#include <cstdint>
#include <ctime>

namespace air {

/// Returns the nanoseconds since an unspecified moment that is the same for all
/// threads.
inline uint64_t monotonicNanoseconds() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000U +
         static_cast<uint64_t>(time.tv_nsec);
}

/// Returns the seconds since the same moment as monotonicNanoseconds(). They
/// are exact to a microsecond if that moment is less than a century ago.
inline double monotonicSeconds() {
  return static_cast<double>(monotonicNanoseconds()) * 1e-9;
}

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_MONOTONICCLOCK_H
