//===- Bf16Dot.h - products of pairs of bfloat16 ----------------*- C++ -*-===//
//
// Where the target multiplies bfloat16 (IsaTraits::hasBf16Dot), many tokens'
// products of BF16 weights need no decoding: a panel is the weights' own bits
// in pairs of columns,
//
//   [column / 2][16 rows][2] bf16
//
// with columns past the last one zeros up to a whole block, and activations are
// Activation::BF16x32. Only BF16 weights: F16 and F32 would be cut to eight
// significant bits, which nobody asked for.
//
// The instruction adds two products to a float32, one after the other, each sum
// rounded to nearest; it takes and makes no subnormals, but zeros.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H
#define AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H

#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

/// lane i of `sum` + weights[2i + j] * x[2i + j] for j < 2: 16 lanes of f32,
/// and 32 of bf16.
mlir::Value addPairs(KernelBuilder &b, mlir::Value sum, mlir::Value weights,
                     mlir::Value x);

/// Of a panel: a pair of columns.
inline constexpr int64_t kPairBytes = 4 * kRowLanes;
/// Of a panel: three of them take 12 KiB of the first cache.
inline constexpr uint64_t kPairPanelColumns = 128;

/// Columns [first, first + count) of a group of BF16 as a panel; `first` is
/// even, and count is when it is not the matrix's last columns. `k`: all
/// columns.
void fillPairs(const GroupReader &rows, mlir::Value panel, mlir::Value first,
               mlir::Value count, int64_t k);

/// sums[token][group][16] += products of `columns` columns of the panels'
/// groups and of the 16 tokens of the tile `x`, a Bf16Tile a block; so many
/// tokens at a time. `tile` counts the tiles that the panels are multiplied by.
void multiplyPairs(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                   int64_t tokensTogether, mlir::Value x, mlir::Value tile,
                   mlir::Value sums, mlir::Value columns,
                   const NextPanels &next);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H
