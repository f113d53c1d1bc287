//===- PlanVerifier.h - every rule a plan must obey -------------*- C++ -*-===//
//
// docs/plan-format.md lists the rules by name. The code is independent of the
// planner: it recomputes sizes and the liveness of buffers, follows what each
// read overwrites in the ring, and checks alignment, the order of reads, the
// ABI version of the kernels, and memory use against the budgets. It returns
// normally for every FlatBuffer, however malformed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANVERIFIER_H
#define AIRPACK_FORMATS_PLAN_PLANVERIFIER_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air {

/// Checks only the structure: `bytes`, which must be 8-byte aligned, are one
/// FlatBuffer of the schema plan.fbs with the root Plan or FatPlan, and no
/// offset leads outside of them. A VerificationFailed error names the rule
/// plan.structure.
Status verifyStructure(std::span<const uint8_t> bytes);

/// Checks every semantic rule of docs/plan-format.md on metadata that has
/// passed verifyStructure(). `fileBytes` is the size of the file, and
/// `pageBytes` the size of a page. A VerificationFailed error names the rule.
Status verifyPlan(const plan::Plan &plan, uint64_t fileBytes,
                  uint64_t pageBytes);

/// Does what verifyPlan() does, for all targets of a fat plan. The message
/// names the target that breaks a rule.
Status verifyFatPlan(const plan::FatPlan &plan, uint64_t fileBytes,
                     uint64_t pageBytes);

/// Calls verifyStructure(), and then verifyPlan() or verifyFatPlan().
Status verifyMetadata(std::span<const uint8_t> bytes, uint64_t fileBytes,
                      uint64_t pageBytes);

/// Returns the Plan tables of metadata that has passed verifyMetadata(): one,
/// or in a fat plan one for each target. They point into `bytes`.
std::vector<const plan::Plan *> targetsIn(std::span<const uint8_t> bytes);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANVERIFIER_H
