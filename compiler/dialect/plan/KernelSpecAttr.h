//===- KernelSpecAttr.h - KernelSpec <-> attribute --------------*- C++ -*-===//
//
// A plan.dispatch carries its KernelSpec as a dictionary: a field's name in
// snake case, enums and dtypes by name, fields that keep their default left
// out; `op` is always there. Equal specs give equal attributes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H
#define AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H

#include "codegen/KernelSpec.h"
#include "compiler/dialect/plan/PlanDialect.h"

#include <vector>

namespace air::ir::plan {

mlir::DictionaryAttr kernelSpecToAttr(mlir::MLIRContext *context,
                                      const codegen::KernelSpec &spec);

/// Corrupt names the entry that is unknown, of a wrong kind, or out of range.
Result<codegen::KernelSpec> kernelSpecFromAttr(mlir::DictionaryAttr attr);

/// What the kernel multiplies with, in the plan's terms.
Arithmetic arithmeticOf(const codegen::KernelSpec &spec);

/// One binding as codegen/KernelSpec.h lists it for an op, and the shape that
/// the kernel was made for.
struct BindingRole {
  const char *name;
  BindingKind kind;
  Access access;
  /// Columns of a tensor; 32-bit words in a row of a buffer. Unused for kv.
  uint64_t columns = 0;
  /// Rows of a tensor.
  uint64_t rows = 1;
  /// Of a tensor; buffers are F32 and of Layout::Rows.
  DType dtype = DType::F32;
  Layout layout = Layout::Rows;
  /// Which rows of the batch a buffer holds.
  RowsFrom rowsFrom = RowsFrom::Tokens;
};

/// What a kernel takes, in order.
std::vector<BindingRole> bindingRoles(const codegen::KernelSpec &spec);

} // namespace air::ir::plan

#endif // AIRPACK_COMPILER_DIALECT_PLAN_KERNELSPECATTR_H
