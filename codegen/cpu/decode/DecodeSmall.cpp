//===- DecodeSmall.cpp - one and two bits, ternary, NVFP4 -------*- C++ -*-===//
#include "codegen/cpu/builder/WordMath.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "formats/dtype/ValueTables.h"

namespace air::codegen {

using mlir::Value;

namespace {

/// Half of the unsigned E4M3 scale `bits`, as air::halfOfUe4m3 computes it. The
/// table kE2m1Doubled holds doubled values to compensate. `bits` is below 256.
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

/// Extracts one base-3 digit from each byte of a word. A byte divided by 256 is
/// a fraction. Multiplying the byte by `power`, a power of 3, modulo 256 moves
/// the wanted base-3 digit of the fraction to the first place after the point.
/// Multiplying by 3 then carries this digit out of the byte. `power` has 32
/// lanes of i16.
Value ternaryDigits(KernelBuilder &b, Value word, Value power) {
  // Extracts one digit from the upper byte of each 16-bit lane of `pairs`. The
  // lower bytes must be zero. With a `multiplier` of 3, a lane of the result is
  // the digit. With 3 << 8, the upper byte of the lane is the digit, and its
  // lower byte is unspecified.
  auto digit = [&](Value pairs, int64_t multiplier) {
    Value fraction = b.zeroExtend(b.mul(pairs, power), b.i32());
    Value product = b.mul(fraction, b.constant(fraction.getType(), multiplier));
    return b.truncate(b.shiftRight(product, 16), b.i16());
  };
  Value pairs = b.recast(word, b.i16());
  Value even = digit(b.shiftLeft(pairs, 8), 3);
  Value odd = digit(b.andBits(pairs, int64_t{0xff00}), 3 << 8);
  return b.recast(b.orBits(even, b.andBits(odd, int64_t{0xff00})), b.i32());
}

} // namespace

void decodeQ1x0(const BlockReader &block, DecodeSink &sink) {
  Value d = block.half("d");
  sink.repeat(4, 32, [&](Value turn) {
    sink.group(0, 32, d, {},
               [&] { sink.bitFields(0, block.word("qs", 0, turn)); });
  });
}

void decodeQ2x0(const BlockReader &block, DecodeSink &sink) {
  Value d = sink.fieldScale(block.half("d"), 2);
  sink.repeat(2, 32, [&](Value turn) {
    sink.group(0, 32, d, {}, [&] {
      for (int64_t i = 0; i < 2; ++i) {
        sink.quarterFields(16 * i, block.word("qs", i, turn), -1);
      }
    });
  });
}

void decodeTq1x0(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  Value d = sink.fieldScale(block.half("d"), 2);
  // Emits digit n of every byte of `words`. A word has four columns.
  auto digits = [&](llvm::ArrayRef<Value> words, Value n, int64_t firstColumn) {
    // 3^n for n = 0..4, one per byte.
    Value powers = b.shiftRight(b.i64(0x511b090301), b.mul(n, b.i64(8)));
    Value power = b.splat(b.truncate(b.andBits(powers, int64_t{255}), b.i16()),
                          2 * kRowLanes);
    for (Value word : words) {
      sink.packedFields(firstColumn, ternaryDigits(b, word, power), 2, -1);
      firstColumn += 4;
    }
  };
  const std::array<Value, 8> first = block.words<8>("qs");
  sink.repeat(5, 32, [&](Value n) {
    sink.group(0, 32, d, {}, [&] { digits(first, n, 0); });
  });
  // The last 16 bytes of "qs" hold five planes of 16 columns, and "qh" holds
  // four planes of 4 columns.
  const std::array<Value, 4> last = block.words<4>("qs", 8);
  const Value rest = block.word("qh", 0);
  sink.repeat(
      2, 32,
      [&](Value pair) {
        sink.group(0, 32, d, {}, [&] {
          Value n = b.mul(pair, b.i64(2));
          digits(last, n, 0);
          digits(last, b.add(n, b.i64(1)), 16);
        });
      },
      160);
  sink.group(224, 32, d, {}, [&] {
    digits(last, b.i64(4), 224);
    for (int64_t n = 0; n < 4; ++n) {
      digits(rest, b.i64(n), 240 + 4 * n);
    }
  });
}

void decodeTq2x0(const BlockReader &block, DecodeSink &sink) {
  Value d = sink.fieldScale(block.half("d"), 2);
  // Half of a block has 128 columns in 32 bytes. It consists of four planes of
  // 32 columns. A plane uses the same two bits of each of these bytes.
  sink.repeat(2, 128, [&](Value half) {
    const std::array<Value, 8> words = block.words<8>("qs", 0, half);
    for (int64_t plane = 0; plane < 4; ++plane) {
      sink.group(32 * plane, 32, d, {}, [&] {
        for (int64_t i = 0; i < 8; ++i) {
          sink.fields(32 * plane + 4 * i, words[i], 2 * plane, 2, -1);
        }
      });
    }
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
          sink.nibblesByTable(16 * g + 8 * side + 4 * i, word, 4 * side,
                              kE2m1Doubled);
        }
      }
    });
  }
}

} // namespace air::codegen
