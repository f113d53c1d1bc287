//===- StepNeeds.h - what the verifier knows of the weights -----*- C++ -*-===//
//
// The pass place-weights decides which weights stay in RAM. Its input is the
// pieces into which planner/WeightUses.h divides segments. The pass verify-plan
// must not rely on these pieces, so this file determines independently, from
// the dispatches, what each step needs. It cuts each segment wherever the pages
// or chunks that a dispatch reads begin or end. It then records the first and
// the last step that need each of the resulting pieces.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H
#define AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H

#include "compiler/planner/Placement.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// Returns the segments of weights and the segments of tables, both in the
/// order in which the module lists them. Every segment that some step needs is
/// divided into pieces. The pass pack-segments must have placed all tensors.
WeightProblem stepNeedsOf(mlir::ModuleOp module);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H
