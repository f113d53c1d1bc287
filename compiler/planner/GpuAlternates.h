//===- GpuAlternates.h - placements for less VRAM ---------------*- C++ -*-===//
//
// Other programs may use a part of a GPU's memory. A plan therefore has several
// placements, and airrun uses the first one that fits into what is free.
//
// Thread-safety: pure functions. Errors: those of planGpu().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_GPUALTERNATES_H
#define AIRPACK_COMPILER_PLANNER_GPUALTERNATES_H

#include "compiler/planner/GpuPlan.h"

#include <vector>

namespace air::compiler {

/// Returns the placement of planGpu(), and then one each for 90, 75 and 50 % of
/// the RAM and of the VRAM that the driver leaves. A placement that does not
/// fit, or that is equal to the one before it, is left out. If a limit is not
/// known, there is only one placement.
Result<std::vector<GpuPlacement>> planGpuPlacements(const GpuDemand &demand,
                                                    const GpuLimits &limits);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_GPUALTERNATES_H
