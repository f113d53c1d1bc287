//===- BarrierCost.h - the overhead of a dispatch -------------------------===//
//
// Runs a sequence of dispatches with barriers between them, whose tiles touch
// no memory and all take the same time. The time on N threads minus 1/N of the
// time on one thread is the overhead of sharing tiles and waiting at the
// barriers.
//
// Thread-safety: one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_BARRIERCOST_H
#define AIRPACK_TOOLS_AIR_BENCH_BARRIERCOST_H

#include "runtime/hal/cpu/CpuDevice.h"

#include <memory>

namespace air::bench {

class BarrierCost {
public:
  /// Tiles per dispatch: the number of tiles of a matrix of 2,048 rows.
  static constexpr uint64_t kTiles = 128;

  static Result<std::unique_ptr<BarrierCost>> create(uint32_t threads);

  /// Takes one more sample.
  Status sample();
  /// Overhead per dispatch in seconds, from the best samples, which other
  /// processes did not disturb. At least 0.
  double seconds() const;

private:
  struct Side {
    std::unique_ptr<rt::CpuDevice> device;
    uint32_t program = 0;
    double best = 0; ///< seconds per dispatch
  };

  static Result<Side> makeSide(uint32_t threads);
  static Status sample(Side &side);

  Side one;  ///< one thread
  Side many; ///< all threads
};

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_BARRIERCOST_H
