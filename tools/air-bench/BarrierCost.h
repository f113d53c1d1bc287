//===- BarrierCost.h - what handing over to the next dispatch costs ------===//
//
// A row of dispatches with a barrier between any two, of tiles that only count:
// they touch no memory, and all take the same time. What N threads need for it
// beyond the Nth part of one thread's time is the price of sharing tiles and of
// waiting for the last one.
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
  /// Tiles of a dispatch: as a matrix of 2,048 rows has.
  static constexpr uint64_t kTiles = 128;

  static Result<std::unique_ptr<BarrierCost>> create(uint32_t threads);

  /// Takes one more sample.
  Status sample();
  /// Seconds a dispatch costs beyond its tiles: of the best samples, those in
  /// which nobody else ran. At least 0.
  double seconds() const;

private:
  struct Side {
    std::unique_ptr<rt::CpuDevice> device;
    uint32_t program = 0;
    double best = 0; ///< seconds of one dispatch
  };

  static Result<Side> makeSide(uint32_t threads);
  static Status sample(Side &side);

  Side one;  ///< one thread
  Side many; ///< all
};

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_BARRIERCOST_H
