//===- RamDemand.h - the RAM that a plan module needs -----------*- C++ -*-===//
//
// Adds up sizes for planner/Budget.h. The sizes are attributes of the ops of a
// packed module. The kernels are counted with the size of their segment, which
// is 0 before they are compiled.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_RAMDEMAND_H
#define AIRPACK_COMPILER_TRANSFORMS_RAMDEMAND_H

#include "compiler/planner/Budget.h"
#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

RamDemand ramDemandOf(mlir::ModuleOp module, const MachineProfile &profile);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_RAMDEMAND_H
