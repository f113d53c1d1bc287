//===- PlanWriter.h - writes a plan, segment by segment ---------*- C++ -*-===//
//
// Segment placement is decided up front from sizes, so that the metadata can
// lie before the segments and peak memory does not depend on the model's size.
// The same plan and segment bytes give the same file.
//
// Ownership: the writer owns the plan and the temporary file, which vanishes
// unless finish() succeeds. Thread-safety: one thread.
// Errors: VerificationFailed when the reader would refuse the plan (found
// before anything is written), DoesNotFit when the disk is too small, Usage
// when segments are written twice, never, or with another size; Io.
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

  /// `plan` must be complete but for Segment.offset and Segment.digest, which
  /// the writer fills in. Finds out before writing whether the disk has room
  /// and whether verifyPlan accepts the plan.
  static Result<PlanWriter> create(AtomicFile output, plan::PlanT plan);
  static Result<PlanWriter> create(const std::string &path, plan::PlanT plan);

  /// Where the raw bytes of segment `index` come from, in one or more pieces
  /// that together are exactly stored_bytes. Call once per segment, any order.
  Status writeSegment(uint32_t index,
                      const std::function<Status(const Sink &sink)> &produce);

  /// Writes metadata and header, verifies nothing is missing, syncs, renames.
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
