//===- Rounds.h - measurements that take turns ------------------*- C++ -*-===//
//
// Other programs use the same memory and the same cores, and the clock
// frequency changes, so two rates are only comparable if they were measured
// under the same conditions. Rounds therefore takes one sample of each
// measurement in turn, again and again, and returns the median of the samples
// of each.
//
// Thread-safety: an object may be used by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_ROUNDS_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_ROUNDS_H

#include "formats/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace air::rt {

class Rounds {
public:
  using Sample = std::function<Result<double>()>;

  /// Adds a measurement and returns its index.
  size_t add(Sample sample);
  /// Calls each measurement once per round, in the order of add(). The first
  /// error ends the rounds and is returned. After `seconds` seconds, no further
  /// round begins, but at least kFewest rounds are always taken.
  Status take(double seconds);
  /// The median (formats/support/Median.h) and the largest of the samples of
  /// measurement `index`; 0 if no samples were taken.
  double median(size_t index) const;
  double largest(size_t index) const;

  static constexpr uint32_t kFewest = 3;

private:
  struct Row {
    Sample sample;
    std::vector<double> taken;
  };
  std::vector<Row> rows;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_ROUNDS_H
