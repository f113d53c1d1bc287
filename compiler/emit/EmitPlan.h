//===- EmitPlan.h - a finished plan module -> plan.fbs records --*- C++ -*-===//
//
// Translates, decides nothing: what the records say is what the passes left in
// the module. Facts that are not in the module (tokenizer, source files) come
// beside it.
//
// Errors: Internal when the module is not finished (a pass was left out).
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

/// Everything but segment offsets and digests, which the writer fills in.
Result<plan::PlanT> emitPlan(mlir::ModuleOp module, const ModelSource &source,
                             const TokenizerData &tokenizer,
                             const SamplingDefaults &sampling);

/// How the bytes of each Weights segment are made, in the plan's order.
Result<std::vector<SegmentContent>> emitContents(mlir::ModuleOp module,
                                                 const ModelSource &source);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_EMITPLAN_H
