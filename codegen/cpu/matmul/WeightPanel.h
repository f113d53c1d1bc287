//===- WeightPanel.h - decoded weights in L1 --------------------*- C++ -*-===//
//
// A panel holds some columns of a row block, which are decoded once and
// multiplied with many tokens.
//
//   float32  [column][16 rows] f32
//   bfloat16 pairs of columns: Bf16Dot.h
//   int8     scale groups: Int8Panel.h
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_WEIGHTPANEL_H
#define AIRPACK_CODEGEN_CPU_MATMUL_WEIGHTPANEL_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/decode/DecodeSink.h"

namespace air::codegen {

/// The base of sinks that store scaled weights as a panel at `base`.
class ScaledPanelSink : public DecodeSink {
protected:
  ScaledPanelSink(KernelBuilder &builder, Value panel)
      : DecodeSink(builder), base(panel) {}

  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override {}
  /// Returns the weight q * scale + offset, where the scale and the offset are
  /// those of the current group.
  Value weightOf(Value q);

  Value base;

private:
  Value groupScale;  ///< null: 1
  Value groupOffset; ///< null: 0
};

/// Stores the decoded weights as panel[column][lane].
class FloatPanelSink final : public ScaledPanelSink {
public:
  FloatPanelSink(KernelBuilder &builder, Value panel)
      : ScaledPanelSink(builder, panel) {}

  void value(int64_t column, Value q) override;
};

/// Prefetches the weights of the next panels, a few at a time, while the
/// current panels are multiplied. They are not prefetched while a panel is
/// decoded, because decoding takes so little time that nearly all prefetches
/// would be outstanding at the same time.
struct PanelPrefetch {
  /// The addresses of the weights, one for each row block. If there are none,
  /// nothing is prefetched.
  llvm::SmallVector<mlir::Value> weights;
  int64_t bytes = 0; ///< the number of bytes to prefetch from each address
  StreamHint hint = StreamHint::T1;
  /// The number of tokens that the current panels are multiplied with. A kernel
  /// multiplies the panels with a group of a few tokens at a time, and
  /// prefetches an equal part of the next panels' weights during each group.
  mlir::Value tokens;

  /// The number of groups into which the tokens are divided if `groupTokens`
  /// tokens are multiplied at a time.
  mlir::Value turns(KernelBuilder &b, int64_t groupTokens) const;
  /// The number of tokens in token tile `tile` that are not padding, at most
  /// 16.
  mlir::Value tokensOf(KernelBuilder &b, mlir::Value tile) const;
  /// Divides the bytes to prefetch into `slots` equal shares, and prefetches
  /// the one with index `slot`.
  void prefetchShare(KernelBuilder &b, mlir::Value slot,
                     mlir::Value slots) const;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_WEIGHTPANEL_H
