//===- PlanSteps.h - times every dispatch of a plan -------------*- C++ -*-===//
//
// Opens a plan as airrun does, fills the context with random tokens, and times
// passes after it. Every round times whole passes and passes dispatch by
// dispatch; the machine's limits are measured between the rounds.
//
// Thread-safety: one thread. Errors: those of rt::Session; DoesNotFit if the
// plan does not allow such a pass; Unsupported if the limit of the plan's
// arithmetic cannot be measured on this machine; Internal if something is
// faster than the limits allow even after they were measured again.
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
  uint32_t threads = 0; ///< 0: as in the plan, at most one per core
  uint64_t tokens = 1;
  /// Tokens in the context before the pass; a small number if absent.
  std::optional<uint64_t> context;
};

struct PlanBench {
  PlanMeasurement measured;
  PlanReport report;
};

Result<PlanBench> benchPlan(const PlanOptions &options);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANSTEPS_H
