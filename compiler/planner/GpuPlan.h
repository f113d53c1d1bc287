//===- GpuPlan.h - memory and speed of a plan for a GPU ---------*- C++ -*-===//
//
// With these functions, airpack computes the placement and the prediction of a
// plan for a GPU. `airpack --explain` reports their results, so its numbers are
// those of the plan that the same options give.
//
// Thread-safety: pure functions. Errors: those of planVram() and planGpuHost().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_GPUPLAN_H
#define AIRPACK_COMPILER_PLANNER_GPUPLAN_H

#include "compiler/planner/Budget.h"
#include "compiler/planner/CostModel.h"
#include "formats/machine/MachineProfile.h"

#include <cstdint>
#include <vector>

namespace air::compiler {

/// The VRAM and the RAM that a plan for a GPU needs, in bytes.
struct GpuDemand {
  VramDemand vram;
  CpuPartDemand cpu;
  uint64_t process = 0; ///< see processBytes()
  uint64_t logits = 0;  ///< page-locked memory for the logits of a batch
};

struct GpuLimits {
  VramLimit vram;
  RamLimit ram;
};

/// A placement of the weights, and the ledgers of VRAM and RAM.
struct GpuPlacement {
  VramLedger vram;
  uint64_t ramBudget = 0; ///< the limit on the sum of ram.items; 0 = none
  GpuHostLedger ram;

  /// The bytes that each pass copies from RAM to the GPU.
  uint64_t copiedBytes() const;
  /// The bytes that each pass reads from the disk to RAM.
  uint64_t readBytes() const;
};

/// Places everything in VRAM, except for weights that do not fit. These stay in
/// RAM, and each pass copies them to the GPU. Weights that fit in neither VRAM
/// nor RAM are read from the disk in every pass.
Result<GpuPlacement> planGpu(const GpuDemand &demand, const GpuLimits &limits);

/// The bytes that a pass of a plan for a GPU moves.
struct GpuPassBytes {
  uint64_t weights = 0; ///< read from the memory of the GPU
  uint64_t copied = 0;  ///< copied from RAM to the GPU
  uint64_t read = 0;    ///< read from the disk to RAM
  uint64_t onCpu = 0;   ///< read from RAM by kernels of the CPU
  /// The arithmetic of the kernels of the CPU, in bytes of vector operands, and
  /// how many of these bytes all cores process per second; 0 if not known.
  uint64_t operands = 0;
  uint64_t operandRate = 0;
  uint64_t ring = 0;    ///< size of the ring in VRAM, for copies
  uint64_t ramRing = 0; ///< size of the ring in RAM, for reads from the disk
};

/// Sets the members of `pass` that depend on where the weights of the GPU are:
/// `copied`, `read` and the sizes of the rings.
void setPlacement(GpuPassBytes &pass, const GpuPlacement &placement);

/// Predicts a pass on the only GPU of a machine. If the CPU computes some
/// layers, the CPU and the GPU work in turn, so their times are added. While
/// the CPU works, no kernel of the GPU frees a place in the ring in VRAM, so
/// copies can only fill the ring in VRAM once. During this time, reads from the
/// disk can fill the ring in RAM once, and then refill the places that these
/// copies have freed in it. All other copies and reads follow while the GPU
/// works. A pass takes at least as long as all copies together, and at least as
/// long as all reads together.
PassPrediction predictGpuPass(const GpuPassBytes &pass,
                              const MachineProfile &machine);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_GPUPLAN_H
