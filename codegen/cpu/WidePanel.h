//===- WidePanel.h - decoded weights in the nearest cache -------*- C++ -*-===//
//
// Some columns of a group of 16 rows, decoded once for many tokens.
//
//   of floats  [column][16 rows] f32
//   of bf16    pairs of columns: Bf16Products.h
//   of bytes   a PanelBlock for 32 columns: bytes
//              [column / 4][16 rows][4], then the scales of both halves and
//              their offsets, [16 rows] f32 each. Where a group of columns is
//              the whole block, the second halves are not used.
//
// Where whole bytes are unsigned (ByteProducts.h), biased bytes become whole
// ones: the sum that their bias of -128 costs is then stored with activations.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_WIDEPANEL_H
#define AIRPACK_CODEGEN_CPU_WIDEPANEL_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/ByteSink.h"

namespace air::codegen {

inline constexpr int64_t kPanelQuads = kActivationColumns / 4;
inline constexpr int64_t kPanelQuadBytes = 4 * kRowLanes;
inline constexpr int64_t kPanelScales = kPanelQuads * kPanelQuadBytes;
inline constexpr int64_t kPanelOffsets = kPanelScales + 2 * 4 * kRowLanes;
inline constexpr int64_t kPanelBlockBytes = kPanelOffsets + 2 * 4 * kRowLanes;
/// Columns of a panel of bytes: it and as many columns of 16 tokens share a
/// first-level cache of 32 KiB.
inline constexpr uint64_t kBytePanelColumns = 256;

/// panel[column][lane] = value.
class FloatPanelSink final : public DecodeSink {
public:
  FloatPanelSink(KernelBuilder &builder, Value panel)
      : DecodeSink(builder), base(panel) {}

  void value(int64_t column, Value q) override;

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override {}

private:
  Value base;
  Value groupScale;
  Value groupOffset;
};

class BytePanelSink final : public ByteSink {
public:
  BytePanelSink(KernelBuilder &builder, Value panel)
      : ByteSink(builder), base(panel) {}

  /// Of everything that was decoded.
  struct Form {
    int64_t halves = 1; ///< groups in a block
    bool hasOffset = false;
    int64_t bits = 8; ///< of a byte, and what is added to it: ByteSink::bytes
    int bias = 0;
  };
  const Form &form() const { return made; }

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override {}
  void bytes(int64_t column, Value word, int64_t bits, int bias) override;

private:
  Value blockAt(int64_t column, int64_t byte);

  Value base;
  Form made;
};

/// What is asked for while panels of floats or pairs are multiplied: the next
/// ones' weights. There may be as many bytes of them as of the panels: too many
/// to ask for at once, and decoding is over soon.
struct NextPanels {
  llvm::SmallVector<mlir::Value> weights; ///< addresses; none: nothing to ask
  int64_t bytes = 0;                      ///< from each
  mlir::Value tiles; ///< of 16 tokens: each asks for a share

  /// The `slot`th of so many equal shares.
  void askForShare(KernelBuilder &b, mlir::Value slot, mlir::Value slots) const;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_WIDEPANEL_H
