//===- WeightPanel.cpp - decoded weights in L1 ------------------*- C++ -*-===//
#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

using mlir::Value;

// ---- prefetching ------------------------------------------------------------

Value PanelPrefetch::turns(KernelBuilder &b, int64_t groupTokens) const {
  return b.div(b.add(tokens, b.i64(groupTokens - 1)), b.i64(groupTokens));
}

Value PanelPrefetch::tokensOf(KernelBuilder &b, Value tile) const {
  constexpr auto kTokens = static_cast<int64_t>(kActivationTokens);
  return b.min(b.sub(tokens, b.mul(tile, b.i64(kTokens))), b.i64(kTokens));
}

void PanelPrefetch::prefetchShare(KernelBuilder &b, Value slot,
                                  Value slots) const {
  if (weights.empty()) {
    return;
  }
  constexpr int64_t kLine = 64;
  Value share = b.div(b.add(b.i64(bytes / kLine - 1), slots), slots);
  b.loop(b.i64(0), share, b.i64(1), [&](Value i) {
    Value line = b.add(b.mul(slot, share), i);
    for (Value from : weights) {
      b.prefetch(b.element(from, line, kLine), hint);
    }
  });
}

// ---- float32 ----------------------------------------------------------------

void ScaledPanelSink::beginGroup(int64_t, int64_t, Value scale, Value offset) {
  groupScale = scale;
  groupOffset = offset;
}

Value ScaledPanelSink::weightOf(Value q) {
  if (groupScale && groupOffset) {
    return b.fma(q, groupScale, groupOffset);
  }
  if (groupScale) {
    return b.mul(q, groupScale);
  }
  return groupOffset ? b.add(q, groupOffset) : q;
}

void FloatPanelSink::value(int64_t column, Value q) {
  constexpr int64_t kColumnBytes = kRowLanes * 4;
  b.store(
      weightOf(q),
      b.offset(b.element(base, cursor, kColumnBytes), column * kColumnBytes),
      64);
}

} // namespace air::codegen
