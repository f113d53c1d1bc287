//===- Schedule.h - the order in which a pass needs segments ----*- C++ -*-===//
//
// Segments are stored in the file in the order in which a pass first needs
// them, so that the first pass reads the file once from front to back. The read
// schedule lists the segments in the same order for the runtime, and states for
// each segment the step before which it must be loaded.
//
// Thread-safety: pure functions. Errors: Internal when a step names a segment
// that does not exist, or when a segment is never used.
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
  /// The index, in the first program, of the first step that needs the segment.
  uint32_t firstStep = 0;
  bool operator==(const ScheduledRead &) const = default;
};

/// `stepSegments[i]` lists the segments that step i of the first program reads,
/// in binding order. Returns each segment once, in the order of first use.
Result<std::vector<ScheduledRead>>
scheduleReads(const std::vector<std::vector<uint32_t>> &stepSegments,
              const std::vector<std::string> &segmentNames);

/// Checks the result of scheduleReads independently. Fails with
/// VerificationFailed when a step needs a segment that no read loads before
/// that step, when a segment is read twice or does not exist, or when the reads
/// are not sorted by step.
Status verifyReads(const std::vector<std::vector<uint32_t>> &stepSegments,
                   const std::vector<std::string> &segmentNames,
                   const std::vector<ScheduledRead> &reads);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_SCHEDULE_H
