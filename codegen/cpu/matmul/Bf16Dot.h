//===- Bf16Dot.h - bfloat16 dot products and panels -------------*- C++ -*-===//
//
// On targets with bfloat16 dot products (IsaTraits::hasBf16Dot), large-M
// kernels need not decode BF16 weights. A panel holds the weights' own bits in
// pairs of columns:
//
//   [column / 2][16 rows][2] bf16
//
// Columns past the last one are zero up to a whole block, and activations are
// in format BF16x32. This is for BF16 weights only: F16 and F32 weights would
// lose all but eight significant bits.
//
// The instruction adds two products to a float32, one after the other, and
// rounds each sum to nearest. It treats subnormal operands as zero and flushes
// subnormal results to zero.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H
#define AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H

#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

/// lane i of `sum` + sum over j < 2 of weights[2i + j] * x[2i + j]. `sum` has
/// 16 lanes of f32, the operands 32 lanes of bf16.
mlir::Value dotBf16(KernelBuilder &b, mlir::Value sum, mlir::Value weights,
                    mlir::Value x);

/// The bytes of a pair of columns in a panel.
inline constexpr int64_t kPairBytes = 4 * kRowLanes;
/// Columns of a panel. Three panels take 12 KiB of L1.
inline constexpr uint64_t kBf16PanelColumns = 128;

/// Writes columns [first, first + count) of a row block of BF16 weights as a
/// panel. `first` is even, and `count` is even except at the last columns of
/// the matrix. `k` is the matrix's number of columns.
void fillBf16Panel(const RowBlockReader &rows, mlir::Value panel,
                   mlir::Value first, mlir::Value count, int64_t k);

/// sums[token][panel][16] += the dot products over `columns` columns of the
/// panels' rows with the 16 tokens at `x`, which has one Bf16Tile per block.
/// `microTokens` tokens are processed at a time. `tile` is the index of these
/// tokens among the token tiles that the panels are multiplied with.
void multiplyBf16(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                  int64_t microTokens, mlir::Value x, mlir::Value tile,
                  mlir::Value sums, mlir::Value columns,
                  const PanelPrefetch &next);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H
