//===- StepNeeds.h - what the verifier knows of the weights -----*- C++ -*-===//
//
// place-weights decides which weights stay in RAM from the pieces of
// planner/WeightUses.h. verify-plan must not believe them, so this file works
// out from the dispatches what each step needs, with other code: it cuts each
// segment wherever the pages or chunks of any use begin or end, and then marks
// all cuts that a use covers.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H
#define AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H

#include "compiler/planner/Placement.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// The segments of weights, each with pieces if any step needs it, and the
/// tables, in the order of the module. All tensors must have been placed.
WeightProblem stepNeedsOf(mlir::ModuleOp module);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_STEPNEEDS_H
