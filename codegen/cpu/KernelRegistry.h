//===- KernelRegistry.h - the table of CPU kernels --------------*- C++ -*-===//
//
// One row per op: the dtypes and layouts that it reads, and the functions that
// describe and emit its kernels. Selection, description, compilation, tests and
// benchmarks all walk this table. To add a kernel, add a row.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_KERNELREGISTRY_H
#define AIRPACK_CODEGEN_CPU_KERNELREGISTRY_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/CpuTarget.h"
#include "codegen/cpu/builder/KernelBuilder.h"

#include <span>

namespace air::codegen {

struct KernelRow {
  KernelOp op;
  std::string_view name; ///< prefix of the kernels' names, such as "matmul"
  /// The weight dtypes that the op reads. Empty for an op without a matrix.
  std::span<const DType> dtypes;
  /// The layouts of these weights, best first. Empty for an op without a
  /// matrix.
  std::span<const Layout> layouts;
  /// The dtypes that the op also multiplies with int8 activations, in layout
  /// x16 on targets with int8 dot products.
  std::span<const DType> int8DTypes;
  /// Whether the code depends on MClass.
  bool hasMClasses;
  /// Checks the spec's shape and fills in the grid and resources. The caller
  /// sets `name`. An error names the field: Unsupported, or Internal for an
  /// impossible shape.
  Status (*describe)(const KernelSpec &, const IsaTraits &, KernelEntry &);
  /// Emits the body of a kernel whose spec `describe` accepted.
  void (*emit)(KernelBuilder &, const KernelSpec &);
};

/// In the order of KernelOp.
std::span<const KernelRow> kernelRegistry();

/// Unsupported if the registry lacks the op, or the op lacks the spec's dtype
/// or layout.
Result<const KernelRow *> findKernelRow(const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_KERNELREGISTRY_H
