//===- PlanCases.h - small plans that break a rule --------------*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_PLANCASES_H
#define AIRPACK_TEST_FORMATS_PLAN_PLANCASES_H

#include "SmallPlan.h"

#include "formats/support/Status.h"

#include <functional>
#include <vector>

namespace air::test {

using Change = std::function<void(SmallPlan &)>;

/// A change to the small plan that breaks a rule, and the error that it causes.
struct Case {
  const char *rule;
  Change breakIt;
  ErrorCode code = ErrorCode::VerificationFailed;
};

/// Turns `change`, which modifies a PlanT, into a Change, which modifies a
/// SmallPlan.
template <typename F> Change in(F change) {
  return [change](SmallPlan &small) { change(small.plan); };
}

inline plan::DispatchT &dispatchOf(plan::PlanT &p, uint32_t program,
                                   uint32_t step, uint32_t dispatch = 0) {
  return *p.programs[program]->steps[step]->dispatches[dispatch];
}
inline plan::BindingT &bindingOf(plan::PlanT &p, uint32_t step,
                                 uint32_t dispatch, uint32_t binding) {
  return *dispatchOf(p, 0, step, dispatch).bindings[binding];
}

using P = plan::PlanT;

/// Changes that break a rule for buffers, and changes that break none.
std::vector<Case> bufferCases();
std::vector<Change> validBuffers();

/// Gives the plan a pipeline with a normalizing and a splitting step.
void addPipeline(plan::PlanT &p);

/// Changes that break a rule for pipelines.
std::vector<Case> pipelineCases();

/// Changes that break a rule for placements, and changes that break none.
std::vector<Case> placementCases();
std::vector<Change> validPlacements();

/// Divides the output head into two steps, each of which computes one of the
/// two row tiles of the matrix of 40 rows. The second tile has 8 rows.
void splitHead(plan::PlanT &p);

/// Changes that break a rule for divided steps, and changes that break none.
std::vector<Case> partCases();
std::vector<Change> validParts();

/// Changes that break a rule for reference plans, and changes that break none.
std::vector<Case> referenceCases();
std::vector<Change> validReferences();

/// Changes that break a rule for caches, and changes that break none.
std::vector<Case> cacheCases();
std::vector<Change> validCaches();

/// Changes that break a rule for plans with a GPU, and changes that break none.
std::vector<Case> deviceCases();
std::vector<Change> validDevices();

/// Changes that break a rule for plans that run on the CPU and a GPU, and
/// changes that break none.
std::vector<Case> splitCases();
std::vector<Change> validSplits();

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_PLANCASES_H
