//===- MatMulCost.h - what a CPU's rates say about a matmul -----*- C++ -*-===//
//
// Predictions from the rates in a machine profile (CpuRates.h). They choose
// between variants of a kernel; no result depends on them.
//
// The unit is a block: 256 columns of 16 rows. The time of a core for a block
// is the longer of two times.
//
//   memory      bytes of the block / bandwidth of a core
//   arithmetic  max(D d, (D + V) v)
//
// The bandwidth of a core is what it reads alone, but at most its share of what
// all cores read together. D is the number of dot products of 64 bytes, d the
// time of one, V the number of other vector operations on 64 bytes, and v the
// time that any operation takes to issue. d follows from the rate byte_dot. v
// follows from byte_dot_mixed: its loop has 1.5 operations beside each dot
// product, so an operation takes 1/2.5 of the time of an iteration.
//
// With float32 activations, FMAs take the place of the dot products. The sums
// that panels keep in registers are scaled and added outside of the model, so
// for many tokens it predicts the least time, not the usual one.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_MATMULCOST_H
#define AIRPACK_CODEGEN_CPU_MATMUL_MATMULCOST_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/CpuTarget.h"

namespace air::codegen {

/// The prefetch distance where nothing better is known, in bytes. It is about
/// twice what one core reads during one memory access (100 ns at 40 GB/s).
/// The hint there is T1. It is not the fastest everywhere, but nowhere does it
/// cost more than a sixth of the bandwidth, where others cost half
/// (docs/cpu-kernels.md).
inline constexpr uint64_t kPrefetchBytes = 9216;
/// The longest prefetch distance, and the unit of distances: a cache line.
inline constexpr uint64_t kMostPrefetchBytes = 1 << 20;
inline constexpr uint64_t kLineBytes = 64;
/// The number of columns of a block.
inline constexpr uint64_t kCostColumns = 256;

/// The speed of one core while all cores work. Where the profile does not know
/// a rate, it is nominal and low.
struct CoreRates {
  double bytesPerNs;  ///< bytes read from memory
  double dotNs;       ///< the time of a dot product of 64 bytes
  double fmaNs;       ///< the time of a float32 FMA of 64 bytes
  double bf16Ns;      ///< the time of a bfloat16 dot product of 64 bytes
  double operationNs; ///< the time that any vector operation takes to issue
  /// Whether the profile knows all rates on which the times of byte dot
  /// products depend.
  bool isKnown;
};
CoreRates coreRates(const IsaTraits &isa);

/// Times of one core, in nanoseconds.
struct BlockTime {
  double memory;
  double arithmetic;
  double longer() const { return memory > arithmetic ? memory : arithmetic; }
};
/// Predicts the time for a block of spec.dtype that is multiplied with `tokens`
/// tokens in the format spec.activation.
BlockTime predictBlock(const KernelSpec &spec, const IsaTraits &isa,
                       uint64_t tokens);

/// With one token, whether two bytes per activation (I8x2) cost less than they
/// are worth. That is so where memory is the limit, with some room for what
/// the prediction leaves out, and where the shorter format would gain little.
/// True if the rates are not known.
bool affordsI8x2(const KernelSpec &spec, const IsaTraits &isa);

/// A prefetch of weights: where to, and how far ahead. Without a prefetch, the
/// hint is None and the distance is 0.
struct Prefetch {
  StreamHint hint = StreamHint::None;
  uint64_t bytes = 0;
};

/// Chooses the prefetch of a kernel without panels from the measured streams.
/// One token reads weights as fast as memory delivers them, in bursts of loads:
/// the fastest stream of that kind wins, but one without prefetches is
/// preferred if it is nearly as fast. With several tokens there is arithmetic
/// between the loads, and the hardware's prefetcher alone runs late: a prefetch
/// is left out only where it does harm. Their reads resemble two kinds of
/// streams, of which the slower one counts.
Prefetch modelPrefetch(const KernelSpec &spec, const IsaTraits &isa);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_MATMULCOST_H
