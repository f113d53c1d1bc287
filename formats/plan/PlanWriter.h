//===- PlanWriter.h - writes a plan, segment by segment ---------*- C++ -*-===//
//
// Segment placement is decided up front from sizes, so that the metadata can
// precede the segments and peak memory does not depend on the model's size. The
// same plan and segment bytes always result in the same file.
//
// Ownership: the writer owns the plan and the temporary file, which vanishes
// unless finish() succeeds. Thread-safety: one thread.
// Errors: VerificationFailed when the reader would refuse the plan (found
// before anything is written), DoesNotFit when the disk is too small, Usage
// when a segment is written twice, never, or with another size; Io.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANWRITER_H
#define AIRPACK_FORMATS_PLAN_PLANWRITER_H

#include "formats/plan/plan_generated.h"
#include "formats/support/AtomicFile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace air {

class PlanWriter {
public:
  /// Takes a piece of a segment's bytes.
  using Sink = std::function<Status(std::span<const uint8_t>)>;

  /// `plan` must be complete except for Segment.offset and Segment.digest,
  /// which the writer fills in. Checks before writing that the disk has room
  /// and that verifyPlan accepts the plan.
  static Result<PlanWriter> create(AtomicFile output, plan::PlanT plan);
  static Result<PlanWriter> create(const std::string &path, plan::PlanT plan);

  /// Writes segment `index`. `produce` passes its raw bytes to `sink` in one or
  /// more pieces, which together have exactly stored_bytes. Call once per
  /// segment, in any order.
  Status writeSegment(uint32_t index,
                      const std::function<Status(const Sink &sink)> &produce);

  /// Checks that no segment is missing, writes metadata and header, and puts
  /// the file in its place.
  Status finish();

  /// Size of the whole file.
  uint64_t fileBytes() const { return totalBytes; }

private:
  AtomicFile file;
  plan::PlanT plan;
  std::vector<bool> written;
  uint64_t metadataBytes = 0; // before padding
  uint64_t totalBytes = 0;
};

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANWRITER_H
