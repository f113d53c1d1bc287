//===- StepNeeds.h - what the verifier knows of the weights -----*- C++ -*-===//
//
// The pass place-weights decides which weights stay in RAM. Its input is the
// pieces that planner/WeightUses.h makes. The pass verify-plan must not rely on
// these pieces, so this file finds out from the dispatches what each step
// needs, with code of its own: it cuts each segment wherever the pages or
// chunks that a dispatch reads begin or end, and then notes for each of the
// resulting parts which steps need it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H
#define AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H

#include "compiler/planner/Placement.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// Returns the segments of weights and the tables, in the order of the module.
/// A segment has pieces if any step needs it. Every tensor must already have a
/// place in a segment.
WeightProblem stepNeedsOf(mlir::ModuleOp module);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H
