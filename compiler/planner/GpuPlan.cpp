//===- GpuPlan.cpp - memory and speed of a plan for a GPU -----------------===//
#include "compiler/planner/GpuPlan.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
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

/// The RAM that the CPU's layers take. The number of KV pages does not
/// overflow: planVram() has checked it for the GPU's KV cache, which has one
/// page more, for padding.
static std::vector<LedgerItem> cpuItems(const GpuDemand &demand) {
  const CpuPartDemand &cpu = demand.cpu;
  if (cpu.weights == 0) {
    return {};
  }
  const uint64_t pages =
      kvPages(demand.vram.context, demand.vram.slots, demand.vram.kvPageTokens)
          .value_or(UINT64_MAX);
  return {{"weights", cpu.weights},
          {"kv", checkedMul(pages, cpu.kvPageBytes).value_or(UINT64_MAX)},
          {"activations", cpu.activations},
          {"scratch", cpu.scratch},
          {"kernels", cpu.kernels}};
}

Result<GpuPlacement> planGpu(const GpuDemand &demand, const GpuLimits &limits) {
  GpuPlacement placement;
  AIR_ASSIGN_OR_RETURN(placement.vram, planVram(demand.vram, limits.vram));
  placement.ramBudget = limits.ram.bytes;
  AIR_ASSIGN_OR_RETURN(
      placement.ram,
      planGpuHost(demand.process, demand.logits, demand.vram.segments,
                  placement.vram.placement, limits.ram, cpuItems(demand)));
  return placement;
}

void setPlacement(GpuPassBytes &pass, const GpuPlacement &placement) {
  pass.copied = placement.copiedBytes();
  pass.read = placement.readBytes();
  pass.ring = placement.vram.placement.ringBytes;
  pass.ramRing = placement.ram.placement.ringBytes;
}

/// A pass copies `copied` bytes to the GPU, of which `read` bytes come from the
/// disk. These bytes are assumed to be spread evenly over the copies. Returns
/// how many of the first `early` copied bytes come from the disk.
static uint64_t readPart(uint64_t early, uint64_t read, uint64_t copied) {
  return copied == 0
             ? 0
             : static_cast<uint64_t>(static_cast<unsigned __int128>(early) *
                                     read / copied);
}

/// Before the call, `prediction` has the time and the limit of the GPU and its
/// links alone. Replaces them with those of a pass in which the GPU computes
/// after the CPU.
static void predictInTurn(const GpuPassBytes &pass,
                          const MachineProfile &machine,
                          const std::vector<LinkLoad> &ofCpu,
                          PassPrediction &prediction) {
  const GpuProfile &gpu = machine.gpus.front();
  const auto timeOf = [](std::string link, uint64_t bytes, uint64_t rate) {
    return predictPass({{std::move(link), bytes, rate}}).nanoseconds;
  };
  const PassPrediction cpu = predictPass(ofCpu);
  // 0 means that a time is not known. The time of the pass is known only if the
  // times of both devices are.
  if (prediction.nanoseconds == 0 || cpu.nanoseconds == 0) {
    prediction.nanoseconds = 0;
    prediction.limit.clear();
    return;
  }
  const uint64_t early = std::min(pass.ring, pass.copied);
  const uint64_t earlyRead = std::min(
      pass.read, pass.ramRing + readPart(early, pass.read, pass.copied));
  const uint64_t vram = timeOf("vram", pass.weights, gpu.memoryBandwidth);
  const uint64_t copies = timeOf("pcie", pass.copied, gpu.transferBandwidth);
  const uint64_t disk = timeOf("disk", pass.read, machine.diskBandwidth);
  const uint64_t afterCpu = std::max(
      {vram, timeOf("pcie", pass.copied - early, gpu.transferBandwidth),
       timeOf("disk", pass.read - earlyRead, machine.diskBandwidth)});
  prediction.nanoseconds = std::max({cpu.nanoseconds + afterCpu, copies, disk});
  const uint64_t most = std::max({cpu.nanoseconds, vram, copies, disk});
  prediction.limit = most == disk              ? "disk"
                     : most == copies          ? "pcie"
                     : most == cpu.nanoseconds ? cpu.limit
                                               : "vram";
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
  PassPrediction prediction = predictPass(std::move(loads));
  if (pass.onCpu != 0) {
    std::vector<LinkLoad> ofCpu = {
        {"dram", pass.onCpu, machine.memoryBandwidth}};
    if (pass.operands != 0) {
      ofCpu.push_back({"cpu", pass.operands, pass.operandRate});
    }
    predictInTurn(pass, machine, ofCpu, prediction);
    prediction.links.insert(prediction.links.begin() + 1, ofCpu.begin(),
                            ofCpu.end());
  }
  return prediction;
}

} // namespace air::compiler
