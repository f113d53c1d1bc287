//===- PlanReader.h - a plan that has been verified -------------*- C++ -*-===//
//
// Ownership: a PlanFile owns its mapping; what its functions return is valid
// only as long as it exists. Thread-safety: immutable after open() and
// choose(). Errors: Io, Corrupt (not a plan, or a file of another size than the
// header states), VerificationFailed (a wrong digest or a broken rule),
// Unsupported (another version or page size).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANREADER_H
#define AIRPACK_FORMATS_PLAN_PLANREADER_H

#include "formats/plan/PlanHeader.h"
#include "formats/plan/plan_generated.h"
#include "formats/support/MappedFile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace air {

/// What happens to the pages of a segment after they have been verified. Keep
/// leaves them in memory, for a caller that then runs the plan. Drop removes
/// them from memory, for a caller that only checks the plan.
enum class PagesAfter : uint8_t { Keep, Drop };

/// A plan whose header and metadata have been verified: digests, structure and
/// every rule of PlanVerifier. The bytes of segments have not been verified;
/// call verifySegment() before the first use of each segment, or verifyChunk()
/// before the first use of each chunk.
class PlanFile {
public:
  static Result<PlanFile> open(const std::string &path);
  /// Does the same as open() for a plan in memory. `bytes` must outlive the
  /// result; `name` is used in messages. The function is for tests and fuzzing.
  static Result<PlanFile> parse(std::span<const uint8_t> bytes,
                                const std::string &name);

  /// How many targets the plan is for. A plan for several targets is a fat
  /// plan: one file and one model, with machine code and a schedule for each
  /// target. All other functions concern the target that was chosen last,
  /// initially target 0, and their segment indices are those of that target.
  uint32_t targets() const { return static_cast<uint32_t>(roots.size()); }
  /// The records of a target. `index` must be below targets().
  const plan::Plan &target(uint32_t index) const { return *roots[index]; }
  /// Chooses a target. `index` must be below targets(). The caller must not use
  /// the plan of the previously chosen target after this call.
  void choose(uint32_t index) { root = roots[index]; }

  const plan::Plan &plan() const { return *root; }
  const PlanHeader &header() const { return head; }
  std::span<const uint8_t> bytes() const { return all; }
  /// Calls MappedFile::checkUnchanged() for the plan's file. Returns Ok if the
  /// plan was made by parse() and has no file.
  Status checkUnchanged() const { return mappedFile.checkUnchanged(); }
  /// The open file, or -1 if the plan was made by parse() and has no file.
  int descriptor() const { return mappedFile.file(); }
  const std::string &name() const { return fileName; }
  /// The stored bytes of segment `index`, which lie in the mapping. `index`
  /// must be below the number of segments in plan().
  std::span<const uint8_t> segmentBytes(uint32_t index) const;
  /// Whether segment `index` consists of weights or a table of a reference plan
  /// (Plan.reference), whose matrices lie in other files. If so, segmentBytes()
  /// returns only the bytes that the plan itself stores, which come first in
  /// the segment. The digest chunks nevertheless cover the whole segment: all
  /// of its raw bytes, which a ReferencedBytes assembles from the model's
  /// files, and the zero padding of its last page.
  bool isReferenced(uint32_t index) const;
  /// Verifies every chunk of segment `index`. With PagesAfter::Drop, only one
  /// chunk and a few MiB of the file are in memory at a time. If
  /// isReferenced(index), this verifies only the zero padding after the
  /// segment's stored bytes; verifyReferenced() (SourceFiles.h) verifies the
  /// chunks of such a segment.
  Status verifySegment(uint32_t index,
                       PagesAfter pagesAfter = PagesAfter::Keep) const;

  /// The number of chunks of segment `index`. The chunks cover the segment's
  /// stored bytes, or its raw bytes if it has a codec or isReferenced(index).
  /// Chunk i begins at byte i * digest_chunk; the last one includes the zero
  /// padding of the segment's last page.
  uint64_t chunkCount(uint32_t index) const;
  /// The size in bytes of chunk `chunk` of segment `index`; `chunk` must be
  /// below chunkCount(index). Every chunk but the last has digest_chunk bytes.
  /// The last one may be smaller, but it also consists of whole pages.
  uint64_t chunkBytes(uint32_t index, uint64_t chunk) const;
  /// Fails with VerificationFailed if `bytes` does not have chunkBytes() bytes,
  /// or if its digest is not that of the chunk; the message then states both
  /// digests. The caller has read the bytes from the file or the mapping, and
  /// decoded them if the segment has a codec.
  Status verifyChunk(uint32_t index, uint64_t chunk,
                     std::span<const uint8_t> bytes) const;
  /// Verifies the bytes of a chunk in the mapping. If the segment has a codec,
  /// they are decoded first, which may fail with Corrupt or DoesNotFit. Fails
  /// with Internal if isReferenced(index), because the chunks are then not in
  /// the mapping.
  Status verifyChunk(uint32_t index, uint64_t chunk) const;

  /// Drops the bytes of a segment from the memory of this process. They may
  /// stay in the page cache, so that a later access need not read the disk.
  void release(uint32_t index) const;
  /// Drops the bytes of a segment from memory and from the page cache.
  void dropFromCache(uint32_t index) const;

private:
  MappedFile mappedFile;
  std::span<const uint8_t> all;
  /// A verified copy of the file's metadata, which later writes to the file do
  /// not change.
  std::vector<uint8_t> metadata;
  std::vector<const plan::Plan *> roots; ///< one for each target
  const plan::Plan *root = nullptr;      ///< the chosen one of `roots`
  PlanHeader head{};
  std::string fileName;
};

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANREADER_H
