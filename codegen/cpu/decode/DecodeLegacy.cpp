//===- DecodeLegacy.cpp - blocks of 32 with one scale -----------*- C++ -*-===//
//
// In the dtypes with four or five bits per element, the low nibble of byte j of
// "qs" holds the low four bits of element j, and the high nibble holds the low
// four bits of element j + 16.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/builder/WordMath.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "formats/dtype/ValueTables.h"

namespace air::codegen {

using mlir::Value;

namespace {

/// Emits the 32 columns that are stored as nibbles in four words of "qs".
void emitNibbles(const BlockReader &block, DecodeSink &sink, int bias) {
  for (int64_t i = 0; i < 4; ++i) {
    Value word = block.word("qs", i);
    sink.fields(4 * i, word, 0, 4, bias);
    sink.fields(16 + 4 * i, word, 4, 4, bias);
  }
}

void emitNibblesByTable(const BlockReader &block, DecodeSink &sink,
                        const std::array<int8_t, 16> &table) {
  for (int64_t i = 0; i < 4; ++i) {
    Value word = block.word("qs", i);
    sink.nibblesByTable(4 * i, word, 0, table);
    sink.nibblesByTable(16 + 4 * i, word, 4, table);
  }
}

/// Emits 32 columns of five bits. The low four bits of element j are a nibble
/// of "qs", and the fifth is bit j of "qh".
void emitFiveBits(const BlockReader &block, DecodeSink &sink, int bias) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value high = block.word("qh", 0);
  for (int64_t i = 0; i < 4; ++i) {
    Value word = block.word("qs", i);
    for (int64_t side = 0; side < 2; ++side) {
      const int64_t column = 16 * side + 4 * i;
      // Multiplying by 2^4 * (1 + 2^7 + 2^14 + 2^21) copies bit j of `four` to
      // bit 4 of byte j, and no other copy of a bit reaches bit 4 of a byte.
      Value four = math.bitsOf(high, column, 4);
      Value spread =
          b.mul(four, b.constant(four.getType(), int64_t{0x02040810}));
      Value low = b.andBits(b.shiftRight(word, 4 * side), int64_t{0x0f0f0f0f});
      Value q = b.orBits(low, b.andBits(spread, int64_t{0x10101010}));
      sink.fields(column, q, 0, 5, bias);
    }
  }
}

/// Half of the E8M0 scale `e`, as air::halfOfE8m0 computes it. The table
/// kE2m1Doubled holds doubled values to compensate.
Value halfOfE8m0(KernelBuilder &b, Value e) {
  auto number = [&](int64_t value) { return b.constant(e.getType(), value); };
  Value tiny = b.shiftLeft(number(0x00200000), e);
  Value normal = b.shiftLeft(b.sub(e, number(1)), 23);
  return b.bitcast(b.select(b.less(e, number(2)), tiny, normal), b.f32());
}

} // namespace

void decodeQ4x0(const BlockReader &block, DecodeSink &sink) {
  Value scale = sink.fieldScale(block.half("d"), 4);
  sink.group(0, 32, scale, {}, [&] { emitNibbles(block, sink, -8); });
}

void decodeQ4x1(const BlockReader &block, DecodeSink &sink) {
  Value scale = sink.fieldScale(block.half("d"), 4);
  sink.group(0, 32, scale, block.half("m"),
             [&] { emitNibbles(block, sink, 0); });
}

void decodeQ5x0(const BlockReader &block, DecodeSink &sink) {
  Value scale = sink.fieldScale(block.half("d"), 5);
  sink.group(0, 32, scale, {}, [&] { emitFiveBits(block, sink, -16); });
}

void decodeQ5x1(const BlockReader &block, DecodeSink &sink) {
  Value scale = sink.fieldScale(block.half("d"), 5);
  sink.group(0, 32, scale, block.half("m"),
             [&] { emitFiveBits(block, sink, 0); });
}

void decodeQ8x0(const BlockReader &block, DecodeSink &sink) {
  sink.group(0, 32, sink.fieldScale(block.half("d"), 8), {}, [&] {
    for (int64_t i = 0; i < 8; ++i) {
      sink.signedFields(4 * i, block.word("qs", i));
    }
  });
}

void decodeIq4nl(const BlockReader &block, DecodeSink &sink) {
  sink.group(0, 32, block.half("d"), {},
             [&] { emitNibblesByTable(block, sink, kIq4Values); });
}

void decodeMxfp4(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  Value scale = halfOfE8m0(b, b.zeroExtend(block.unit("e", 0), b.i32()));
  sink.group(0, 32, scale, {},
             [&] { emitNibblesByTable(block, sink, kE2m1Doubled); });
}

} // namespace air::codegen
