//===- GpuPlan.cpp - memory and speed of a plan for a GPU -----------------===//
#include "compiler/planner/GpuPlan.h"

#include <utility>

namespace air::compiler {

static uint64_t sumOf(const std::vector<StreamedRead> &reads) {
  uint64_t bytes = 0;
  for (const StreamedRead &read : reads) {
    bytes += read.bytes;
  }
  return bytes;
}

uint64_t GpuPlacement::copiedBytes() const {
  return sumOf(vram.placement.copies);
}

uint64_t GpuPlacement::readBytes() const { return sumOf(ram.placement.reads); }

Result<GpuPlacement> planGpu(const GpuDemand &demand, const GpuLimits &limits) {
  GpuPlacement placement;
  AIR_ASSIGN_OR_RETURN(placement.vram, planVram(demand.vram, limits.vram));
  placement.ramBudget = limits.ram.bytes;
  AIR_ASSIGN_OR_RETURN(placement.ram,
                       planGpuHost(demand.process, demand.logits,
                                   demand.vram.segments,
                                   placement.vram.placement, limits.ram));
  return placement;
}

PassPrediction predictGpuPass(const GpuPassBytes &pass,
                              const MachineProfile &machine) {
  const GpuProfile &gpu = machine.gpus.front();
  std::vector<LinkLoad> loads = {{"vram", pass.weights, gpu.memoryBandwidth}};
  if (pass.copied != 0) {
    loads.push_back({"pcie", pass.copied, gpu.transferBandwidth});
  }
  if (pass.read != 0) {
    loads.push_back({"disk", pass.read, machine.diskBandwidth});
  }
  return predictPass(std::move(loads));
}

} // namespace air::compiler
