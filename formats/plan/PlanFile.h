//===- PlanFile.h - the .air file: header, writer, reader, verifier -*- C++
//-*-===//
//
// docs/plan-format.md gives the file byte by byte:
//   page 0              header (PlanHeader), rest zero
//   metadata_offset     one FlatBuffer (plan.fbs), zero-padded to a page
//   then                segments, each page-aligned and zero-padded to a page
//
// Thread-safety: values; PlanFile is immutable after open.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANFILE_H
#define AIRPACK_FORMATS_PLAN_PLANFILE_H

#include "formats/plan/plan_generated.h"
#include "formats/support/AtomicFile.h"
#include "formats/support/Digest.h"
#include "formats/support/MappedFile.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace air {

inline constexpr uint32_t kPlanMajor = 1;
inline constexpr uint32_t kPlanMinor = 0;
inline constexpr uint32_t kPlanPageLog2 = 12;
inline constexpr uint64_t kPlanPageBytes = uint64_t{1} << kPlanPageLog2;

/// The first bytes of every plan of every version.
struct PlanHeader {
  uint8_t magic[8]; // "AIRPLAN\n"
  uint32_t major;
  uint32_t minor;
  uint32_t pageLog2;    // segments are aligned to 1 << pageLog2 bytes
  uint32_t headerBytes; // 4096
  uint64_t fileBytes;
  uint64_t metadataOffset;
  uint64_t metadataBytes;        // before padding
  uint8_t metadataDigest[16];    // of the metadata and its padding
  uint8_t targetFingerprint[16]; // digest of the Machine record's JSON
  uint8_t headerDigest[16];      // of the 4096 bytes with this field zero
};
static_assert(sizeof(PlanHeader) == 96);

// ---- writing ----------------------------------------------------------------

/// Writes segments as they come, then metadata and header. Segment placement is
/// decided up front from sizes, so that the metadata can lie before the
/// segments and peak memory does not depend on the model's size.
class PlanWriter {
public:
  /// `plan` must be complete but for Segment.offset and Segment.digest, which
  /// the writer fills in. Finds out before writing whether the disk has room.
  static Result<PlanWriter> create(const std::string &path, plan::PlanT plan);

  /// Where the raw bytes of segment `index` come from, in one or more pieces
  /// that together are exactly stored_bytes. Call once per segment, any order.
  Status
  writeSegment(uint32_t index,
               const std::function<Status(
                   const std::function<Status(std::span<const uint8_t>)> &sink)>
                   &produce);

  /// Writes metadata and header, verifies nothing is missing, syncs, renames.
  Status finish();

private:
  AtomicFile file;
  plan::PlanT plan;
  std::vector<bool> written;
  uint64_t metadataOffset = 0;
  uint64_t metadataCapacity = 0;
  uint64_t fileBytes = 0;
};

// ---- reading ----------------------------------------------------------------

/// A plan whose header and metadata have been verified (digests, structure and
/// every rule of PlanVerifier). Segment bytes have not: call verifySegment
/// before the first use of each.
class PlanFile {
public:
  static Result<PlanFile> open(const std::string &path);
  /// As open, over bytes that outlive the result. For tests and fuzzing.
  static Result<PlanFile> parse(std::span<const uint8_t> bytes,
                                const std::string &name);

  const plan::Plan &plan() const { return *root; }
  const PlanHeader &header() const;
  std::span<const uint8_t> bytes() const { return all; }
  /// Stored bytes of a segment, in the mapping.
  std::span<const uint8_t> segmentBytes(uint32_t index) const;
  /// VerificationFailed (with both digests) when its bytes changed.
  Status verifySegment(uint32_t index) const;

private:
  MappedFile mapping;
  std::span<const uint8_t> all;
  const plan::Plan *root = nullptr;
  std::string fileName;
};

/// Every semantic rule of docs/plan-format.md on metadata that has passed the
/// FlatBuffer verifier; `fileBytes` is the file's size. Written apart from the
/// planner: it recomputes sizes, liveness, residency against budget, alignment,
/// read order and kernel/ABI match. VerificationFailed names the rule.
Status verifyPlan(const plan::Plan &plan, uint64_t fileBytes,
                  uint64_t pageBytes);

/// The metadata as JSON (two-space indent, keys as in plan.fbs).
std::string planToJson(const plan::Plan &plan);

// ---- conversions
// --------------------------------------------------------------

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANFILE_H
