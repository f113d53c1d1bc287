//===- Variants.h - variants of a matmul kernel -----------------*- C++ -*-===//
//
// The variants of a matmul are the kernel with the cost model's choices, and
// kernels that differ from it in one choice: the activation format, the size of
// a tile, or the prefetches.
//
// For each variant, the time for a block of 256 columns and 16 rows is measured
// in clock cycles of one core, and reported next to the time that the cost
// model predicts from the profile (codegen/cpu/matmul/MatMulCost.h). It is
// measured twice:
//
//   from cache   the weights fit into the L2 caches of the cores
//   from memory  the weights are in no cache
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_VARIANTS_H
#define AIRPACK_TOOLS_AIR_BENCH_VARIANTS_H

#include "codegen/KernelSpec.h"
#include "tools/air-bench/Limits.h"

#include <string>
#include <vector>

namespace air::bench {

struct Variant {
  std::string name; ///< "model", "i8", "tiles of 8", "t0 4608", "none"
  codegen::KernelSpec spec;
};

/// Returns those variants of the matmul `spec` for which `target` has kernels.
/// The first one has the cost model's choices and the activation format of
/// `spec`.
std::vector<Variant> variantsOf(const codegen::KernelSpec &spec,
                                const MachineProfile &target);

/// Returns `spec` with at most as many rows as fit into half of the total size
/// of the L2 caches of `threads` cores. However, the result always has one row
/// block or more per thread, unless `spec` itself has fewer row blocks.
/// `l2Bytes` is the size of one L2 cache.
codegen::KernelSpec cachedSpec(const codegen::KernelSpec &spec,
                               const MachineProfile &target, uint32_t threads,
                               uint64_t l2Bytes);

/// The number of blocks of 256 columns and 16 rows that a run of the kernel
/// multiplies.
double blocksOf(const codegen::KernelSpec &spec);

/// One measurement of a variant. Its weights came either from cache or from
/// memory.
struct VariantTime {
  double seconds = 0;   ///< seconds per run, the median over the rounds
  double predicted = 0; ///< seconds per run, predicted by the cost model
  double bytes = 0;     ///< bytes of weights per run
  double operations = 0;
  /// The median over all rounds of the rate at which weights were read, divided
  /// by the bandwidth of plain reads (without arithmetic) at that time; 0 for
  /// weights from cache.
  double share = 0;
};

struct VariantRow {
  Variant variant;
  codegen::MatMulTiles tiles; ///< all choices, also those of the cost model
  /// The number of blocks that a run multiplies: `cachedBlocks` with weights
  /// from cache, and `blocks` with weights from memory.
  double cachedBlocks = 0;
  double blocks = 0;
  VariantTime cache;
  VariantTime memory;
};

/// All variants of a matmul, timed with the same number of threads.
struct VariantTable {
  std::string name;
  uint32_t threads = 1;
  uint32_t tokens = 1;
  uint32_t rounds = 0;
  double clock = 0;        ///< cycles per second, the median over the rounds
  double readRate = 0;     ///< median rate of plain reads, in bytes/s
  double bestReadRate = 0; ///< best rate of plain reads, in bytes/s
  ArithmeticRates rates;   ///< of all threads together
  std::vector<VariantRow> rows;
};

/// Converts `seconds`, the time in which all threads together multiply `blocks`
/// blocks, to the number of clock cycles that one core takes for a block.
double cyclesPerBlock(const VariantTable &table, double seconds, double blocks);

/// If a rate exceeds its limit by more than kMostShare allows, returns a text
/// that states the rate and the limit. Otherwise returns "".
std::string impossibleRate(const VariantTable &table);

std::string variantText(const VariantTable &table);
/// A JSON list with one object per table.
std::string variantJson(const std::vector<VariantTable> &tables);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_VARIANTS_H
