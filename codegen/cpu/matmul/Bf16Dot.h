//===- Bf16Dot.h - bfloat16 dot products and panels -------------*- C++ -*-===//
//
// On targets with bfloat16 dot products (IsaTraits::hasBf16Dot), large-M
// kernels need not decode BF16 weights. A panel holds the weights' own bits in
// pairs of columns:
//
//   [column / 2][16 rows][2] bf16
//
// Columns after the matrix's last one, up to the end of the block of 32, are
// zero. Activations are in format BF16x32. F16 and F32 weights are not
// multiplied in this way, because they would lose all but eight significant
// bits.
//
// On targets with tile registers (IsaTraits::hasAmxBf16), quantised weights are
// decoded and rounded to bfloat16, which changes each by at most 1/256 of
// itself. The tiles (AmxGemm.h) multiply so fast that this takes less time than
// to scale the integer sums of every 32 columns.
//
// The instruction (vdpbf16ps) adds two products to a float32, one after the
// other, and rounds each sum to nearest. It treats subnormal operands as zero
// and flushes subnormal results to zero.
//
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H
#define AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H

#include "codegen/cpu/matmul/WeightPanel.h"

#include <map>

namespace air::codegen {

/// Adds weights[2i] * x[2i] and weights[2i + 1] * x[2i + 1] to lane i of `sum`.
/// `sum` has 16 lanes of f32, the operands 32 lanes of bf16.
mlir::Value dotBf16(KernelBuilder &b, mlir::Value sum, mlir::Value weights,
                    mlir::Value x);

/// The bytes of a pair of columns in a panel.
inline constexpr int64_t kPairBytes = 4 * kRowLanes;
/// The number of columns of a panel. A kernel uses up to three panels at a
/// time, which take 12 KiB of L1.
inline constexpr uint64_t kBf16PanelColumns = 128;

/// Writes columns [first, first + count) of a row block of BF16 weights as a
/// panel. `first` is even, and `count` is even except at the last columns of
/// the matrix. `k` is the matrix's number of columns.
void fillBf16Panel(const RowBlockReader &rows, mlir::Value panel,
                   mlir::Value first, mlir::Value count, int64_t k);

/// Rounds decoded weights to bfloat16, to nearest with ties away from zero, and
/// stores them as a panel. Requires isa().hasBf16Dot. Pairs of columns begin at
/// even columns. Within a scale group, columns may come in any order.
class Bf16PanelSink final : public ScaledPanelSink {
public:
  Bf16PanelSink(KernelBuilder &builder, Value panel)
      : ScaledPanelSink(builder, panel) {}

  void value(int64_t column, Value q) override;

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override;

private:
  /// The weights of columns whose pair is not complete yet.
  std::map<int64_t, Value> single;
};

/// Adds the dot products of the panels' rows with the 16 tokens at `x`, over
/// `columns` columns, to sums[token][panel][16]. `x` has one Bf16Tile per block
/// of columns. These 16 tokens are one token tile. The caller multiplies the
/// same panels with all token tiles, one per call; `tile` is the index of the
/// tile at `x` among them. Within the tile, `microTokens` tokens are multiplied
/// at a time. The last tile may contain fewer tokens (PanelPrefetch::tokens).
void multiplyBf16(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                  int64_t microTokens, mlir::Value x, mlir::Value tile,
                  mlir::Value sums, mlir::Value columns,
                  const PanelPrefetch &next);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_BF16DOT_H
