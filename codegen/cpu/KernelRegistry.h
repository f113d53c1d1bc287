//===- KernelRegistry.h - the table of CPU kernels --------------*- C++ -*-===//
//
// One row an op: which dtypes and layouts it reads, how a kernel is described,
// how it is written. Selection, description, compilation, tests and benchmarks
// all walk this table; a new kernel is a new row.
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
  std::string_view name; ///< "matmul": starts every kernel's name
  /// Weight formats that the op reads; empty for an op without a matrix.
  std::span<const DType> dtypes;
  /// Layouts it reads them in, best first; empty for an op without a matrix.
  std::span<const Layout> layouts;
  /// The dtypes that it also multiplies with I8 and I8x2 activations, in x16,
  /// on targets with byte dot products.
  std::span<const DType> byteDTypes;
  /// Whether MClass changes the code.
  bool hasMClasses;
  /// Checks the spec's shape and fills grid and resources; `name` is set by the
  /// caller. Unsupported or Internal (an impossible shape) names the field.
  Status (*describe)(const KernelSpec &, const IsaTraits &, KernelEntry &);
  /// Writes the body; called only on a spec that describe accepted.
  void (*emit)(KernelBuilder &, const KernelSpec &);
};

/// In the order of KernelOp.
std::span<const KernelRow> kernelRegistry();

/// Unsupported when no row has the op, or the row lacks the spec's dtype or
/// layout.
Result<const KernelRow *> findKernelRow(const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_KERNELREGISTRY_H
