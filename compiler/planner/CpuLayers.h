//===- CpuLayers.h - how many layers the CPU computes -----------*- C++ -*-===//
//
// If VRAM is too small for a model, each pass copies weights to the GPU, or the
// CPU computes the first layers, whose weights stay in RAM. This file chooses
// the number of these layers by the predicted time of a decode pass.
//
// Decoding one token reads every weight once. The CPU reads it from RAM, and a
// copy brings it over PCIe, which is slower on most computers. All numbers of
// layers are tried, because the time of a pass may have several minima: the CPU
// and the GPU work in turn, but some copies are made while the CPU works.
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
  /// The layer of each segment of weights in demand.vram.segments; -1 for those
  /// outside the layers.
  std::vector<int64_t> layerOf;
  uint64_t layers = 0; ///< of the model
  /// A decode pass. The members that setPlacement() sets are ignored.
  GpuPassBytes pass;
};

struct CpuLayerChoice {
  uint64_t layers = 0; ///< at least 1
  /// Of a decode pass with `layers` layers on the CPU. The time is known
  /// (nanoseconds is not 0) if it is known for at least one number of layers
  /// that fits.
  PassPrediction prediction;
};

/// Returns the number of layers on the CPU with which a decode pass is
/// predicted to be fastest. If several numbers are equally good, returns the
/// smallest. The weights of further layers are assumed to take as many bytes on
/// the CPU as on the GPU. If no time is known, because the machine does not
/// state a rate, returns the smallest number of layers that fits. Returns
/// nothing if none fits into VRAM and RAM.
std::optional<CpuLayerChoice> chooseCpuLayers(const CpuLayerProblem &problem,
                                              const MachineProfile &machine);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_CPULAYERS_H
