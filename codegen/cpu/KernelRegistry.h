//===- KernelRegistry.h - the table of CPU kernels --------------*- C++ -*-===//
//
// The table has one row per op. A row lists the dtypes and layouts that the op
// reads, and the functions that describe and emit its kernels. Selection,
// description, compilation, tests and benchmarks all walk this table. To add a
// kernel, add a row.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_KERNELREGISTRY_H
#define AIRPACK_CODEGEN_CPU_KERNELREGISTRY_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/CpuTarget.h"
#include "codegen/cpu/builder/KernelBuilder.h"

#include <span>
#include <vector>

namespace air::codegen {

struct KernelRow {
  KernelOp op;
  std::string_view name; ///< prefix of the kernels' names, such as "matmul"
  /// The weight dtypes that the op reads. Empty for an op without a matrix.
  std::span<const DType> dtypes;
  /// The weight layouts that the op reads, best first. Empty for an op without
  /// a matrix.
  std::span<const Layout> layouts;
  /// The weight dtypes that the op can also multiply by int8 activations. It
  /// does so only for weights in layout x16, and only on targets with int8 dot
  /// products.
  std::span<const DType> int8DTypes;
  /// Whether the code of the op's kernels depends on MClass.
  bool hasMClasses;
  /// Checks the spec's shape, and fills in the entry's grid and resources. The
  /// caller sets the entry's name.
  ///
  /// Errors: those of describeKernel() (codegen/KernelSpec.h).
  Status (*describe)(const KernelSpec &, const IsaTraits &, KernelEntry &);
  /// Emits the body of a kernel whose spec `describe` accepted.
  void (*emit)(KernelBuilder &, const KernelSpec &);
};

/// Returns the rows of the table, in the order of KernelOp's values.
std::span<const KernelRow> kernelRegistry();

/// Considers those of `rows` whose ops read matrices of `dtype`. Returns the
/// layouts that every such row lists, in the order in which the first such row
/// lists them. Empty if there are no such rows, or if they have no layout in
/// common.
std::vector<Layout> commonLayouts(DType dtype, std::span<const KernelRow> rows);

/// Returns the row of the spec's op. The error is Unsupported if the table has
/// no such row, if the op does not read the spec's dtype or layout, or if it
/// cannot multiply such weights by int8 activations and the spec asks for them.
Result<const KernelRow *> findKernelRow(const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_KERNELREGISTRY_H
