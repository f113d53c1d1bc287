//===- Int8Panel.h - int8 panels and their GEMM -----------------*- C++ -*-===//
//
// A panel (WeightPanel.h) consists of scale groups of 16 or 32 columns: bytes
// [column / 4][16 rows][4], followed by scales and offsets as [16 rows] f32.
// Where the target's 8-bit weights are unsigned (Int8Dot.h), bit fields with a
// bias (DecodeSink::fields()) are increased so that the bias of each is -128.
// What this bias adds to a dot product is stored with the activations
// (ActivationTile::biasSums).
//
// Dot products are converted to float without a conversion instruction: they
// start from the bits of a float c of the form 1.5 * 2^n instead of from 0, so
// that their bits at the end are those of the float c + dot * 2^(n - 23)
// (kConversionBits in codegen/KernelSpec.h). Scaling also removes c:
//
//   I8Grid  n depends on the exponent of the token's scale. Subtracting c
//           yields the dot product times 2^(exponent + 24), without rounding. A
//           panel holds each weight scale s once for each step of the
//           activations' scales, as s * 2^-24 * (1 + step / 4). One FMA
//           multiplies by the scales for the token's step and adds to the
//           total.
//   I8      c is 1.5 * 2^23. A panel holds each weight scale s, and -c * s. One
//           FMA yields s * dot, and another one multiplies it by the token's
//           scale and adds to the total. -c * s must be exact, so s must have
//           at most 22 significant bits and not be huge. For weights with
//           other scales (MXFP4), dot products start from 0 and are converted.
//
// A scale of I8Grid is on the grid if its exponent is in a certain range
// (kGridBaseExponent in codegen/KernelSpec.h). If, in the columns of a panel,
// the scale of any token is off the grid or NaN, slower code runs. It is
// correct for all scales, and produces the same bits as the fast code for
// scales on the grid.
//
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8PANEL_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8PANEL_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/matmul/Int8Sink.h"
#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

inline constexpr int64_t kPanelQuadBytes = 4 * kRowLanes;
/// The default number of columns of a panel. Such a panel takes at most 9 KiB:
/// 4 KiB of weights and up to 5 KiB of scales and offsets. A kernel multiplies
/// up to three panels by the same columns of a few tokens. The panels and these
/// activations fit together in an L1 cache of 32 KiB.
inline constexpr uint64_t kInt8PanelColumns = 256;

/// The layout of a panel, and the offsets of the parts of a scale group.
struct Int8PanelLayout {
  /// The number of columns of a scale group, which is a block or half a block.
  int64_t columns = kActivationColumns;
  bool isGrid = false;
  /// In I8 only: whether the product of a weight scale and 1.5 * 2^23 is always
  /// exact.
  bool hasShortScales = false;
  bool hasOffset = false;
  /// How many bits of a weight's byte are in use, and what is added to the
  /// value of these bits to get the weight. Both are set by the decoder of the
  /// dtype, and have the same meaning as in Int8Sink::bytes().
  int64_t bits = 8;
  int bias = 0;

  int64_t quads() const { return columns / 4; }
  int64_t scalesAt() const { return quads() * kPanelQuadBytes; }
  int64_t scaleVectors() const {
    return isGrid ? kGridSteps : hasShortScales ? 2 : 1;
  }
  int64_t offsetsAt() const {
    return scalesAt() + scaleVectors() * kGridVectorBytes;
  }
  int64_t groupBytes() const {
    return offsetsAt() + (hasOffset ? kGridVectorBytes : 0);
  }
};
/// The layout for a matmul with tiled int8 activations.
Int8PanelLayout int8PanelLayout(const KernelSpec &spec);

class Int8PanelSink final : public Int8Sink {
public:
  Int8PanelSink(KernelBuilder &builder, Value panel,
                const Int8PanelLayout &layout)
      : Int8Sink(builder), base(panel), made(layout) {}

  const Int8PanelLayout &layout() const { return made; }

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override {}
  void bytes(int64_t column, Value word, int64_t bits, int bias) override;

private:
  Value groupAt(int64_t column, int64_t byte);

  Value base;
  Int8PanelLayout made;
};

/// The addresses of the numbers that an ActivationTile stores for one token. In
/// the tile's fields biasSums and scaledSums, a token has three numbers: one
/// for each half of the block, and one for the whole block. In every other
/// field, a token has one number.
struct TokenScales {
  /// The address of the tile plus 4 times the token's index in the tile. Adding
  /// the offset of a field with one number per token yields the address of the
  /// token's element of this field.
  mlir::Value once;
  /// Like `once`, for the fields biasSums and scaledSums: adding the offset of
  /// one of these fields yields the address of the token's sum over the columns
  /// of the scale group.
  mlir::Value ofColumns;

  /// Broadcasts a field of the token that comes `more` tokens after this one.
  mlir::Value number(KernelBuilder &b, size_t field, int64_t more) const;
  mlir::Value sumOfColumns(KernelBuilder &b, size_t field, int64_t more,
                           mlir::Type element) const;
};

/// The scales that addScaled() has to support. Nearly all I8Grid scales are on
/// the grid.
enum class Scales : uint8_t { OnGrid, Any };

/// Returns the i32 [16 rows] that must be added to a token's dot products
/// before they are passed to addScaled(): the contribution of the panel's bias,
/// plus the bits of a float constant, if the sums are to be read as floats. The
/// token comes `more` tokens after the one that `scalars` belongs to.
mlir::Value dotStart(KernelBuilder &b, const Int8PanelLayout &layout,
                     const TokenScales &scalars, int64_t more, Scales scales);

/// Returns `total` plus the scaled dot products of a token with the scale group
/// at `group`. `sum` holds the dot products plus dotStart(), i32 [16 rows].
/// `scales` states whether the code must also support scales of tokens that are
/// off the grid (kGridBaseExponent in KernelSpec.h). It does not affect the
/// result for scales on the grid.
mlir::Value addScaled(KernelBuilder &b, const Int8PanelLayout &layout,
                      mlir::Value group, const TokenScales &scalars,
                      int64_t more, mlir::Value sum, mlir::Value total,
                      Scales scales);

/// Whether all scales in `columns` columns of the 16 tokens at `x` are on the
/// grid. Only for I8Grid.
mlir::Value areOnGrid(KernelBuilder &b, mlir::Value x, mlir::Value columns);

/// Adds the dot products of the panels' rows with the 16 tokens at `x`, over
/// `columns` columns, to sums[token][panel][16]. `x` has one ActivationTile per
/// block of columns. These 16 tokens are one token tile. The caller multiplies
/// the same panels with all token tiles, one per call; `tile` is the index of
/// the tile at `x` among them. The next token tile is `tileBytes` bytes after
/// `x`. Within the tile, `microTokens` tokens are multiplied at a time. The
/// last tile may contain fewer tokens (PanelPrefetch::tokens). `starts` points
/// at int8StartBytes() bytes of scratch, aligned to 64 bytes.
void multiplyInt8(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                  const Int8PanelLayout &layout, int64_t microTokens,
                  mlir::Value x, mlir::Value tile, int64_t tileBytes,
                  mlir::Value starts, mlir::Value sums, mlir::Value columns,
                  const PanelPrefetch &next);
/// The size of the scratch memory that multiplyInt8() needs for panels of
/// `columns` columns.
constexpr uint64_t int8StartBytes(const Int8PanelLayout &layout,
                                  uint64_t columns) {
  return columns / static_cast<uint64_t>(layout.columns) * 4 *
         kActivationTokens;
}

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8PANEL_H
