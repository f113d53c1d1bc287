//===- DecodeK.cpp - blocks of 256 with quantised scales --------*- C++ -*-===//
#include "codegen/cpu/builder/WordMath.h"
#include "codegen/cpu/decode/WeightDecoders.h"

namespace air::codegen {

using mlir::Value;

namespace {

int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

/// Bytes 2 * turn and 2 * turn + 1 of "scales", in the low half of each lane.
Value scalePair(const BlockReader &block, Value turn) {
  KernelBuilder &b = block.builder();
  Value word = block.word("scales", 0, b.shiftRight(turn, 1));
  return WordMath(b).shiftedRight(
      word, b.mul(b.andBits(turn, int64_t{1}), b.i64(16)));
}

/// The scales and minima of Q4_K and Q5_K, four bytes per word.
struct ScaleMins {
  std::array<Value, 2> scales; ///< of sub-blocks 0-3 and 4-7
  std::array<Value, 2> mins;
};

/// Unpacks the 12 bytes of "scales", which hold numbers of 6 bits. For
/// sub-blocks 4-7, the two high bits of the numbers are stored in the top bits
/// of the first eight bytes.
ScaleMins scaleMins(const BlockReader &block) {
  KernelBuilder &b = block.builder();
  Value first = block.word("scales", 0);
  Value second = block.word("scales", 1);
  Value third = block.word("scales", 2);
  auto upper = [&](Value low, Value from) {
    return b.orBits(b.andBits(low, everyByte(15)),
                    b.andBits(b.shiftRight(from, 2), everyByte(0x30)));
  };
  return {{b.andBits(first, everyByte(63)), upper(third, first)},
          {b.andBits(second, everyByte(63)),
           upper(b.shiftRight(third, 4), second)}};
}

/// Decodes Q4_K (`bits` is 4) or Q5_K (`bits` is 5). For Q5_K, `fifth` returns
/// the fifth bits of the four elements in word i of a sub-block, each at bit 4
/// of its byte.
void decodeK45(
    const BlockReader &block, DecodeSink &sink, int64_t bits,
    llvm::function_ref<Value(int64_t i, Value chunk, int64_t side)> fifth) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), bits);
  Value dmin = b.negate(block.half("dmin"));
  ScaleMins packed = scaleMins(block);
  // Chunk c is 32 bytes, which hold sub-block 2c in their low nibbles and
  // sub-block 2c + 1 in their high nibbles.
  sink.repeat(4, 64, [&](Value chunk) {
    Value isFirst = b.less(chunk, b.i64(2));
    Value place = b.mul(b.andBits(chunk, int64_t{1}), b.i64(16));
    auto pick = [&](const std::array<Value, 2> &words) {
      return math.shiftedRight(b.select(isFirst, words[0], words[1]), place);
    };
    Value scales = pick(packed.scales);
    Value mins = pick(packed.mins);
    std::array<Value, 8> words;
    for (int64_t i = 0; i < 8; ++i) {
      words[i] = block.word("qs", i, b.mul(chunk, b.i64(8)));
    }
    for (int64_t side = 0; side < 2; ++side) {
      Value scale = b.mul(d, math.toFloat(math.byteOf(scales, side)));
      Value offset = b.mul(dmin, math.toFloat(math.byteOf(mins, side)));
      sink.group(32 * side, 32, scale, offset, [&] {
        for (int64_t i = 0; i < 8; ++i) {
          const int64_t column = 32 * side + 4 * i;
          if (bits == 4) {
            sink.fields(column, words[i], 4 * side, 4, 0);
          } else {
            Value low =
                b.andBits(b.shiftRight(words[i], 4 * side), everyByte(15));
            sink.fields(column, b.orBits(low, fifth(i, chunk, side)), 0, 5, 0);
          }
        }
      });
    }
  });
}

} // namespace

// A block of Q2_K, Q3_K or Q6_K has two halves of 128 columns, and a half has
// four planes of 32 columns. In the decoders of these dtypes, iteration t of
// the loop covers plane t % 4 of half t / 4. Scale 2t belongs to the first 16
// columns of the plane, and scale 2t + 1 to the other 16.

void decodeQ2k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), 2);
  Value dmin = b.negate(block.half("dmin"));
  sink.repeat(8, 32, [&](Value turn) {
    Value half = b.shiftRight(turn, 2);
    Value shift = b.mul(b.andBits(turn, int64_t{3}), b.i64(2));
    Value scales = scalePair(block, turn);
    for (int64_t g = 0; g < 2; ++g) {
      Value scale = b.mul(d, math.toFloat(math.bitsOf(scales, 8 * g, 4)));
      Value offset =
          b.mul(dmin, math.toFloat(math.bitsOf(scales, 8 * g + 4, 4)));
      sink.group(16 * g, 16, scale, offset, [&] {
        for (int64_t i = 4 * g; i < 4 * g + 4; ++i) {
          Value word = block.word("qs", i, b.mul(half, b.i64(8)));
          sink.fields(4 * i, math.shiftedRight(word, shift), 0, 2, 0);
        }
      });
    }
  });
}

