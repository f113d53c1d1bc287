//===- Variants.h - variants of a matmul kernel -----------------*- C++ -*-===//
//
// The variants of one matmul: the kernel with the cost model's choices, and
// kernels that differ from it in one of them - the activation format, the size
// of a tile, or the prefetch.
//
// What is measured of each is the time for a block of 256 columns and 16 rows,
// in clock cycles of one core, beside the time that the cost model predicts
// from the profile (codegen/cpu/matmul/MatMulCost.h). It is measured twice:
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

/// The variants of `spec`, a matmul that target's kernels support; the first
/// one has the cost model's choices, for the activation format of `spec`.
std::vector<Variant> variantsOf(const codegen::KernelSpec &spec,
                                const MachineProfile &target);

/// `spec` with fewer rows, so that its weights take half of the L2 caches of
/// `threads` cores, or all of its rows if these take less.
codegen::KernelSpec cachedSpec(const codegen::KernelSpec &spec,
                               const MachineProfile &target, uint32_t threads,
                               uint64_t l2Bytes);

/// The number of blocks of 256 columns and 16 rows that a run multiplies.
double blocksOf(const codegen::KernelSpec &spec);

/// One kernel from one place.
struct VariantTime {
  double seconds = 0;   ///< of a run, the median over the rounds
  double predicted = 0; ///< seconds of a run, by the cost model
  double bytes = 0;     ///< bytes of weights per run
  double operations = 0;
  /// The median over the rounds of the rate at which weights were read, divided
  /// by the bandwidth of plain reads in that round. Only from memory.
  double share = 0;
};

struct VariantRow {
  Variant variant;
  codegen::MatMulTiles tiles; ///< with the cost model's choices
  double cachedBlocks = 0;    ///< blocks per run from cache
  double blocks = 0;          ///< blocks per run from memory
  VariantTime cache;
  VariantTime memory;
};

/// All variants of a matmul on some number of threads.
struct VariantTable {
  std::string name;
  uint32_t threads = 1;
  uint32_t tokens = 1;
  uint32_t rounds = 0;
  double clock = 0;        ///< cycles per second, the median over the rounds
  double readRate = 0;     ///< bytes per second of plain reads: the median
  double bestReadRate = 0; ///< and the highest
  ArithmeticRates rates;   ///< of all threads
  std::vector<VariantRow> rows;
};

/// Clock cycles of one core per block.
double cyclesPerBlock(const VariantTable &table, double seconds, double blocks);

/// States which rate exceeds its limit by more than kMostShare allows, with
/// both values. Empty if none does.
std::string impossibleRate(const VariantTable &table);

std::string variantText(const VariantTable &table);
/// A list with one object per table.
std::string variantJson(const std::vector<VariantTable> &tables);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_VARIANTS_H
