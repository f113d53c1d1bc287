//===- PlanSteps.h - times every dispatch of a plan -------------*- C++ -*-===//
//
// Opens a plan as airrun does, fills the context with random tokens, and then
// times passes that continue it. In every round, some passes are timed as a
// whole and others dispatch by dispatch. The machine's limits are measured
// before each round, after the last round, and before and after each timed
// pass.
//
// Thread-safety: call benchPlan from one thread at a time. Errors: those of
// rt::Session and rt::CpuDevice; DoesNotFit if the plan does not allow a pass
// of the requested size; Unsupported if the limit of the plan's arithmetic
// cannot be measured on this machine; Internal if something is faster than the
// limits allow even after they were measured again.
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
  uint32_t threads = 0; ///< 0 means the default of rt::SessionOptions
  uint64_t tokens = 1;
  /// The number of tokens in the context before the pass. If it is absent,
  /// benchPlan uses 64, or fewer if the plan's context is too short.
  std::optional<uint64_t> context;
  uint32_t rounds = 5;
};

struct PlanBench {
  PlanMeasurement measured;
  PlanReport report;
};

Result<PlanBench> benchPlan(const PlanOptions &options);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANSTEPS_H
