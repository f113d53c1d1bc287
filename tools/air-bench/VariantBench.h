//===- VariantBench.h - times variants of a matmul --------------*- C++ -*-===//
//
// Times the variants of a matmul (Variants.h) in rounds. Each round measures
// the clock rate, then each variant once from cache, and then each variant once
// from memory. Between the variants from memory, it measures plain reads, which
// read memory without any arithmetic. Since every round times every variant,
// other programs and other users of a shared machine slow down all variants
// alike.
//
// Thread-safety: call measureVariants from one thread at a time. Errors: those
// of the compiler and the CPU device; Internal if a rate still exceeds its
// limit after the limits have been measured again.
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
  /// About how long each variant is measured with weights from cache, and again
  /// with weights from memory. At least 7 rounds are measured, even if they
  /// take longer.
  double seconds = 0.1;
};

/// Times the variants of the matmul `row` (Rows.h) on this machine. The kernels
/// are compiled for `target`, and the cost model predicts their times from the
/// rates of `target`. `memory` holds the operands.
Result<VariantTable> measureVariants(const BenchRow &row,
                                     const MachineProfile &target,
                                     const VariantOptions &options,
                                     tune::RotatingMemory &memory);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_VARIANTBENCH_H