void decodeQ3k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), 3);
  // The low four bits of scale j are nibble j / 8 of byte j % 8. Its two high
  // bits are bit pair j / 4 of byte 8 + j % 4.
  Value tops = block.word("scales", 2);
  sink.repeat(8, 32, [&](Value turn) {
    Value half = b.shiftRight(turn, 2);
    Value shift = b.mul(b.andBits(turn, int64_t{3}), b.i64(2));
    // The low four bits of scales 2t and 2t + 1 are nibbles of bytes 2t % 8 and
    // 2t % 8 + 1: the low nibbles for t < 4, the high nibbles for t >= 4.
    Value word =
        block.word("scales", 0, b.andBits(b.shiftRight(turn, 1), int64_t{1}));
    Value place = b.mul(b.andBits(turn, int64_t{1}), b.i64(16));
    Value lows = math.shiftedRight(word, b.add(place, b.mul(half, b.i64(4))));
    Value highs = math.shiftedRight(
        tops, b.add(place, b.mul(b.shiftRight(turn, 1), b.i64(2))));
    for (int64_t g = 0; g < 2; ++g) {
      Value code = b.orBits(math.bitsOf(lows, 8 * g, 4),
                            b.shiftLeft(math.bitsOf(highs, 8 * g, 2), 4));
      code = b.sub(code, b.constant(code.getType(), int64_t{32}));
      sink.group(16 * g, 16, b.mul(d, math.toFloat(code)), {}, [&] {
        for (int64_t i = 4 * g; i < 4 * g + 4; ++i) {
          Value low = math.shiftedRight(
              block.word("qs", i, b.mul(half, b.i64(8))), shift);
          // 4 is subtracted from an element if its bit in "hmask" is clear.
          // Here 4 is always subtracted (the bias), and the bit, as bit 2 of
          // the field, adds 4 if it is set.
          Value top = math.shiftedRight(block.word("hmask", i), turn);
          Value q = b.orBits(b.andBits(low, everyByte(3)),
                             b.shiftLeft(b.andBits(top, everyByte(1)), 2));
          sink.fields(4 * i, q, 0, 3, -4);
        }
      });
    }
  });
}

void decodeQ4k(const BlockReader &block, DecodeSink &sink) {
  decodeK45(block, sink, 4, [](int64_t, Value, int64_t) { return Value(); });
}

void decodeQ5k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  decodeK45(block, sink, 5, [&](int64_t i, Value chunk, int64_t side) {
    // `side` is 0 for the sub-block in the low nibbles of the chunk, and 1 for
    // the one in the high nibbles. The fifth bit of element l of sub-block 2 *
    // chunk + side is bit 2 * chunk + side of byte l of "qh".
    Value high = math.shiftedRight(block.word("qh", i), b.mul(chunk, b.i64(2)));
    return b.andBits(b.shiftLeft(high, 4 - side), everyByte(16));
  });
}

void decodeQ6k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), 6);
  sink.repeat(8, 32, [&](Value turn) {
    // The low four bits of planes 0 and 1 of a half are the low nibbles of 64
    // bytes of "ql", and those of planes 2 and 3 are the high nibbles. "qh"
    // holds the two upper bits of every plane.
    Value half = b.shiftRight(turn, 2);
    Value plane = b.andBits(turn, int64_t{3});
    Value lowWords = b.add(b.mul(half, b.i64(16)),
                           b.mul(b.andBits(turn, int64_t{1}), b.i64(8)));
    Value lowShift = b.mul(b.shiftRight(plane, 1), b.i64(4));
    Value scales = scalePair(block, turn);
    for (int64_t g = 0; g < 2; ++g) {
      Value code = b.shiftRightSigned(b.shiftLeft(scales, 24 - 8 * g), 24);
      sink.group(16 * g, 16, b.mul(d, math.toFloat(code)), {}, [&] {
        for (int64_t i = 4 * g; i < 4 * g + 4; ++i) {
          Value low =
              math.shiftedRight(block.word("ql", i, lowWords), lowShift);
          Value high =
              math.shiftedRight(block.word("qh", i, b.mul(half, b.i64(8))),
                                b.mul(plane, b.i64(2)));
          Value q = b.orBits(b.andBits(low, everyByte(15)),
                             b.shiftLeft(b.andBits(high, everyByte(3)), 4));
          sink.fields(4 * i, q, 0, 6, -32);
        }
      });
    }
  });
}

} // namespace air::codegen
