//===- KernelSpecAttr.h - KernelSpec <-> attribute --------------*- C++ -*-===//
//
// A plan.dispatch carries its KernelSpec as a dictionary: a field's name in
// snake case, enums and dtypes by name, fields that keep their default left
// out; `op` is always there. Equal specs give equal attributes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H
#define AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H

#include "codegen/KernelBindings.h"
#include "compiler/dialect/plan/PlanDialect.h"

namespace air::ir::plan {

mlir::DictionaryAttr kernelSpecToAttr(mlir::MLIRContext *context,
                                      const codegen::KernelSpec &spec);

/// Corrupt names the entry that is unknown, of a wrong kind, or out of range.
Result<codegen::KernelSpec> kernelSpecFromAttr(mlir::DictionaryAttr attr);

/// What the kernel multiplies with, in the plan's terms.
Arithmetic arithmeticOf(const codegen::KernelSpec &spec);

/// The dialect's words for what codegen/KernelBindings.h says of a binding.
BindingKind kindOf(const codegen::KernelBinding &binding);
Access accessOf(const codegen::KernelBinding &binding);

} // namespace air::ir::plan

#endif // AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H
