//===- PlanPasses.h - passes on the plan dialect ----------------*- C++ -*-===//
//
// PlanPasses.td describes each pass.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H
#define AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H

#include "codegen/TileChoice.h"
#include "compiler/dialect/plan/PlanDialect.h"
#include "formats/machine/MachineProfile.h"

#include "mlir/Pass/Pass.h"

#include <optional>
#include <vector>

namespace air::compiler {

#define GEN_PASS_DECL
#include "compiler/transforms/PlanPasses.h.inc"

/// Like the overload that takes only options, with two differences. If
/// `profile` is set, it is the target machine, and options.target is ignored.
/// If `tiles` is set, it contains measured tile sizes of some kernels; all
/// other kernels keep the tile sizes that the cost model chooses.
std::unique_ptr<mlir::Pass>
createSelectKernels(SelectKernelsOptions options,
                    std::optional<MachineProfile> profile,
                    std::optional<std::vector<codegen::TileChoice>> tiles);

class KernelBuild;

/// Like the overload without `build`, with two differences: `build` compiles
/// the kernels, perhaps in the background, and the segment of the CPU's kernels
/// has the size build->reserved(). If `build` is null, the two overloads do the
/// same; otherwise, `build` must outlive the pass.
std::unique_ptr<mlir::Pass> createCompileKernels(CompileKernelsOptions options,
                                                 KernelBuild *build);

#define GEN_PASS_REGISTRATION
#include "compiler/transforms/PlanPasses.h.inc"

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_H
