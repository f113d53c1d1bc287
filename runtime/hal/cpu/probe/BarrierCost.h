//===- BarrierCost.h - the overhead of a dispatch -------------------------===//
//
// Runs a sequence of dispatches with a barrier after each. Their tiles touch no
// memory, and all tiles take the same time. The time on N threads minus 1/N of
// the time on one thread is the overhead of distributing the tiles and of
// waiting at the barriers.
//
// Thread-safety: an object may be used by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_BARRIERCOST_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_BARRIERCOST_H

#include "runtime/hal/cpu/CpuDevice.h"

#include <memory>

namespace air::rt {

class BarrierCost {
public:
  /// Tiles per dispatch: the number that a matmul with 2,048 rows of weights
  /// has if its tiles have 16 rows.
  static constexpr uint64_t kTiles = 128;

  static Result<std::unique_ptr<BarrierCost>> create(uint32_t threads);

  /// Takes one more sample on one thread and one more on all threads.
  Status sample();
  /// The overhead per dispatch in seconds, at least 0. It is computed from the
  /// fastest samples, because other processes disturbed those the least.
  double seconds() const;

private:
  struct Side {
    std::unique_ptr<CpuDevice> device;
    uint32_t program = 0;
    double best = 0; ///< seconds per dispatch in the fastest sample
  };

  static Result<Side> makeSide(uint32_t threads);
  static Status sample(Side &side);

  Side one;  ///< uses one thread
  Side many; ///< uses all threads
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_BARRIERCOST_H
