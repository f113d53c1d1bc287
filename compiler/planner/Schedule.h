//===- Schedule.h - in which order a pass needs its segments ----*- C++ -*-===//
//
// Segments lie in the file in the order in which a pass first needs them, so
// that the first pass reads the file once, forwards. The read schedule says the
// same order to the runtime, and before which step each segment must be there.
//
// Thread-safety: pure. Errors: Internal when a step names a segment that does
// not exist or a segment is never used.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_SCHEDULE_H
#define AIRPACK_COMPILER_PLANNER_SCHEDULE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::compiler {

struct ScheduledRead {
  uint32_t segment = 0;
  uint32_t firstStep = 0; ///< of the first program
  bool operator==(const ScheduledRead &) const = default;
};

/// `stepSegments[i]` are the segments that step i of the first program reads,
/// in binding order. Returns each segment once, by first use.
Result<std::vector<ScheduledRead>>
scheduleReads(const std::vector<std::vector<uint32_t>> &stepSegments,
              const std::vector<std::string> &segmentNames);

/// Other code than scheduleReads: VerificationFailed when a step needs a
/// segment that no earlier or equal read brings, a segment is read twice, or
/// reads do not ascend.
Status verifyReads(const std::vector<std::vector<uint32_t>> &stepSegments,
                   const std::vector<std::string> &segmentNames,
                   const std::vector<ScheduledRead> &reads);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_SCHEDULE_H
