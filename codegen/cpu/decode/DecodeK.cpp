//===- DecodeK.cpp - blocks of 256 with quantised scales --------*- C++ -*-===//
#include "codegen/cpu/builder/WordMath.h"
#include "codegen/cpu/decode/WeightDecoders.h"

namespace air::codegen {

using mlir::Value;

namespace {

int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

/// The scales and minima of Q4_K and Q5_K, four bytes per word.
struct ScaleMins {
  std::array<Value, 2> scales; ///< one word for sub-blocks 0-3, one for 4-7
  std::array<Value, 2> mins;
};

/// Unpacks the 12 bytes of "scales", which hold a 6-bit scale and a 6-bit
/// minimum for each of eight sub-blocks. For sub-blocks 0-3, the scales are the
/// low six bits of bytes 0-3, and the minima are the low six bits of bytes 4-7.
/// For sub-blocks 4-7, bytes 8-11 hold the low four bits of the scales (in the
/// low nibbles) and of the minima (in the high nibbles); the upper two bits of
/// the scales are the top two bits of bytes 0-3, and the upper two bits of the
/// minima are the top two bits of bytes 4-7.
ScaleMins scaleMins(const BlockReader &block) {
  KernelBuilder &b = block.builder();
  const auto [first, second, third] = block.words<3>("scales");
  auto upper = [&](Value low, Value from) {
    return b.orBits(b.andBits(low, everyByte(15)),
                    b.andBits(b.shiftRight(from, 2), everyByte(0x30)));
  };
  return {{b.andBits(first, everyByte(63)), upper(third, first)},
          {b.andBits(second, everyByte(63)),
           upper(b.shiftRight(third, 4), second)}};
}

/// Decodes Q4_K, or Q5_K if `highs` holds the eight words of "qh".
void decodeK45(DecodeSink &sink, const BlockReader &block, Value d, Value dmin,
               const ScaleMins &packed, llvm::ArrayRef<Value> highs) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  // Each half of a block has four sub-blocks. The first two share a section of
  // "qs", and the last two share the next section. The low nibbles of a section
  // hold the first of its two sub-blocks, and the high nibbles the second.
  auto emitHalf = [&](Value half, int64_t firstColumn) {
    auto pick = [&](const std::array<Value, 2> &words) {
      return b.select(b.less(half, b.i64(1)), words[0], words[1]);
    };
    Value scales = pick(packed.scales);
    Value mins = pick(packed.mins);
    std::array<Value, 8> fifths;
    for (size_t i = 0; i < highs.size(); ++i) {
      fifths[i] = math.shiftedRight(highs[i], b.mul(half, b.i64(4)));
    }
    for (int64_t chunk = 0; chunk < 2; ++chunk) {
      const std::array<Value, 8> words =
          block.words<8>("qs", 0, b.add(b.mul(half, b.i64(2)), b.i64(chunk)));
      for (int64_t side = 0; side < 2; ++side) {
        const int64_t number = 2 * chunk + side;
        Value scale = b.mul(d, math.toFloat(math.byteOf(scales, number)));
        Value offset = b.mul(dmin, math.toFloat(math.byteOf(mins, number)));
        const int64_t first = firstColumn + 32 * number;
        sink.group(first, 32, scale, offset, [&] {
          for (int64_t i = 0; i < 8; ++i) {
            if (highs.empty()) {
              sink.fields(first + 4 * i, words[i], 4 * side, 4, 0);
              continue;
            }
            // Bit n of byte l of `fifths`, with n from 0 to 3, is the fifth
            // bit of element l of this half's sub-block n.
            Value low =
                b.andBits(b.shiftRight(words[i], 4 * side), everyByte(15));
            Value high =
                b.andBits(b.shiftLeft(fifths[i], 4 - number), everyByte(16));
            sink.packedFields(first + 4 * i, b.orBits(low, high), 5, 0);
          }
        });
      }
    }
  };
  // With AVX-512, the code of half a block is short enough to be emitted twice,
  // and then all its shifts are by constants. Otherwise it is emitted once, as
  // the body of a loop over the two halves.
  if (b.isa().hasAvx512) {
    emitHalf(b.i64(0), 0);
    emitHalf(b.i64(1), 128);
  } else {
    sink.repeat(2, 128, [&](Value half) { emitHalf(half, 0); });
  }
}

/// The columns of a block of Q2_K, Q3_K or Q6_K have the order [half 2][plane
/// 4][group 2][16]. Each group of 16 columns has a scale. Returns the first
/// column of a group, counted from the start of its half.
int64_t columnOf(int64_t plane, int64_t group) {
  return 32 * plane + 16 * group;
}

/// The index of a group's scale among the eight scales of its half.
int64_t scaleOf(int64_t plane, int64_t group) { return 2 * plane + group; }

} // namespace

