//===- BarrierCost.cpp - times dispatches of equal tiles ------------------===//
#include "runtime/hal/cpu/probe/BarrierCost.h"

#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <vector>

namespace air::rt {
namespace {

/// Dispatches per sample. A sample takes only one or two milliseconds, so that
/// other processes do not disturb every sample.
constexpr uint32_t kDispatches = 256;
/// The number of multiplications per tile. Each is followed by an addition and
/// depends on the result of the previous one. A multiplication and an addition
/// take about 4 cycles, so a tile takes about 160 cycles, or 50 ns at 3.2 GHz.
/// With longer tiles, changes of the clock frequency would change the time of
/// the tiles by more than the overhead that is measured.
constexpr uint32_t kMultiplications = 40;

void count(const AirDispatch *, uint64_t begin, uint64_t end, void *) {
  for (uint64_t tile = begin; tile < end; ++tile) {
    uint64_t value = tile;
    for (uint32_t i = 0; i < kMultiplications; ++i) {
      value = value * 6364136223846793005U + 1;
      // This statement keeps the compiler from computing the result in closed
      // form.
      asm volatile("" : "+r"(value));
    }
  }
}

} // namespace

Result<BarrierCost::Side> BarrierCost::makeSide(uint32_t threads) {
  Side side;
  AIR_ASSIGN_OR_RETURN(side.device, CpuDevice::create(threads));
  const AirKernelFn function = count;
  DispatchDesc dispatch;
  dispatch.executable = side.device->addFunctions({&function, 1});
  dispatch.grid = {kTiles, 0, GridRows::Tokens};
  const std::vector<DispatchDesc> row(kDispatches, dispatch);
  AIR_ASSIGN_OR_RETURN(side.program, side.device->addProgram(row));
  return side;
}

Result<std::unique_ptr<BarrierCost>> BarrierCost::create(uint32_t threads) {
  std::unique_ptr<BarrierCost> made(new BarrierCost);
  AIR_ASSIGN_OR_RETURN(made->one, makeSide(1));
  AIR_ASSIGN_OR_RETURN(made->many, makeSide(threads));
  return made;
}

Status BarrierCost::sample(Side &side) {
  AirBatch batch = {};
  batch.tokens = 1;
  const double start = monotonicSeconds();
  AIR_RETURN_IF_ERROR(side.device->run(side.program, 0, kDispatches, batch));
  const double seconds = (monotonicSeconds() - start) / kDispatches;
  side.best = side.best > 0 ? std::min(side.best, seconds) : seconds;
  return Status::ok();
}

Status BarrierCost::sample() {
  AIR_RETURN_IF_ERROR(sample(one));
  return sample(many);
}

double BarrierCost::seconds() const {
  return std::max(0.0,
                  many.best - one.best / many.device->threadPool().threads());
}

} // namespace air::rt
