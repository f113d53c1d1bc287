//===- Int8Panel.h - panels of bytes, and their products --------*- C++ -*-===//
//
// A panel (WeightPanel.h) goes group by group of 16 or 32 columns that have a
// scale: bytes [column / 4][16 rows][4], then scales and offsets, [16 rows] f32
// each. Where whole bytes are unsigned (Int8Dot.h), biased bytes become
// whole ones: the sum that their bias of -128 costs is stored with activations.
//
// For I8Grid (codegen/KernelSpec.h) a scale s stands once for each step of an
// activation's scale: s * 2^-64 * (1 + step / 4), and NaN for the step of what
// is not finite. An integer sum becomes a float, its exponent is added to, and
// it is multiplied by the vector of its step while it is added to the total.
// For I8 it is multiplied by the row's scale and then by the token's: one more
// multiplication, on the very units that multiply bytes.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8PANEL_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8PANEL_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/matmul/Int8Sink.h"
#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

inline constexpr int64_t kPanelQuadBytes = 4 * kRowLanes;
/// Columns of a panel of bytes: three of these, at most 10 KiB each, and as
/// many columns of 16 tokens share a first-level cache of 48 KiB.
inline constexpr uint64_t kBytePanelColumns = 256;

/// What a panel holds, and where the parts of a group of columns lie.
struct BytePanelForm {
  int64_t columns = kActivationColumns; ///< of a group, or half of them
  bool isGrid = false;
  // Of what was decoded.
  bool hasOffset = false;
  int64_t bits = 8; ///< of a byte, and what is added to it: ByteSink::bytes
  int bias = 0;

  int64_t quads() const { return columns / 4; }
  int64_t scalesAt() const { return quads() * kPanelQuadBytes; }
  int64_t scaleVectors() const { return isGrid ? kGridSteps + 1 : 1; }
  int64_t offsetsAt() const {
    return scalesAt() + scaleVectors() * kGridVectorBytes;
  }
  int64_t groupBytes() const { return offsetsAt() + kGridVectorBytes; }
};
/// Of a product whose activations come in byte tiles.
BytePanelForm bytePanelForm(const KernelSpec &spec);

class BytePanelSink final : public ByteSink {
public:
  BytePanelSink(KernelBuilder &builder, Value panel, const BytePanelForm &form)
      : ByteSink(builder), base(panel), made(form) {}

  const BytePanelForm &form() const { return made; }

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override {}
  void bytes(int64_t column, Value word, int64_t bits, int bias) override;

private:
  Value groupAt(int64_t column, int64_t byte);

  Value base;
  BytePanelForm made;
};

/// Where an ActivationTile has the numbers of a token: those that it has once,
/// and, of those that it has for either half and for all of its columns, the
/// ones that a group of columns takes.
struct TokenNumbers {
  mlir::Value once;      ///< the tile, 4 * token bytes on
  mlir::Value ofColumns; ///< the same of a number of the group's columns

  /// In every lane; `more` tokens on.
  mlir::Value number(KernelBuilder &b, size_t field, int64_t more) const;
  mlir::Value sumOfColumns(KernelBuilder &b, size_t field, int64_t more,
                           mlir::Type element) const;
};

/// i32 [16 rows]: what the panel's bias costs a token's sums of products.
mlir::Value biasSum(KernelBuilder &b, const BytePanelForm &form,
                    const TokenNumbers &numbers, int64_t more);

/// Which scales of activations addScaled() is right for. Of I8Grid nearly all
/// are on the grid.
enum class Scales : uint8_t { OnGrid, Any };

/// total + the sums of products of a token and the group of columns at `group`,
/// i32 [16 rows], scaled. Where a scale is on the grid the result does not
/// depend on `scales`.
mlir::Value addScaled(KernelBuilder &b, const BytePanelForm &form,
                      mlir::Value group, const TokenNumbers &numbers,
                      int64_t more, mlir::Value sum, mlir::Value total,
                      Scales scales);

/// Whether `columns` columns of the 16 tokens at `x` have all their scales on
/// the grid. Only of I8Grid.
mlir::Value areOnGrid(KernelBuilder &b, mlir::Value x, mlir::Value columns);

/// sums[token][panel][16] += products of `columns` columns of the panels and of
/// the 16 tokens of the `tile`th tile `x`, an ActivationTile for 32 columns, so
/// many tokens at a time; the next tile lies `tileBytes` further.
void multiplyBytes(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                   const BytePanelForm &form, int64_t tokensTogether,
                   mlir::Value x, mlir::Value tile, int64_t tileBytes,
                   mlir::Value sums, mlir::Value columns,
                   const NextPanels &next);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8PANEL_H