void decodeQ2k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), 2);
  Value dmin = b.negate(block.half("dmin"));
  sink.repeat(2, 128, [&](Value half) {
    const std::array<Value, 2> scales = block.words<2>("scales", 0, half);
    for (int64_t g = 0; g < 2; ++g) {
      const std::array<Value, 4> words = block.words<4>("qs", 4 * g, half);
      for (int64_t plane = 0; plane < 4; ++plane) {
        const int64_t number = scaleOf(plane, g);
        auto bits = [&](int64_t first) {
          return math.toFloat(
              math.bitsOf(scales[number / 4], 8 * (number % 4) + first, 4));
        };
        const int64_t first = columnOf(plane, g);
        sink.group(first, 16, b.mul(d, bits(0)), b.mul(dmin, bits(4)), [&] {
          for (int64_t i = 0; i < 4; ++i) {
            sink.fields(first + 4 * i, words[i], 2 * plane, 2, 0);
          }
        });
      }
    }
  });
}

void decodeQ3k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), 3);
  const std::array<Value, 3> scales = block.words<3>("scales");
  const std::array<Value, 8> masks = block.words<8>("hmask");
  sink.repeat(2, 128, [&](Value half) {
    // The low four bits of scale j of a half are in byte j of "scales": for the
    // first half in the lower nibble, for the second half in the upper one. The
    // two high bits of the scale are in the same nibble of byte 8 + j % 4, as
    // its lower two bits if j < 4 and as its upper two otherwise.
    Value upper = b.mul(half, b.i64(4));
    Value tops = math.shiftedRight(scales[2], upper);
    std::array<Value, 2> codes;
    for (int64_t i = 0; i < 2; ++i) {
      Value low = b.andBits(math.shiftedRight(scales[i], upper), everyByte(15));
      Value high = b.andBits(b.shiftRight(tops, 2 * i), everyByte(3));
      codes[i] = b.orBits(low, b.shiftLeft(high, 4));
    }
    for (int64_t g = 0; g < 2; ++g) {
      const std::array<Value, 4> lows = block.words<4>("qs", 4 * g, half);
      std::array<Value, 4> highs;
      for (int64_t i = 0; i < 4; ++i) {
        highs[i] = math.shiftedRight(masks[4 * g + i], upper);
      }
      for (int64_t plane = 0; plane < 4; ++plane) {
        const int64_t number = scaleOf(plane, g);
        Value code = math.byteOf(codes[number / 4], number % 4);
        code = b.sub(code, b.constant(code.getType(), int64_t{32}));
        const int64_t first = columnOf(plane, g);
        sink.group(first, 16, b.mul(d, math.toFloat(code)), {}, [&] {
          for (int64_t i = 0; i < 4; ++i) {
            Value low =
                b.andBits(b.shiftRight(lows[i], 2 * plane), everyByte(3));
            // An element is reduced by 4 if its bit in "hmask" is clear. Here,
            // the bias reduces every element by 4. The bit from "hmask" becomes
            // bit 2 of the field, which adds 4 if it is set.
            Value top = plane < 2 ? b.shiftLeft(highs[i], 2 - plane)
                                  : b.shiftRight(highs[i], plane - 2);
            Value q = b.orBits(low, b.andBits(top, everyByte(4)));
            sink.packedFields(first + 4 * i, q, 3, -4);
          }
        });
      }
    }
  });
}

void decodeQ4k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  Value d = sink.fieldScale(block.half("d"), 4);
  Value dmin = b.negate(block.half("dmin"));
  decodeK45(sink, block, d, dmin, scaleMins(block), {});
}

void decodeQ5k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  Value d = sink.fieldScale(block.half("d"), 5);
  Value dmin = b.negate(block.half("dmin"));
  const ScaleMins packed = scaleMins(block);
  decodeK45(sink, block, d, dmin, packed, block.words<8>("qh"));
}

void decodeQ6k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), 6);
  sink.repeat(2, 128, [&](Value half) {
    const std::array<Value, 2> scales = block.words<2>("scales", 0, half);
    for (int64_t g = 0; g < 2; ++g) {
      // In each half, 64 bytes of "ql" hold the low four bits: low nibbles for
      // planes 0 and 1, and high nibbles for planes 2 and 3. "qh" holds the two
      // upper bits of every plane.
      const std::array<std::array<Value, 4>, 2> lows = {
          block.words<4>("ql", 4 * g, half),
          block.words<4>("ql", 8 + 4 * g, half)};
      const std::array<Value, 4> highs = block.words<4>("qh", 4 * g, half);
      for (int64_t plane = 0; plane < 4; ++plane) {
        const int64_t number = scaleOf(plane, g);
        Value code = b.shiftRightSigned(
            b.shiftLeft(scales[number / 4], 24 - 8 * (number % 4)), 24);
        const int64_t first = columnOf(plane, g);
        sink.group(first, 16, b.mul(d, math.toFloat(code)), {}, [&] {
          for (int64_t i = 0; i < 4; ++i) {
            Value low = b.andBits(
                b.shiftRight(lows[plane % 2][i], plane / 2 * 4), everyByte(15));
            Value high = plane < 2 ? b.shiftLeft(highs[i], 4 - 2 * plane)
                                   : b.shiftRight(highs[i], 2 * plane - 4);
            Value q = b.orBits(low, b.andBits(high, everyByte(0x30)));
            sink.packedFields(first + 4 * i, q, 6, -32);
          }
        });
      }
    }
  });
}

} // namespace air::codegen
