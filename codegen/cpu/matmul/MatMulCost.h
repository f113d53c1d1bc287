//===- MatMulCost.h - what a CPU's rates say about a matmul -----*- C++ -*-===//
//
// Predicts the speed of matmul kernels from the rates in a machine profile
// (CpuRates.h). The predictions choose between variants of a kernel, which
// compute the same results, and between activation formats.
//
// Times are predicted for a block: 256 columns of 16 rows of weights. The time
// that a core takes for a block is the longer of two times:
//
//   memory      bytes of the block / bandwidth of a core
//   arithmetic  max(D d, (D + V) v)
//
// The bandwidth of a core is its bandwidth when it reads alone, but at most its
// share of the bandwidth of all cores together. D is the number of dot products
// of 64 bytes, and d the time of one dot product. V is the number of other
// vector operations on 64 bytes, and v the time that any operation takes to
// issue. d follows from the rate byte_dot, and v from byte_dot_mixed. The loop
// that measures byte_dot_mixed has 1.5 other operations per dot product, so v
// is its time per dot product divided by 2.5.
//
// With float32 activations, FMAs take the place of the dot products. With
// BF16x32, the time of the arithmetic is that of the bfloat16 dot products
// alone or, on targets with tile registers, that of the multiplications of
// tiles and, for quantised weights, of decoding and rounding them once.
//
// The time of the arithmetic does not include load and store instructions. A
// kernel with panels has more of these: it stores the decoded weights, and
// loads and stores the sums once per panel. For many tokens, the prediction is
// therefore a lower bound rather than the usual time.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_MATMULCOST_H
#define AIRPACK_CODEGEN_CPU_MATMUL_MATMULCOST_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/CpuTarget.h"

namespace air::codegen {

/// The prefetch distance, in bytes, that is used with the hint T1 if the
/// profile does not state the bandwidths (StreamRate in CpuRates.h) by which
/// prefetches are otherwise chosen. It is about twice what one core reads
/// during one memory access (100 ns at 40 GB/s). T1 is not the fastest hint on
/// every CPU, but it costs at most a sixth of the bandwidth on every CPU that
/// was measured. Other hints cost half of it on some CPUs
/// (docs/cpu-kernels.md).
inline constexpr uint64_t kPrefetchBytes = 9216;
/// The longest prefetch distance. Every distance is a multiple of kLineBytes,
/// the size of a cache line.
inline constexpr uint64_t kMostPrefetchBytes = 1 << 20;
inline constexpr uint64_t kLineBytes = 64;
/// The number of columns of a block in the cost model.
inline constexpr uint64_t kCostColumns = 256;

/// The speed of one core while all cores work. A rate that the profile does not
/// state is replaced by a low nominal rate.
struct CoreRates {
  double bytesPerNs; ///< bytes read from memory
  double dotNs;      ///< the time of a dot product of 64 bytes
  double fmaNs;      ///< the time of a float32 FMA of 64 bytes
  double bf16Ns;     ///< the time of a bfloat16 dot product of 64 bytes
  /// The time in which tile registers multiply 16 x 32 numbers in bfloat16 by
  /// as many. Only for targets with IsaTraits::hasAmxBf16.
  double tileNs;
  double operationNs; ///< the time that any vector operation takes to issue
  /// Whether the profile states all rates on which the times of matmuls with
  /// int8 activations depend.
  bool isKnown;
};
CoreRates coreRates(const IsaTraits &isa);

/// The times that one core takes for a block, in nanoseconds.
struct BlockTime {
  double memory;
  double arithmetic;
  double longer() const { return memory > arithmetic ? memory : arithmetic; }
};
/// Predicts the times for a block of weights of spec.dtype that is multiplied
/// by `tokens` tokens in the format spec.activation.
BlockTime predictBlock(const KernelSpec &spec, const IsaTraits &isa,
                       uint64_t tokens);

/// Predicts the time of the arithmetic that multiplies `tokens` tokens by
/// `weightBytes` bytes of weights; the time to read the weights is not part of
/// it. The result is the number of bytes of vector operands that a core
/// processes in this time, 64 for each vector instruction (kMixedOperandBytes
/// in CpuRates.h).
double operandBytes(const KernelSpec &spec, const IsaTraits &isa,
                    uint64_t weightBytes, uint64_t tokens);
/// The bytes of vector operands, counted as in operandBytes(), that all cores
/// together process per second; 0 if the profile does not state byte_dot_mixed.
uint64_t operandRate(const IsaTraits &isa);

/// Whether, for one token, a kernel with two bytes per activation (I8x2) takes
/// at most 1.25 times as long as one with a single byte. Each of the two times
/// is predicted as the time to read the weights or, if that is longer, as the
/// time of the arithmetic divided by 0.7. The division accounts for the fact
/// that arithmetic and reading overlap imperfectly. True if CoreRates::isKnown
/// is false.
bool affordsI8x2(const KernelSpec &spec, const IsaTraits &isa);

/// Whether the CPU is an x86-64 CPU with an instruction for dot products of
/// bytes (VNNI), and has further execution units, which can decode weights at
/// the same time. GEMV code that multiplies eight tokens at a time then
/// executes dot products at nearly the rate byte_dot, in spite of the decoding.
/// False if the profile does not state byte_dot or byte_dot_mixed.
bool hasSpareUnits(const IsaTraits &isa);

/// Whether, for many tokens and BF16 weights, dot products of bfloat16
/// (BF16x32) take at most as long as float32 FMAs (F32x16), which are more
/// exact. On some CPUs, the dot products take twice as long. On targets with
/// tile registers, these take the place of the dot products. True if the
/// profile does not state the rates.
bool affordsBf16(const KernelSpec &spec, const IsaTraits &isa);

/// Whether a matmul of quantised weights takes bfloat16 activations (BF16x32)
/// instead of int8 ones: for many tokens, on targets whose tile registers
/// multiply bfloat16, if this is predicted to take at most as long. False if
/// the rows are outputs: there are usually few of them, and the GEMV code for
/// int8 activations is faster (see gemvRows()).
bool prefersBf16(const KernelSpec &spec, const IsaTraits &isa);

/// How weights are prefetched: the hint, and the distance ahead of the loads in
/// bytes. Without prefetches, the hint is None and the distance is 0.
struct Prefetch {
  StreamHint hint = StreamHint::None;
  uint64_t bytes = 0;
};

/// Chooses the prefetches of GEMV code from CpuRates::streams, the bandwidths
/// of reading with various orders of loads and various prefetches. Only weights
/// in layout x16 are prefetched. With one token, a kernel reads weights in
/// bursts of loads, as fast as memory delivers them. It gets the prefetches of
/// the fastest stream with StreamLoads::Burst, or none if the stream without
/// prefetches is nearly as fast. With several tokens, there is arithmetic
/// between the loads, and the hardware's prefetcher alone runs late, so such a
/// kernel always prefetches into L2 (hint T1), at least 4 KiB ahead. Its loads
/// resemble both StreamLoads::Single and StreamLoads::Burst, so a distance is
/// judged by the slower of the two streams with this distance.
Prefetch modelPrefetch(const KernelSpec &spec, const IsaTraits &isa);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_MATMULCOST_H
