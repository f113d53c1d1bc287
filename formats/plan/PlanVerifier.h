//===- PlanVerifier.h - every rule a plan must obey -------------*- C++ -*-===//
//
// docs/plan-format.md lists the rules by name. The code is independent of the
// planner: it recomputes sizes, liveness, residency against budget, alignment,
// read order and kernel/ABI match. It returns normally on every FlatBuffer,
// however malformed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANVERIFIER_H
#define AIRPACK_FORMATS_PLAN_PLANVERIFIER_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>

namespace air {

/// Structure only: `bytes` (8-byte aligned) are one plan.fbs FlatBuffer whose
/// offsets all lie inside. A VerificationFailed error names the rule
/// plan.structure.
Status verifyStructure(std::span<const uint8_t> bytes);

/// Every semantic rule of docs/plan-format.md on metadata that has passed
/// verifyStructure; `fileBytes` is the file's size. A VerificationFailed error
/// names the rule. Unsupported when the plan is well-formed but needs something
/// that this version does not have.
Status verifyPlan(const plan::Plan &plan, uint64_t fileBytes,
                  uint64_t pageBytes);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANVERIFIER_H
