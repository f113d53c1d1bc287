//===- KernelSpecAttr.h - KernelSpec <-> attribute --------------*- C++ -*-===//
//
// A plan.dispatch carries its KernelSpec as a dictionary. The keys are the
// names of the fields in snake case, and the values of enums and dtypes are
// names. Fields with their default value are left out, except `op`, which is
// always present. Equal specs result in equal attributes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H
#define AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H

#include "codegen/KernelBindings.h"
#include "compiler/dialect/plan/PlanDialect.h"

namespace air::ir::plan {

mlir::DictionaryAttr kernelSpecToAttr(mlir::MLIRContext *context,
                                      const codegen::KernelSpec &spec);

/// Converts a dictionary back to a KernelSpec. A Corrupt error names the entry
/// that is unknown, of the wrong kind, or out of range.
Result<codegen::KernelSpec> kernelSpecFromAttr(mlir::DictionaryAttr attr);

/// Returns the arithmetic of the kernel's matmul as a value of the plan
/// dialect's enum.
Arithmetic arithmeticOf(const codegen::KernelSpec &spec);

/// kindOf() and accessOf() return the kind and the access of a binding
/// (codegen/KernelBindings.h) as values of the plan dialect's enums.
BindingKind kindOf(const codegen::KernelBinding &binding);
Access accessOf(const codegen::KernelBinding &binding);

} // namespace air::ir::plan

#endif // AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H
