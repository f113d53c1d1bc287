//===- CpuLayers.h - how many layers the CPU computes -----------*- C++ -*-===//
//
// If VRAM is too small for a model, each pass copies weights to the GPU, or the
// CPU computes the first layers, whose weights stay in RAM. This file chooses
// the number of these layers by the predicted time of a decode pass.
//
// Decoding one token reads every weight once. The CPU reads the weights of its
// layers from RAM. Weights that are copied to the GPU pass over PCIe, which is
// slower than RAM on most computers. The CPU and the GPU work in turn, so their
// times add up, but copies that are made while the CPU works take no additional
// time. As a function of the number of layers, the time of a pass may therefore
// have several local minima, so all numbers are tried.
//
// Thread-safety: pure functions. Errors: none.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_CPULAYERS_H
#define AIRPACK_COMPILER_PLANNER_CPULAYERS_H

#include "compiler/planner/GpuPlan.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace air::compiler {

/// What is known about a plan in which the CPU computes the embedding and one
/// layer.
struct CpuLayerProblem {
  GpuDemand demand;
  GpuLimits limits;
  /// The layer of each segment of weights in demand.vram.segments; -1 for a
  /// segment that belongs to no layer.
  std::vector<int64_t> layerOf;
  uint64_t layers = 0; ///< number of layers of the model
  /// What a decode pass of this plan moves. The members that setPlacement()
  /// sets are ignored.
  GpuPassBytes pass;
};

struct CpuLayerChoice {
  uint64_t layers = 0; ///< number of layers on the CPU; at least 1
  /// The prediction for a decode pass with `layers` layers on the CPU. Its time
  /// is known (nanoseconds is not 0) if the time is known for at least one
  /// number of layers that fits.
  PassPrediction prediction;
};

/// Returns the number of layers on the CPU with which a decode pass is
/// predicted to be fastest. If several numbers are equally good, returns the
/// smallest. A layer that moves from the GPU to the CPU is assumed to take as
/// many bytes of weights there as on the GPU. If no time is known, because
/// `machine` does not state a rate, returns the smallest number of layers that
/// fits. Returns nothing if no number of layers fits into VRAM and RAM.
std::optional<CpuLayerChoice> chooseCpuLayers(const CpuLayerProblem &problem,
                                              const MachineProfile &machine);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_CPULAYERS_H
