//===- TargetAttr.h - the machine profile on a module -----------*- C++ -*-===//
//
// After select-kernels, a module carries its target as the dictionary
// `plan.target`, so that later passes do not depend on the machine they run on.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_TARGETATTR_H
#define AIRPACK_COMPILER_TRANSFORMS_TARGETATTR_H

#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// Records `profile` as `plan.target`. If the profile has a GPU, canPlanFor()
/// (formats/machine/GpuTable.h) must be true for this GPU, so its backend is
/// CUDA. The backend and the `f16Ops` of the GPU are not recorded.
void setTarget(mlir::ModuleOp module, const MachineProfile &profile);

/// Returns `plan.target` as it stands in the module; null if it is missing.
mlir::Attribute targetAttrOf(mlir::ModuleOp module);

/// Returns the machine profile that `plan.target` describes. A Corrupt error
/// names the entry that is missing or of the wrong kind.
Result<MachineProfile> targetOf(mlir::ModuleOp module);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_TARGETATTR_H
