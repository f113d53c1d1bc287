//===- PlanReader.h - a plan that has been verified -------------*- C++ -*-===//
//
// Ownership: a PlanFile owns its mapping; what its functions return is valid
// only as long as it exists. Thread-safety: immutable after open(). Errors: Io,
// Corrupt (not a plan, or truncated), VerificationFailed (a wrong digest or a
// broken rule), Unsupported (a newer version).
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
/// call verifySegment() before the first use of each segment.
class PlanFile {
public:
  static Result<PlanFile> open(const std::string &path);
  /// Does the same as open() for a plan in memory. `bytes` must outlive the
  /// result; `name` is used in messages. The function is for tests and fuzzing.
  static Result<PlanFile> parse(std::span<const uint8_t> bytes,
                                const std::string &name);

  const plan::Plan &plan() const { return *root; }
  const PlanHeader &header() const { return head; }
  std::span<const uint8_t> bytes() const { return all; }
  /// Calls MappedFile::checkUnchanged() for the plan's file. Returns Ok if the
  /// plan was made by parse() and has no file.
  Status checkUnchanged() const { return mappedFile.checkUnchanged(); }
  /// The stored bytes of segment `index`, which lie in the mapping. `index`
  /// must be below the number of segments in plan().
  std::span<const uint8_t> segmentBytes(uint32_t index) const;
  /// Fails with VerificationFailed, and states both digests, if the bytes of
  /// segment `index` or the zeros after them have changed. With
  /// PagesAfter::Drop, only a few MiB of the file are in memory at a time.
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
