//===- GpuAlternates.cpp - placements for less VRAM -----------------------===//
#include "compiler/planner/GpuAlternates.h"

#include <utility>

namespace air::compiler {

Result<std::vector<GpuPlacement>> planGpuPlacements(const GpuDemand &demand,
                                                    const GpuLimits &limits) {
  std::vector<GpuPlacement> placements;
  AIR_ASSIGN_OR_RETURN(placements.emplace_back(), planGpu(demand, limits));
  const uint64_t budget = placements.front().vram.budget;
  if (budget == 0 || limits.ram.bytes == 0) {
    return placements;
  }
  for (const uint64_t percent : {90, 75, 50}) {
    GpuLimits less = limits;
    // The budgets are divided before they are multiplied, because the products
    // could overflow.
    less.vram.bytes = kDriverBytes + budget / 100 * percent;
    less.ram.bytes = limits.ram.bytes / 100 * percent;
    Result<GpuPlacement> placement = planGpu(demand, less);
    if (!placement) {
      // A placement for even less memory would not fit either.
      if (placement.status().code() == ErrorCode::DoesNotFit) {
        break;
      }
      return placement.status();
    }
    const DevicePlacement &last = placements.back().vram.placement;
    const DevicePlacement &next = placement->vram.placement;
    if (last.isCopied != next.isCopied || last.ringBytes != next.ringBytes) {
      placements.push_back(*std::move(placement));
    }
  }
  return placements;
}

} // namespace air::compiler
