//===- PlanPasses.h - passes on the plan dialect ----------------*- C++ -*-===//
//
// PlanPasses.td says what each does.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H
#define AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H

#include "codegen/TileChoice.h"
#include "compiler/dialect/plan/PlanDialect.h"

#include "mlir/Pass/Pass.h"

namespace air::compiler {

#define GEN_PASS_DECL
#include "compiler/transforms/PlanPasses.h.inc"

/// As createSelectKernels, with tiles that were measured: kernels that are not
/// among `tiles` keep the cost model's.
std::unique_ptr<mlir::Pass>
createSelectKernels(SelectKernelsOptions options,
                    std::vector<codegen::TileChoice> tiles);

/// As createCompileKernels, and moves the object to `artifact`, which outlives
/// the pass.
std::unique_ptr<mlir::Pass>
createCompileKernels(CompileKernelsOptions options,
                     codegen::KernelArtifact *artifact);

#define GEN_PASS_REGISTRATION
#include "compiler/transforms/PlanPasses.h.inc"

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H
