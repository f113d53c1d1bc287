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

/// Like the overload without `tiles`, but uses measured tile sizes. Kernels
/// that are not among `tiles` keep the tile sizes that the cost model chooses.
std::unique_ptr<mlir::Pass>
createSelectKernels(SelectKernelsOptions options,
                    std::vector<codegen::TileChoice> tiles);

/// Like the overload without `artifact`, but also moves the compiled object to
/// `artifact`, which must outlive the pass.
std::unique_ptr<mlir::Pass>
createCompileKernels(CompileKernelsOptions options,
                     codegen::KernelArtifact *artifact);

#define GEN_PASS_REGISTRATION
#include "compiler/transforms/PlanPasses.h.inc"

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H
