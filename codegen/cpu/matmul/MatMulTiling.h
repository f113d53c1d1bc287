//===- MatMulTiling.h - how a matmul is divided into tiles ------*- C++ -*-===//
//
// This file decides how y = w x is divided into tiles. A spec may choose the
// sizes (MatMulTiles in codegen/KernelSpec.h, measured by `airpack --tune`); a
// cost model chooses the rest.
//
// The cost model. Let there be G row blocks, T token tiles and P cores. A row
// block takes time t, and each tile has an overhead o, which does not depend on
// its number g of row blocks. The total overhead of the tiles is o G T / (g P)
// per core. At the end, a core waits for half a tile on average, g t / 2. The
// sum of the two is smallest at
//
//   g = sqrt(2 o G T / (P t))
//
// t is the larger of the times to read and to multiply a row block, predicted
// from the rates of the profile (MatMulCost.h). o is the time that a core loses
// when it starts on a tile and continues reading at another place in memory.
// For large M, o includes the time to bring the tile's activations into the
// core's cache.
//
// All sizes are a function of the spec and the target alone. They do not affect
// results: every sum has the same terms in the same order.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_MATMULTILING_H
#define AIRPACK_CODEGEN_CPU_MATMUL_MATMULTILING_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/CpuTarget.h"
#include "codegen/cpu/decode/WeightReader.h"
#include "codegen/cpu/matmul/MatMulCost.h"

namespace air::codegen {

/// The bytes of the sums of one token and row block.
inline constexpr int64_t kSumBytes = kRowLanes * 4;

/// Whether weights are decoded into panels that a tile's tokens share (large
/// M), rather than straight into dot products.
bool usesPanel(const KernelSpec &spec);

/// The hints with which the kernel of `spec` may prefetch weights, if it has
/// prefetches. A kernel with panels has no prefetch distance, so it does not
/// have StreamHint::T1T0.
std::vector<StreamHint> prefetchHints(const KernelSpec &spec);

/// A large-M kernel multiplies up to this number of rows of x with the GEMV
/// code, which decodes weights once for eight rows; 0 if it has no such code.
///
/// A MatMul whose rows are outputs has this code for up to kGemvRows rows: a
/// pass over many tokens may need the logits of only a few, and with Q6_K, the
/// GEMV code takes a sixth of the GEMM's time for one row and two thirds of it
/// for 16 rows. For 32 rows it would take longer than the GEMM.
///
/// If the rows are tokens, there are at least nine of them, so the GEMV code
/// decodes the weights at least twice. Such kernels have this code on CPUs for
/// which hasSpareUnits() is true, but not for dtypes with codebooks, whose
/// decoding takes too long to be repeated. The GEMV code is faster than the
/// GEMM for up to kManyGemvRows rows, or up to kGemvRows rows for dtypes with a
/// scale per 16 columns.
///
/// Float kernels never have this code, since GEMV and GEMM read different
/// formats of x.
uint64_t gemvRows(const KernelSpec &spec, const IsaTraits &isa);
inline constexpr uint64_t kGemvRows = 16;
inline constexpr uint64_t kManyGemvRows = 32;

struct MatMulTiling {
  uint64_t rowBlocks; ///< row blocks of the matrix
  uint64_t tileRowBlocks;
  uint64_t tileTokens; ///< tokens per tile; 0: all tokens
  uint64_t passTokens; ///< largest number of tokens of one GEMV pass
  /// The GEMV code multiplies up to runRowBlocks row blocks by up to runTokens
  /// tokens before it turns the sums into y. In a GluMatMul for few tokens, it
  /// reads the row blocks in the first matrix, and then the same row blocks in
  /// the second one. runRowBlocks is large in this case, because each change
  /// to the other matrix costs time. If the two matrices are joined, it is 1.
  uint64_t runRowBlocks;
  uint64_t runTokens;    ///< a multiple of passTokens
  uint64_t tileColumns;  ///< columns per section (Gemm.cpp)
  uint64_t panelColumns; ///< columns per panel; divides tileColumns
  uint64_t panelBytes;   ///< bytes of a panel of one row block
  /// The bytes of scratch that int8 kernels need besides sums and panels
  /// (Gemm.cpp).
  uint64_t dotBytes;
  Prefetch prefetch;    ///< prefetches of the GEMV code
  StreamHint panelHint; ///< for prefetches of the next panels' weights
  // The numbers of row blocks and of tokens that the micro-kernel multiplies at
  // a time.
  uint64_t microRowBlocks; ///< divides tileRowBlocks
  uint64_t microTokens;    ///< divides kActivationTokens
};
/// Returns the tile sizes for a spec that checkTiles() accepts and whose matrix
/// is not empty.
MatMulTiling matMulTiling(const KernelSpec &spec, const IsaTraits &isa);

/// Checks spec.tiles. An Internal error names the field that is invalid, its
/// value and the valid range.
Status checkTiles(const KernelSpec &spec, const IsaTraits &isa);

/// Implements usedTiles() (codegen/KernelSpec.h).
MatMulTiles matMulUsedTiles(const KernelSpec &spec, const IsaTraits &isa);

/// Implements tileVariants() (codegen/KernelSpec.h).
std::vector<std::vector<MatMulTiles>> matMulTileVariants(const KernelSpec &spec,
                                                         const IsaTraits &isa);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_MATMULTILING_H
