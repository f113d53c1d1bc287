//===- TargetAttr.h - the machine profile on a module -----------*- C++ -*-===//
//
// A module from select-kernels on carries its target as the dictionary
// `plan.target`, so that it means the same wherever it is read again.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_TARGETATTR_H
#define AIRPACK_COMPILER_TRANSFORMS_TARGETATTR_H

#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

void setTarget(mlir::ModuleOp module, const MachineProfile &profile);

/// Corrupt names the entry that is missing or of a wrong kind.
Result<MachineProfile> targetOf(mlir::ModuleOp module);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_TARGETATTR_H
