//===- WritePlan.h - records and segments to a .air file --------*- C++ -*-===//
#ifndef AIRPACK_COMPILER_EMIT_WRITEPLAN_H
#define AIRPACK_COMPILER_EMIT_WRITEPLAN_H

#include "codegen/KernelSpec.h"
#include "compiler/emit/SegmentContent.h"
#include "formats/plan/PlanFile.h"

namespace air::compiler {

/// Marks the plan as weightless and sets the stored size of every segment
/// except the Kernels segment to 0. Everything else is kept.
void makeWeightless(plan::PlanT &plan);

/// Makes the plan a reference plan: its matrices stay in the files of `source`,
/// whose names it records. `contents` describes the plan's segments of weights
/// and tables in order. Fails with Unsupported if two files have the same name.
Status makeReference(plan::PlanT &plan,
                     const std::vector<SegmentContent> &contents,
                     const ModelSource &source);

/// A callback that the writing thread calls with the number of segment bytes
/// made so far and in total. They are written, unless the plan is a reference
/// plan.
using ProgressFn = std::function<void(uint64_t done, uint64_t total)>;

/// Writes `output` whole or not at all, and returns the file's size in bytes.
/// `contents` describes the plan's segments of weights and tables in order
/// (none for a weightless plan), and `object` is the content of the one Kernels
/// segment. Memory use does not depend on the model's size, and the bytes do
/// not depend on `threads`.
///
/// Errors: DoesNotFit when the disk has too little space, which is detected
/// before anything is written; Io; and those of the plan verifier.
Result<uint64_t> writePlan(AtomicFile output, plan::PlanT plan,
                           const std::vector<SegmentContent> &contents,
                           std::span<const uint8_t> object,
                           const ModelSource &source, unsigned threads,
                           const ProgressFn &progress);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_WRITEPLAN_H
