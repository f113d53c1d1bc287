//===- GpuAlternates.cpp - placements for less memory ---------------------===//
#include "compiler/planner/GpuAlternates.h"

#include <algorithm>
#include <utility>

namespace air::compiler {
namespace {

/// A percentage of a limit. The limit is divided before it is multiplied,
/// because the product could overflow.
uint64_t shareOf(uint64_t bytes, uint64_t percent) {
  return percent == 100 ? bytes : bytes / 100 * percent;
}

bool isSame(const GpuPlacement &a, const GpuPlacement &b) {
  const DevicePlacement &device = a.vram.placement;
  const HostPlacement &host = a.ram.placement;
  return device.isCopied == b.vram.placement.isCopied &&
         device.ringBytes == b.vram.placement.ringBytes &&
         host.isRead == b.ram.placement.isRead &&
         host.ringBytes == b.ram.placement.ringBytes;
}

} // namespace

Result<std::vector<GpuPlacement>> planGpuPlacements(const GpuDemand &demand,
                                                    const GpuLimits &limits) {
  std::vector<GpuPlacement> placements;
  AIR_ASSIGN_OR_RETURN(placements.emplace_back(), planGpu(demand, limits));
  const uint64_t budget = placements.front().vram.budget;
  for (const uint64_t vram : {100, 90, 75, 50}) {
    for (const uint64_t ram : {100, 75, 50}) {
      if ((vram != 100 && budget == 0) ||
          (ram != 100 && limits.ram.bytes == 0)) {
        continue;
      }
      GpuLimits less = limits;
      if (vram != 100) {
        less.vram.bytes = kDriverBytes + shareOf(budget, vram);
      }
      less.ram.bytes = shareOf(limits.ram.bytes, ram);
      Result<GpuPlacement> placement = planGpu(demand, less);
      if (!placement) {
        if (placement.status().code() != ErrorCode::DoesNotFit) {
          return placement.status();
        }
        if (ram == 100) {
          // This VRAM is too small even with all of the RAM, so the smaller
          // sizes of VRAM are too small as well.
          return placements;
        }
        break;
      }
      if (std::none_of(placements.begin(), placements.end(),
                       [&](const GpuPlacement &earlier) {
                         return isSame(earlier, *placement);
                       })) {
        placements.push_back(*std::move(placement));
      }
    }
  }
  return placements;
}

} // namespace air::compiler
