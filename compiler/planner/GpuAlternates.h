//===- GpuAlternates.h - placements for less memory -------------*- C++ -*-===//
//
// Other programs may use a part of a GPU's memory, or of RAM. A plan therefore
// has several placements, and airrun uses the first one that fits into what is
// free.
//
// Thread-safety: pure functions. Errors: those of planGpu().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_GPUALTERNATES_H
#define AIRPACK_COMPILER_PLANNER_GPUALTERNATES_H

#include "compiler/planner/GpuPlan.h"

#include <vector>

namespace air::compiler {

/// Returns the placement of planGpu(), and then placements for 90, 75 and 50 %
/// of the VRAM that the driver leaves. For each of these sizes of VRAM, the
/// placement for all of the RAM comes first, and then those for 75 and 50 % of
/// it. A placement that does not fit, or that is equal to an earlier one, is
/// left out. If the size of the VRAM or of the RAM is not known, there are no
/// placements for fractions of it.
Result<std::vector<GpuPlacement>> planGpuPlacements(const GpuDemand &demand,
                                                    const GpuLimits &limits);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_GPUALTERNATES_H
