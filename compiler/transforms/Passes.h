//===- Passes.h - from a model to a plan ------------------------*- C++ -*-===//
//
// Each pass has its own file and lit test of the same name. Passes keep no
// state, so an MLIRContext may run them on several threads.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PASSES_H
#define AIRPACK_COMPILER_TRANSFORMS_PASSES_H

#include "compiler/dialect/plan/PlanDialect.h"

#include "mlir/Pass/Pass.h"

namespace air::compiler {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "compiler/transforms/Passes.h.inc"

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_PASSES_H
