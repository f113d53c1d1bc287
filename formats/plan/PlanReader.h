//===- PlanReader.h - a plan that has been verified -------------*- C++ -*-===//
//
// Ownership: a PlanFile owns its mapping; what it returns dies with it.
// Thread-safety: immutable after open.
// Errors: Io, Corrupt (not a plan, or truncated), VerificationFailed (a wrong
// digest or a broken rule), Unsupported (a newer version).
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

/// Whether a segment's pages stay in memory after they have been verified. A
/// resident plan runs from them; a mere check has no further use for them.
enum class PagesAfter : uint8_t { Keep, Drop };

/// A plan whose header and metadata have been verified (digests, structure and
/// every rule of PlanVerifier). Segment bytes have not: call verifySegment
/// before the first use of each.
class PlanFile {
public:
  static Result<PlanFile> open(const std::string &path);
  /// Like open(), for bytes that outlive the result. For tests and fuzzing.
  static Result<PlanFile> parse(std::span<const uint8_t> bytes,
                                const std::string &name);

  const plan::Plan &plan() const { return *root; }
  const PlanHeader &header() const { return head; }
  std::span<const uint8_t> bytes() const { return all; }
  /// MappedFile::checkUnchanged() of the file; ok if there is none.
  Status checkUnchanged() const { return mappedFile.checkUnchanged(); }
  /// Stored bytes of a segment, in the mapping; `index` < plan().segments().
  std::span<const uint8_t> segmentBytes(uint32_t index) const;
  /// VerificationFailed (with both digests) when its bytes, or the zeros after
  /// them, have changed. With Drop, only a few MiB of a file are in memory at a
  /// time.
  Status verifySegment(uint32_t index,
                       PagesAfter pagesAfter = PagesAfter::Keep) const;

private:
  MappedFile mappedFile;
  std::span<const uint8_t> all;
  std::vector<uint8_t> metadata; ///< the verified copy; later writes to the
                                 ///< file do not change it
  const plan::Plan *root = nullptr;
  PlanHeader head{};
  std::string fileName;
};

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANREADER_H
