//===- CpuLayers.cpp - tries all numbers of layers on the CPU -------------===//
#include "compiler/planner/CpuLayers.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>

namespace air::compiler {
namespace {

/// The estimate for a plan with a certain number of layers on the CPU.
struct Candidate {
  GpuDemand demand;
  GpuPassBytes pass;
};

/// Returns the demand and the pass of a plan with `layers` layers on the CPU,
/// derived from those in `problem`, which are for 1 layer on the CPU. The
/// caller must then call setPlacement() on the returned pass.
Candidate candidateWith(const CpuLayerProblem &problem, uint64_t layers) {
  Candidate made = {problem.demand, problem.pass};
  VramDemand &vram = made.demand.vram;
  std::vector<WeightSegment> kept;
  uint64_t moved = 0;
  for (size_t i = 0; i < problem.layerOf.size(); ++i) {
    const WeightSegment &segment = problem.demand.vram.segments.weights[i];
    const int64_t layer = problem.layerOf[i];
    if (layer >= 0 && static_cast<uint64_t>(layer) < layers) {
      moved += segment.bytes;
      vram.weights -= alignUp(segment.bytes, kDeviceAlignment);
    } else {
      kept.push_back(segment);
    }
  }
  vram.segments.weights = std::move(kept);
  CpuPartDemand &cpu = made.demand.cpu;
  cpu.weights += moved;
  // All layers have caches of the same size.
  cpu.kvPageBytes *= layers;
  vram.kvPageBytes =
      vram.kvPageBytes / (problem.layers - 1) * (problem.layers - layers);
  // The arithmetic of the CPU is proportional to the weights that it reads.
  if (problem.pass.onCpu != 0) {
    const double share =
        static_cast<double>(moved) / static_cast<double>(problem.pass.onCpu);
    made.pass.operands +=
        static_cast<uint64_t>(static_cast<double>(made.pass.operands) * share);
  }
  made.pass.onCpu += moved;
  made.pass.weights -= std::min(made.pass.weights, moved);
  return made;
}

} // namespace

std::optional<CpuLayerChoice> chooseCpuLayers(const CpuLayerProblem &problem,
                                              const MachineProfile &machine) {
  std::optional<CpuLayerChoice> best;
  for (uint64_t layers = 1; layers < problem.layers; ++layers) {
    Candidate candidate = candidateWith(problem, layers);
    const Result<GpuPlacement> placement =
        planGpu(candidate.demand, problem.limits);
    if (!placement) {
      continue;
    }
    setPlacement(candidate.pass, *placement);
    PassPrediction prediction = predictGpuPass(candidate.pass, machine);
    const uint64_t least = best ? best->prediction.nanoseconds : 0;
    if (!best || (prediction.nanoseconds != 0 &&
                  (least == 0 || prediction.nanoseconds < least))) {
      best = {layers, std::move(prediction)};
    }
  }
  return best;
}

} // namespace air::compiler
