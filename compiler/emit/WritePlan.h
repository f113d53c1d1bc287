//===- WritePlan.h - records and segments to a .air file --------*- C++ -*-===//
#ifndef AIRPACK_COMPILER_EMIT_WRITEPLAN_H
#define AIRPACK_COMPILER_EMIT_WRITEPLAN_H

#include "codegen/KernelSpec.h"
#include "compiler/emit/SegmentContent.h"
#include "formats/plan/PlanFile.h"

namespace air::compiler {

/// Leaves out the bytes of the plan's weights: everything else stays as it is.
void makeWeightless(plan::PlanT &plan);

/// Bytes of segments written so far, of all; called on the writing thread.
using ProgressFn = std::function<void(uint64_t done, uint64_t total)>;

/// Writes `output` whole or not at all. `contents` are the plan's Weights
/// segments in order, none of a weightless plan; the one Kernels segment is
/// `object`. Memory does not
/// depend on the model's size, bytes not on `threads`. Returns the file's size.
/// Errors: DoesNotFit (disk, found before writing), Io, and what the plan's
/// verifier refuses.
Result<uint64_t> writePlan(AtomicFile output, plan::PlanT plan,
                           const std::vector<SegmentContent> &contents,
                           std::span<const uint8_t> object,
                           const ModelSource &source, unsigned threads,
                           const ProgressFn &progress);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_WRITEPLAN_H
