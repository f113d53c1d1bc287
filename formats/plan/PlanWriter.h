//===- PlanWriter.h - writes a plan, segment by segment ---------*- C++ -*-===//
//
// The metadata precedes the segments, but is written last. Its size is known
// from the start, so no segment has to wait in memory for it. The offsets of
// the segments are known before anything is written, unless segments have a
// codec: the size of such a segment is known only when it has been written, and
// the next segment begins directly after it. The same plan and segment bytes
// always result in the same file, with any number of threads.
//
// Ownership: the writer owns the plan and the temporary file, which vanishes
// unless finish() succeeds. Thread-safety: used by one thread. Errors:
// VerificationFailed if the reader would refuse the plan (found before anything
// is written); Unsupported if a segment is too large for its codec; DoesNotFit
// if the metadata or the file would be too large, or the disk is too small;
// Usage if a segment is written twice, never, or with another size; Internal if
// a Completion has made the metadata longer; Io if the system refuses.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANWRITER_H
#define AIRPACK_FORMATS_PLAN_PLANWRITER_H

#include "formats/plan/FatPlan.h"
#include "formats/plan/PlanReader.h"
#include "formats/plan/plan_generated.h"
#include "formats/support/AtomicFile.h"
#include "formats/support/HugeBlocks.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace air {

class PlanWriter {
public:
  /// A function that receives the next bytes of a segment.
  using Sink = std::function<Status(std::span<const uint8_t>)>;

  /// `plan` must be complete except for the fields that the writer fills in:
  /// Segment.offset, Segment.digest_chunk, Segment.digests, Segment.chunk_ends
  /// and, for segments with a codec, Segment.stored_bytes. Before anything is
  /// written, create() checks that the disk has room and that verifyPlan()
  /// accepts the plan. Segments with a codec are coded on `threads` threads.
  static Result<PlanWriter> create(AtomicFile output, plan::PlanT plan,
                                   unsigned threads = 1);
  static Result<PlanWriter> create(const std::string &path, plan::PlanT plan);
  /// Creates the writer of a fat plan. Indices of segments refer to
  /// `shared.segments`, and only these segments get offsets and digests.
  static Result<PlanWriter> create(AtomicFile output, plan::PlanT shared,
                                   std::vector<TargetRecords> targets,
                                   unsigned threads = 1);

  /// Writes segment `index`. `produce` must pass the segment's bytes to `sink`
  /// in one or more pieces, in order: raw_bytes bytes for a segment with a
  /// codec (the writer codes them) and for weights and tables of a reference
  /// plan, and stored_bytes bytes for any other. writeSegment() must be called
  /// once per segment, in the order of the plan if any segment has a codec, and
  /// in any order otherwise.
  Status writeSegment(uint32_t index,
                      const std::function<Status(const Sink &sink)> &produce);

  /// Writes segment `index` with the bytes of segment `fromIndex` of another
  /// plan, which are verified first. This can be called instead of
  /// writeSegment(). Both segments must exist, have the same size and the same
  /// size of chunks, and store all of their bytes without a codec, and the plan
  /// being written must not be a reference plan; otherwise fails with Usage.
  /// Fails with VerificationFailed if a digest of the other plan is wrong.
  Status copySegment(uint32_t index, const PlanFile &from, uint32_t fromIndex);

  /// Reduces the size of segment `index` to `bytes`, changes all placements so
  /// that they keep the whole segment in RAM, and moves the segments after it.
  /// Fails with Usage if `bytes` is larger than the current size, if this
  /// segment or a later one has already been written, if the number of digests
  /// (and thus the size of the metadata) would change, or if the plan is a fat
  /// plan.
  Status shrinkSegment(uint32_t index, uint64_t bytes);

  /// A function that finish() calls when the stored sizes of segments with a
  /// codec are known. It corrects the fields of `records` that depend on these
  /// sizes. `records` is the plan that is being written or, in a fat plan, one
  /// target without what all targets share. `encoded` is the plan or the whole
  /// target as a FlatBuffer, with these sizes. The function may change numbers,
  /// and may make texts shorter but not longer.
  using Completion =
      std::function<Status(plan::PlanT &records, const plan::Plan &encoded)>;

  /// Checks that every segment has been written, writes the metadata and the
  /// header, and puts the finished file at the path of the output. If segments
  /// have a codec, finish() calls `complete` once for each target before it
  /// writes the metadata.
  Status finish(const Completion &complete = {});

  /// The size of the whole file in bytes. shrinkSegment() changes it. If
  /// segments have a codec, it is final only when finish() has returned.
  uint64_t fileBytes() const { return totalBytes; }

private:
  /// Checks that segment `index` may be written now, and sets its offset.
  /// Returns its name for messages.
  Result<std::string> beginSegment(uint32_t index);
  Status writeCoded(plan::SegmentT &segment, const std::string &name,
                    const std::function<Status(const Sink &sink)> &produce);
  /// Encodes the metadata in its current state.
  Result<std::vector<uint8_t>> encode() const;

  AtomicFile file;
  HugeBlocks blocks; ///< writes the segments to `file`
  plan::PlanT plan;  // in a fat plan, only what its targets share
  std::vector<TargetRecords> targets; // empty unless the plan is a fat plan
  std::vector<bool> written;
  uint64_t metadataBytes = 0; // size of the metadata without its padding
  bool isVerified = false;    // verifyMetadata() has accepted the current plan
  uint64_t totalBytes = 0;
  unsigned codingThreads = 1;
  bool isCoded = false;    // some segment has a codec
  uint64_t nextOffset = 0; // if isCoded: the file offset of the next segment
  uint32_t nextIndex = 0;  // if isCoded: the index of the next segment to write
};

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANWRITER_H
