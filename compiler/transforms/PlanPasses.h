//===- PlanPasses.h - passes on the plan dialect ----------------*- C++ -*-===//
//
// PlanPasses.td describes each pass.
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

/// Like createSelectKernels, but with measured tiles. Kernels that are not
/// among `tiles` keep those of the cost model.
std::unique_ptr<mlir::Pass>
createSelectKernels(SelectKernelsOptions options,
                    std::vector<codegen::TileChoice> tiles);

/// Like createCompileKernels, but also moves the object to `artifact`, which
/// must outlive the pass.
std::unique_ptr<mlir::Pass>
createCompileKernels(CompileKernelsOptions options,
                     codegen::KernelArtifact *artifact);

#define GEN_PASS_REGISTRATION
#include "compiler/transforms/PlanPasses.h.inc"

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H
