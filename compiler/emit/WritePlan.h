//===- WritePlan.h - records and segments to a .air file --------*- C++ -*-===//
#ifndef AIRPACK_COMPILER_EMIT_WRITEPLAN_H
#define AIRPACK_COMPILER_EMIT_WRITEPLAN_H

#include "codegen/KernelSpec.h"
#include "compiler/emit/PackedSegments.h"
#include "formats/plan/PlanFile.h"

namespace air::compiler {

/// Marks the plan as weightless. Every segment except the Kernels segments gets
/// the stored size 0 and no codec. Everything else is kept.
void makeWeightless(plan::PlanT &plan);

/// Makes the plan a reference plan: its matrices stay in the files of `source`,
/// whose names the plan records. `contents` describes the plan's segments of
/// weights and tables in order. Fails with Unsupported if two files have the
/// same name.
Status makeReference(plan::PlanT &plan,
                     const std::vector<SegmentContent> &contents,
                     const ModelSource &source);

/// A callback that the writing thread calls with the number of segment bytes
/// produced so far and in total. A reference plan does not store all of the
/// bytes that are counted here.
using ProgressFn = std::function<void(uint64_t done, uint64_t total)>;

/// Provides the contents of the Kernels segments. Another thread may still be
/// compiling the kernels.
struct KernelBytes {
  /// Waits until the contents are complete, and returns them in the order of
  /// the segments.
  std::function<Result<std::vector<std::span<const uint8_t>>>()> wait;
  /// Returns whether wait() would return at once, with the content or with an
  /// error. writePlan() asks this before each segment, so that it need not
  /// write all weights if the kernels cannot be compiled.
  std::function<bool()> isDone;
};

/// Writes `output` whole or not at all, and returns the file's size in bytes.
/// `contents` describes the plan's segments of weights and tables in order
/// (none for a weightless plan). The Kernels segments contain what `kernels`
/// provides, which may be fewer bytes than the plan states. `packed` is empty,
/// or has an entry for each segment; if the entry refers to a segment of
/// another plan, that segment is copied. Memory use does not depend on the
/// model's size, and the written bytes do not depend on `threads`.
///
/// Errors: DoesNotFit when the disk has too little space, which is detected
/// before anything is written; Io, also if a file from which weights or
/// segments came was overwritten meanwhile; Internal if `contents` or `kernels`
/// do not match the plan; and those of produceSegment(), of kernels.wait(), of
/// PlanWriter::copySegment() and shrinkSegment(), and of the plan verifier.
Result<uint64_t> writePlan(AtomicFile output, plan::PlanT plan,
                           const std::vector<SegmentContent> &contents,
                           const std::vector<PackedPlace> &packed,
                           const KernelBytes &kernels,
                           const ModelSource &source, unsigned threads,
                           const ProgressFn &progress);

/// A plan that is complete, but not written yet.
struct PlanParts {
  plan::PlanT plan;
  std::vector<SegmentContent> contents; ///< as in writePlan()
  std::vector<PackedPlace> packed;      ///< as in writePlan()
  /// The bytes of each Kernels segment, in the order of the segments. `plan`
  /// states the exact size of each. The owner of the bytes must keep them until
  /// writeFatPlan() returns.
  std::vector<std::span<const uint8_t>> kernels;
};

struct WrittenBytes {
  uint64_t file = 0;   ///< the size of the file in bytes
  uint64_t copied = 0; ///< bytes of segments copied from other plans
};

/// Writes plans of one model for different targets as one fat plan. Segments
/// with equal contents are written once. The order of `parts` has no effect on
/// the file.
///
/// Errors: those of writePlan() and of joinTargets().
Result<WrittenBytes> writeFatPlan(AtomicFile output,
                                  std::vector<PlanParts> parts,
                                  const ModelSource &source, unsigned threads,
                                  const ProgressFn &progress);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_WRITEPLAN_H
