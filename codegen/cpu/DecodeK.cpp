//===- DecodeK.cpp - blocks of 256 with quantised scales ---------*- C++
//-*-===//
#include "codegen/cpu/WeightDecoders.h"
#include "codegen/cpu/WordMath.h"

namespace air::codegen {

using mlir::Value;

namespace {

int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

/// Scales and minima of Q4_K and Q5_K, four bytes a word.
struct ScaleMins {
  std::array<Value, 2> scales; ///< of sub-blocks 0-3 and 4-7
  std::array<Value, 2> mins;
};

/// The 12 bytes hold six bits each; those of sub-blocks 4-7 have their two high
/// bits at the top of the first eight bytes.
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

/// Q4_K, and Q5_K when `fifth` gives the fifth bits of word i for sub-block
/// `j` at bit 4 of each byte.
void decodeK45(
    const BlockReader &block, DecodeSink &sink, int64_t bits,
    llvm::function_ref<Value(int64_t i, Value chunk, int64_t side)> fifth) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = block.half("d");
  Value dmin = b.negate(block.half("dmin"));
  ScaleMins packed = scaleMins(block);
  // A chunk is 32 bytes: sub-block 2c in the low nibbles, 2c + 1 in the high.
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
          WordMath::Four values;
          if (bits == 4) {
            values = math.byteFields(words[i], 4 * side, 4, 0);
          } else {
            Value low =
                b.andBits(b.shiftRight(words[i], 4 * side), everyByte(15));
            values =
                math.byteFields(b.orBits(low, fifth(i, chunk, side)), 0, 8, 0);
          }
          for (int64_t j = 0; j < 4; ++j) {
            sink.value(32 * side + 4 * i + j, values[j]);
          }
        }
      });
    }
  });
}

} // namespace

void decodeQ2k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = block.half("d");
  Value dmin = b.negate(block.half("dmin"));
  sink.repeat(2, 128, [&](Value half) {
    std::array<Value, 2> scales;
    for (int64_t i = 0; i < 2; ++i) {
      scales[i] = block.word("scales", i, b.mul(half, b.i64(2)));
    }
    std::array<Value, 8> words;
    for (int64_t i = 0; i < 8; ++i) {
      words[i] = block.word("qs", i, b.mul(half, b.i64(8)));
    }
    // 16 elements a scale: four words at one of four shifts.
    for (int64_t g = 0; g < 8; ++g) {
      Value packed = scales[g / 4];
      int64_t at = 8 * (g % 4);
      Value scale = b.mul(d, math.toFloat(math.bitsOf(packed, at, 4)));
      Value offset = b.mul(dmin, math.toFloat(math.bitsOf(packed, at + 4, 4)));
      sink.group(16 * g, 16, scale, offset, [&] {
        for (int64_t i = 0; i < 4; ++i) {
          auto values = math.byteFields(words[g % 2 * 4 + i], g / 2 * 2, 2, 0);
          for (int64_t j = 0; j < 4; ++j) {
            sink.value(16 * g + 4 * i + j, values[j]);
          }
        }
      });
    }
  });
}

void decodeQ3k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = block.half("d");
  // Scale j: its low four bits in a nibble of bytes 0-7, two high bits in bytes
  // 8-11; here four scales a word.
  std::array<Value, 4> scales;
  Value tops = block.word("scales", 2);
  for (int64_t g = 0; g < 4; ++g) {
    Value low = b.andBits(b.shiftRight(block.word("scales", g % 2), g / 2 * 4),
                          everyByte(15));
    Value top =
        g < 2 ? b.shiftLeft(tops, 4 - 2 * g) : b.shiftRight(tops, 2 * g - 4);
    scales[g] = b.orBits(low, b.andBits(top, everyByte(0x30)));
  }
  sink.repeat(2, 128, [&](Value half) {
    Value isFirst = b.equal(half, b.i64(0));
    std::array<Value, 8> words;
    std::array<Value, 8> masks;
    for (int64_t i = 0; i < 8; ++i) {
      words[i] = block.word("qs", i, b.mul(half, b.i64(8)));
      masks[i] =
          math.shiftedRight(block.word("hmask", i), b.mul(half, b.i64(4)));
    }
    for (int64_t g = 0; g < 8; ++g) {
      Value packed = b.select(isFirst, scales[g / 4], scales[2 + g / 4]);
      Value code = math.byteOf(packed, g % 4);
      Value scale = b.mul(
          d,
          math.toFloat(b.sub(code, b.constant(code.getType(), int64_t{32}))));
      int64_t plane = g / 2;
      sink.group(16 * g, 16, scale, {}, [&] {
        for (int64_t i = 0; i < 4; ++i) {
          int64_t w = g % 2 * 4 + i;
          // The mask's bit is set where nothing is subtracted: as bit 2 of the
          // code it adds 4 to what is less 4.
          Value low =
              b.andBits(b.shiftRight(words[w], 2 * plane), everyByte(3));
          Value top = plane < 2 ? b.shiftLeft(masks[w], 2 - plane)
                                : b.shiftRight(masks[w], plane - 2);
          Value q = b.orBits(low, b.andBits(top, everyByte(4)));
          auto values = math.byteFields(q, 0, 3, -4);
          for (int64_t j = 0; j < 4; ++j) {
            sink.value(16 * g + 4 * i + j, values[j]);
          }
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
    // Bit 2c + side of byte l belongs to element l of that sub-block.
    Value high = math.shiftedRight(block.word("qh", i), b.mul(chunk, b.i64(2)));
    return b.andBits(b.shiftLeft(high, 4 - side), everyByte(16));
  });
}

void decodeQ6k(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = block.half("d");
  sink.repeat(2, 128, [&](Value half) {
    std::array<Value, 2> scales;
    for (int64_t i = 0; i < 2; ++i) {
      scales[i] = block.word("scales", i, b.mul(half, b.i64(2)));
    }
    // Quarters 0 and 1 of the half are the low nibbles of its 64 bytes, 2 and 3
    // the high ones; qh gives each quarter two bits. 16 elements a scale.
    for (int64_t g = 0; g < 8; ++g) {
      int64_t quarter = g / 2;
      Value code =
          b.shiftRightSigned(b.shiftLeft(scales[g / 4], 24 - 8 * (g % 4)), 24);
      sink.group(16 * g, 16, b.mul(d, math.toFloat(code)), {}, [&] {
        for (int64_t i = 0; i < 4; ++i) {
          int64_t w = g % 2 * 4 + i;
          Value low =
              block.word("ql", quarter % 2 * 8 + w, b.mul(half, b.i64(16)));
          Value high = block.word("qh", w, b.mul(half, b.i64(8)));
          Value top = quarter < 2 ? b.shiftLeft(high, 4 - 2 * quarter)
                                  : b.shiftRight(high, 2 * quarter - 4);
          Value q = b.orBits(
              b.andBits(b.shiftRight(low, quarter / 2 * 4), everyByte(15)),
              b.andBits(top, everyByte(0x30)));
          auto values = math.byteFields(q, 0, 8, -32);
          for (int64_t j = 0; j < 4; ++j) {
            sink.value(16 * g + 4 * i + j, values[j]);
          }
        }
      });
    }
  });
}

} // namespace air::codegen
