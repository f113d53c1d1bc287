//===- Rows.h - the list of kernel benchmarks -------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_ROWS_H
#define AIRPACK_TOOLS_AIR_BENCH_ROWS_H

#include "codegen/KernelSpec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::bench {

struct BenchRow {
  std::string name; ///< such as "matmul/q4_k/x16/m1/n4096/k4096"
  codegen::KernelSpec spec;
  uint32_t tokens = 1;
  /// For attention, the number of keys that the last token sees.
  uint32_t context = 0;
  /// Whether a run without --filter includes this benchmark. This is true for
  /// common dtypes in their best layout with float32 activations, and for
  /// kernels without weights, except those with a KV cache in F32 or with the
  /// contexts kLongContexts and kLongPrompts (Shapes.h).
  bool isCommon = true;
};

/// The benchmarks of every op, dtype, layout and MClass in the kernel registry,
/// with the shapes of Shapes.h, in the order of the registry.
std::vector<BenchRow> benchRows();

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_ROWS_H
