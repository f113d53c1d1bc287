//===- PackedSegments.h - segments that another plan contains ---*- C++ -*-===//
//
// Plans of one model for different targets often arrange weights in the same
// way. Segments that are equal in a new plan and in an existing one can be
// copied from the existing plan, instead of being read from the model and
// packed again.
//
// A plan records the sizes of the model's files and the digests of their
// headers, but no digest of all weights. To find out whether another plan was
// made from this model, samples of its weights are therefore compared with the
// model.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_EMIT_PACKEDSEGMENTS_H
#define AIRPACK_COMPILER_EMIT_PACKEDSEGMENTS_H

#include "compiler/emit/SegmentContent.h"
#include "formats/plan/PlanFile.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace air::compiler {

/// The records of the files of `source` in a plan: their sizes, and the sizes
/// and digests of their headers.
std::vector<std::unique_ptr<plan::SourceT>>
sourceRecords(const ModelSource &source);

/// Opens a plan from which segments are to be copied. Errors: those of
/// PlanFile::open(), and Usage if the plan does not store its weights or was
/// not made from the files of `source`. The messages contain the plan's name.
Result<PlanFile> openPacked(const std::string &path, const ModelSource &source);

/// The segment of another plan from which a segment can be copied.
struct PackedPlace {
  const PlanFile *plan = nullptr; ///< null if the segment must be packed
  uint32_t segment = 0;
};

/// The total size, in bytes, of the segments that can be copied from other
/// plans.
uint64_t bytesOf(std::span<const PackedPlace> places);

/// Must be raised whenever packT16() (formats/plan/T16.h) or packT16Indices()
/// (formats/plan/T16Indices.h) writes other bytes for the same matrix. The
/// codegen_fingerprint of each plan for a GPU states this revision, so that a
/// matrix of another revision is never copied. A plan for a GPU whose
/// fingerprint states no revision was made before revision 2.
inline constexpr uint32_t kT16Revision = 3;

/// For each segment of `plan`, looks for an equal segment in the plans `from`,
/// in their order. Segments are equal if they have the same kind, tensors and
/// sizes, and no codec, and if matrices in layout t16 or t16i have the same
/// revision. `contents` describes the segments of weights and tables of `plan`
/// in order. Errors: those of checkSamples(), with messages that begin with the
/// name of the other plan, and those of PlanFile::verifySegment() if that plan
/// is damaged.
Result<std::vector<PackedPlace>>
findPacked(const plan::PlanT &plan, const std::vector<SegmentContent> &contents,
           const std::vector<std::shared_ptr<const PlanFile>> &from);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_PACKEDSEGMENTS_H
