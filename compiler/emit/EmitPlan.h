//===- EmitPlan.h - a finished plan module -> plan.fbs records --*- C++ -*-===//
//
// The functions below only translate: every decision was made by a pass and is
// recorded in the module. The tokenizer and the source files are not in the
// module and are passed separately.
//
// Errors: Internal when the module is not finished because a pass did not run.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_EMIT_EMITPLAN_H
#define AIRPACK_COMPILER_EMIT_EMITPLAN_H

#include "compiler/emit/SegmentContent.h"
#include "formats/model/SamplingDefaults.h"
#include "formats/model/TokenizerData.h"
#include "formats/plan/PlanFile.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// Returns all records of the plan. The plan writer fills in segment offsets
/// and digests.
Result<plan::PlanT> emitPlan(mlir::ModuleOp module, const ModelSource &source,
                             const TokenizerData &tokenizer,
                             const SamplingDefaults &sampling);

/// Returns how the bytes of each segment of weights or of a table are produced,
/// in the order of the plan's segments. Errors: also those of checkContent().
Result<std::vector<SegmentContent>> emitContents(mlir::ModuleOp module,
                                                 const ModelSource &source);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_EMITPLAN_H
