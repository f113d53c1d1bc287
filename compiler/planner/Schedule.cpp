//===- Schedule.cpp - the read order, and its check -----------------------===//
#include "compiler/planner/Schedule.h"
#include "formats/support/CountText.h"

namespace air::compiler {

Result<std::vector<ScheduledRead>>
scheduleReads(const std::vector<std::vector<uint32_t>> &stepSegments,
              const std::vector<std::string> &segmentNames) {
  std::vector<ScheduledRead> reads;
  std::vector<bool> seen(segmentNames.size());
  for (size_t step = 0; step < stepSegments.size(); ++step) {
    for (uint32_t segment : stepSegments[step]) {
      if (segment >= seen.size()) {
        return internalError("step " + std::to_string(step) +
                             " reads segment " + std::to_string(segment) +
                             ", but there are only " +
                             countOf(seen.size(), "segment"));
      }
      if (!seen[segment]) {
        seen[segment] = true;
        reads.push_back({segment, static_cast<uint32_t>(step)});
      }
    }
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    if (!seen[i]) {
      return internalError("no step reads segment '" + segmentNames[i] + "'");
    }
  }
  return reads;
}

Status verifyReads(const std::vector<std::vector<uint32_t>> &stepSegments,
                   const std::vector<std::string> &segmentNames,
                   const std::vector<ScheduledRead> &reads) {
  constexpr uint64_t kNever = ~uint64_t{0};
  std::vector<uint64_t> readBefore(segmentNames.size(), kNever);
  uint32_t previousStep = 0;
  for (const ScheduledRead &read : reads) {
    if (read.segment >= segmentNames.size()) {
      return verificationError(
          "a read refers to segment " + std::to_string(read.segment) +
          ", but there are only " + std::to_string(segmentNames.size()) +
          " segments");
    }
    const std::string &name = segmentNames[read.segment];
    if (readBefore[read.segment] != kNever) {
      return verificationError("segment '" + name + "' is read twice");
    }
    if (read.firstStep < previousStep) {
      return verificationError("the read of '" + name + "' for step " +
                               std::to_string(read.firstStep) +
                               " comes after one for step " +
                               std::to_string(previousStep) +
                               "; reads must be in the order of the steps");
    }
    previousStep = read.firstStep;
    readBefore[read.segment] = read.firstStep;
  }
  for (size_t step = 0; step < stepSegments.size(); ++step) {
    for (uint32_t segment : stepSegments[step]) {
      if (segment >= segmentNames.size()) {
        return verificationError(
            "step " + std::to_string(step) + " reads segment " +
            std::to_string(segment) + ", but there are only " +
            std::to_string(segmentNames.size()) + " segments");
      }
      if (readBefore[segment] > step) {
        return verificationError("step " + std::to_string(step) +
                                 " needs segment '" + segmentNames[segment] +
                                 "' before any read loads it");
      }
    }
  }
  return Status::ok();
}

} // namespace air::compiler
