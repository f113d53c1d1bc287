//===- FatPlan.h - the records of a plan for several targets ----*- C++ -*-===//
//
// A fat plan has a table Plan for each of its targets. What they have in common
// is stored once: the model, the tokenizer, the sources, the sampler settings,
// and each segment that several targets use.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_FATPLAN_H
#define AIRPACK_FORMATS_PLAN_FATPLAN_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace air {

/// The file identifier of the metadata of a fat plan.
inline constexpr const char *kFatPlanIdentifier = "AIRF";

/// The largest number of targets of a plan. All targets may refer to the same
/// tables, so the time to verify a file grows with its size times the number of
/// its targets. For more kinds of machines, airpack --separate makes a plan for
/// each of them.
inline constexpr uint32_t kMaxTargets = 16;

/// Whether `metadata` has the identifier of a fat plan.
bool isFatPlan(std::span<const uint8_t> metadata);

/// Returns the JSON of the machine. Targets are ordered by it, and no two
/// targets of a plan have the same JSON.
std::string targetKey(const plan::Machine &machine);

/// The records that belong to one target only.
struct TargetRecords {
  /// Lacks the model, tokenizer, sources, sampler settings and segments.
  plan::PlanT plan;
  /// The target's segments as indices into the segments of the file, ascending.
  std::vector<uint32_t> segments;
};

/// Names a segment of one of the plans that joinTargets() joins.
struct SegmentOrigin {
  uint32_t plan = 0;    ///< an index into the joined plans
  uint32_t segment = 0; ///< an index into the segments of that plan
};

struct FatRecords {
  /// What the targets share, including all segments of the file.
  plan::PlanT shared;
  std::vector<TargetRecords> targets; ///< in the order of targetKey()
  /// For each segment of the file: an equal segment of one of the joined plans.
  std::vector<SegmentOrigin> origins;
};

/// Joins plans for different targets. `contents` has an id for each segment of
/// each plan; the ids within a plan are unique. Segments with the same id have
/// the same name, kind, codec and bytes. The file stores such segments once,
/// unless this would change the order of the segments of some plan: the
/// segments of each plan keep their order. The result does not depend on the
/// order of the plans, except for `origins`.
///
/// Errors: Usage if there are fewer than 2 or more than kMaxTargets plans, if
/// two have the same target, if they are not plans of one model, or if they
/// differ in --weightless or --reference. Unless their number is wrong, the
/// message names targets.
Result<FatRecords>
joinTargets(std::vector<plan::PlanT> plans,
            const std::vector<std::vector<uint64_t>> &contents);

/// Encodes the metadata of a fat plan as encodeMetadata() encodes that of an
/// ordinary plan.
Result<std::vector<uint8_t>>
encodeFatMetadata(const plan::PlanT &shared,
                  std::span<const TargetRecords> targets);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_FATPLAN_H
