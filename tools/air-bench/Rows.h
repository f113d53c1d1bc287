//===- Rows.h - the list of kernel benchmarks -------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_ROWS_H
#define AIRPACK_TOOLS_AIR_BENCH_ROWS_H

#include "codegen/KernelSpec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::bench {

struct BenchRow {
  std::string name; ///< "matmul/q4_k/x16/m1/n4096/k4096"
  codegen::KernelSpec spec;
  uint32_t tokens = 1;
  uint32_t context = 0; ///< Attention: keys that the last token sees
  /// Whether it runs without --filter: a common dtype in its best layout, or a
  /// kernel without weights.
  bool isCommon = true;
};

/// Every op, dtype, layout and M class of the registry on the shapes of
/// Shapes.h, in the registry's order.
std::vector<BenchRow> benchRows();

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_ROWS_H
