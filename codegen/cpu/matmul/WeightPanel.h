//===- WeightPanel.h - decoded weights in the nearest cache -----*- C++ -*-===//
//
// Some columns of a group of 16 rows, decoded once for many tokens.
//
//   of floats  [column][16 rows] f32
//   of bf16    pairs of columns: Bf16Dot.h
//   of bytes   Int8Panel.h
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_WEIGHTPANEL_H
#define AIRPACK_CODEGEN_CPU_MATMUL_WEIGHTPANEL_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/decode/DecodeSink.h"

namespace air::codegen {

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

/// What is asked for while panels are multiplied: the next ones' weights. There
/// are too many bytes of them to ask for while decoding, which is over soon:
/// then they would all wait for memory at once.
struct NextPanels {
  llvm::SmallVector<mlir::Value> weights; ///< addresses; none: nothing to ask
  int64_t bytes = 0;                      ///< from each
  mlir::Value tiles; ///< of 16 tokens: each asks for a share

  /// The `slot`th of so many equal shares.
  void askForShare(KernelBuilder &b, mlir::Value slot, mlir::Value slots) const;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_WEIGHTPANEL_H
