//===- DecodeSmall.cpp - one and two bits, ternary, NVFP4 -------*- C++ -*-===//
#include "codegen/cpu/WeightDecoders.h"
#include "codegen/cpu/WordMath.h"
#include "formats/dtype/ValueTables.h"

namespace air::codegen {

using mlir::Value;

namespace {

/// Half of an unsigned E4M3 scale, as air::halfOfUe4m3; `bits` below 256.
Value halfOfUe4m3(KernelBuilder &b, Value bits) {
  auto number = [&](int64_t value) {
    return b.constant(bits.getType(), value);
  };
  Value code = b.andBits(bits, int64_t{127});
  Value normal = b.bitcast(
      b.add(b.shiftLeft(code, 20), number(int64_t{119} << 23)), b.f32());
  Value tiny = b.signedToFloat(code, b.f32());
  tiny = b.mul(tiny, b.constant(tiny.getType(), 0x1p-10));
  Value value = b.select(b.less(code, number(8)), tiny, normal);
  return b.select(b.equal(bits, number(127)), b.zero(value.getType()), value);
}

/// Digit of a byte that holds base-3 digits as a fraction of 256: times
/// `power`, modulo 256, brings the digit to the top; times 3, it is the carry.
Value ternaryDigit(KernelBuilder &b, Value byte, Value power) {
  Value fraction = b.andBits(b.mul(byte, power), int64_t{255});
  Value digit =
      b.shiftRight(b.mul(fraction, b.constant(byte.getType(), int64_t{3})), 8);
  digit = b.sub(digit, b.constant(byte.getType(), int64_t{1}));
  return b.signedToFloat(digit, b.f32());
}

} // namespace

void decodeQ1x0(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = block.half("d");
  sink.repeat(4, 32, [&](Value turn) {
    // A bit that is set means +1: the opposite of a sign.
    Value bits = block.word("qs", 0, turn);
    Value minusOne = b.constant(b.vec(b.f32(), kRowLanes), -1.0);
    sink.group(0, 32, d, {}, [&] {
      for (int64_t j = 0; j < 32; ++j) {
        sink.value(j, math.withSign(minusOne, bits, j));
      }
    });
  });
}

void decodeQ2x0(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = math.fieldScale(block.half("d"), 2);
  sink.repeat(4, 16, [&](Value turn) {
    Value word = block.word("qs", 0, turn);
    sink.group(0, 16, d, {}, [&] {
      for (int64_t place = 0; place < 4; ++place) {
        auto values = math.byteFields(word, 2 * place, 2, -1);
        for (int64_t j = 0; j < 4; ++j) {
          sink.value(4 * j + place, values[j]);
        }
      }
    });
  });
}

void decodeTq1x0(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  // 3^n for n = 0..4, a byte each.
  constexpr int64_t kPowers = 0x511b090301;
  auto digits = [&](std::string_view field, int64_t firstWord, int64_t words,
                    Value power) {
    Value splat = b.splat(b.truncate(power, b.i32()), kRowLanes);
    for (int64_t i = 0; i < words; ++i) {
      Value word = block.word(field, firstWord + i);
      for (int64_t j = 0; j < 4; ++j) {
        sink.value(4 * i + j, ternaryDigit(b, math.byteOf(word, j), splat));
      }
    }
  };
  auto powerOf = [&](Value n) {
    Value shifted = b.shiftRight(b.i64(kPowers), b.mul(n, b.i64(8)));
    return b.andBits(shifted, int64_t{255});
  };
  Value d = block.half("d");
  auto plane = [&](int64_t count, std::string_view field, int64_t firstWord,
                   int64_t words, int64_t firstColumn) {
    sink.repeat(
        count, 4 * words,
        [&](Value n) {
          sink.group(0, 4 * words, d, {},
                     [&] { digits(field, firstWord, words, powerOf(n)); });
        },
        firstColumn);
  };
  plane(5, "qs", 0, 8, 0);
  plane(5, "qs", 8, 4, 160);
  plane(4, "qh", 0, 1, 240);
}

void decodeTq2x0(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = sink.fieldScale(block.half("d"), 2);
  // Turn t is plane t % 4 of half t / 4.
  sink.repeat(8, 32, [&](Value turn) {
    Value words = b.mul(b.shiftRight(turn, 2), b.i64(8));
    Value shift = b.mul(b.andBits(turn, int64_t{3}), b.i64(2));
    sink.group(0, 32, d, {}, [&] {
      for (int64_t i = 0; i < 8; ++i) {
        Value word = math.shiftedRight(block.word("qs", i, words), shift);
        sink.fields(4 * i, word, 0, 2, -1);
      }
    });
  });
}

void decodeNvfp4(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value scales = block.word("d", 0);
  for (int64_t g = 0; g < 4; ++g) {
    Value scale = halfOfUe4m3(b, math.byteOf(scales, g));
    sink.group(16 * g, 16, scale, {}, [&] {
      for (int64_t i = 0; i < 2; ++i) {
        Value word = block.word("qs", 2 * g + i);
        for (int64_t side = 0; side < 2; ++side) {
          sink.nibblesThrough(16 * g + 8 * side + 4 * i, word, 4 * side,
                              kE2m1Doubled);
        }
      }
    });
  }
}

} // namespace air::codegen
