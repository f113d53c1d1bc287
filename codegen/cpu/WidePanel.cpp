//===- WidePanel.cpp - decoded weights in the nearest cache -----*- C++ -*-===//
#include "codegen/cpu/WidePanel.h"

#include "codegen/cpu/ByteProducts.h"

#include <cassert>

namespace air::codegen {

using mlir::Value;

// ---- what comes next --------------------------------------------------------

void NextPanels::askForShare(KernelBuilder &b, Value slot, Value slots) const {
  constexpr int64_t kLine = 64;
  Value share = b.div(b.add(b.i64(bytes / kLine - 1), slots), slots);
  b.loop(b.i64(0), share, b.i64(1), [&](Value i) {
    Value line = b.add(b.mul(slot, share), i);
    for (Value from : weights) {
      b.prefetch(b.element(from, line, kLine), KernelBuilder::Cache::Second);
    }
  });
}

// ---- floats -----------------------------------------------------------------

void FloatPanelSink::beginGroup(int64_t, int64_t, Value scale, Value offset) {
  groupScale = scale;
  groupOffset = offset;
}

void FloatPanelSink::value(int64_t column, Value q) {
  if (groupScale && groupOffset) {
    q = b.fma(q, groupScale, groupOffset);
  } else if (groupScale) {
    q = b.mul(q, groupScale);
  } else if (groupOffset) {
    q = b.add(q, groupOffset);
  }
  constexpr int64_t kColumnBytes = kRowLanes * 4;
  b.store(
      q, b.offset(b.element(base, cursor, kColumnBytes), column * kColumnBytes),
      64);
}

// ---- bytes ------------------------------------------------------------------

Value BytePanelSink::blockAt(int64_t column, int64_t byte) {
  constexpr int64_t kColumns = kActivationColumns;
  Value block = b.div(cursor, b.i64(kColumns));
  return b.offset(b.element(base, block, kPanelBlockBytes),
                  column / kColumns * kPanelBlockBytes + byte);
}

void BytePanelSink::beginGroup(int64_t first, int64_t count, Value scale,
                               Value offset) {
  constexpr int64_t kColumns = kActivationColumns;
  assert((count == kColumns || count == kColumns / 2) && first % count == 0 &&
         "a group is a block of columns or half of one");
  made.halves = kColumns / count;
  const int64_t half = first % kColumns / count * 4 * kRowLanes;
  if (!scale) {
    scale = b.constant(b.vec(b.f32(), kRowLanes), 1.0);
  }
  b.store(scale, blockAt(first, kPanelScales + half), 64);
  if (offset) {
    made.hasOffset = true;
    b.store(offset, blockAt(first, kPanelOffsets + half), 64);
  }
}

void BytePanelSink::bytes(int64_t column, Value word, int64_t bits, int bias) {
  const int whole = wholeByteBias(b.isa());
  if (whole != 0 && bias != 0 && bias != whole) {
    word = b.add(
        word, b.constant(word.getType(), int64_t{bias - whole} * 0x01010101));
    bits = 8;
    bias = whole;
  }
  made.bits = bits;
  made.bias = bias;
  const int64_t quad = column % static_cast<int64_t>(kActivationColumns) / 4;
  b.store(word, blockAt(column, quad * kPanelQuadBytes), 64);
}

} // namespace air::codegen
