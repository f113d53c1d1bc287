//===- GpuPlan.cpp - memory and speed of a plan for a GPU -----------------===//
#include "compiler/planner/GpuPlan.h"

#include <utility>

namespace air::compiler {

uint64_t GpuPlacement::copiedBytes() const {
  uint64_t bytes = 0;
  for (const StreamedRead &copy : vram.placement.copies) {
    bytes += copy.bytes;
  }
  return bytes;
}

Result<GpuPlacement> planGpu(const GpuDemand &demand, const GpuLimits &limits) {
  GpuPlacement placement;
  AIR_ASSIGN_OR_RETURN(placement.vram, planVram(demand.vram, limits.vram));
  placement.ramBudget = limits.ram.bytes;
  AIR_ASSIGN_OR_RETURN(
      placement.ram,
      planGpuHost(demand.process, demand.logits,
                  placement.vram.placement.ramBytes(demand.vram.segments),
                  limits.ram));
  return placement;
}

PassPrediction predictGpuPass(uint64_t weightBytes, uint64_t copiedBytes,
                              const GpuProfile &gpu) {
  std::vector<LinkLoad> loads = {{"vram", weightBytes, gpu.memoryBandwidth}};
  if (copiedBytes != 0) {
    loads.push_back({"pcie", copiedBytes, gpu.transferBandwidth});
  }
  return predictPass(std::move(loads));
}

} // namespace air::compiler
