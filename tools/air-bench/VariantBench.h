//===- VariantBench.h - times variants of a matmul --------------*- C++ -*-===//
//
// Times the variants of a matmul (Variants.h) in rounds: each round measures
// the clock rate, the rate of plain reads, and then each variant once from
// cache and once from memory. What another program or the neighbours on a
// shared machine slow down in one round, they slow down for all variants.
//
// Thread-safety: call measureVariants from one thread at a time. Errors: those
// of the compiler and the CPU device; Internal if a rate exceeds its limit even
// after the limits were measured again.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_VARIANTBENCH_H
#define AIRPACK_TOOLS_AIR_BENCH_VARIANTBENCH_H

#include "tools/air-bench/Rows.h"
#include "tools/air-bench/Variants.h"
#include "tools/tune/Workload.h"

namespace air::bench {

struct VariantOptions {
  uint32_t threads = 1;
  double seconds = 0.1; ///< least time for each variant and place, in total
};

/// Measures one row of Rows.h, a matmul. Predictions are made for `target`.
Result<VariantTable> measureVariants(const BenchRow &row,
                                     const MachineProfile &target,
                                     const VariantOptions &options,
                                     tune::RotatingMemory &memory);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_VARIANTBENCH_H
