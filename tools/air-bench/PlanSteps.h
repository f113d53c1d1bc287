//===- PlanSteps.h - times every dispatch of a plan -------------*- C++ -*-===//
//
// Opens a plan as airrun does and runs passes after a context of random tokens:
// whole ones, and ones whose dispatches are timed one by one, in turns and in
// rounds between which the machine's limits are measured again.
//
// Thread-safety: one thread. Errors: those of rt::Session; DoesNotFit when the
// plan takes no such pass; Unsupported when this machine has no limit for the
// plan's kernels; Internal when something was faster than the limits allow,
// also after these were measured again.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_PLANSTEPS_H
#define AIRPACK_TOOLS_AIR_BENCH_PLANSTEPS_H

#include "tools/air-bench/PlanReport.h"

#include <optional>
#include <string>

namespace air::bench {

struct PlanOptions {
  std::string path;
  uint32_t threads = 0; ///< 0: the plan's, at most one a core
  uint64_t tokens = 1;
  /// None: a small one.
  std::optional<uint64_t> context;
};

struct PlanBench {
  PlanMeasurement measured;
  PlanReport report;
};

Result<PlanBench> benchPlan(const PlanOptions &options);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANSTEPS_H
