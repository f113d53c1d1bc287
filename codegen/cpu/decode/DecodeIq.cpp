//===- DecodeIq.cpp - indices into grids or a value table -------*- C++ -*-===//
#include "codegen/cpu/builder/WordMath.h"
#include "codegen/cpu/decode/Codebook.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/Int8Dot.h"
#include "formats/dtype/IqGrids.h"
#include "formats/dtype/ValueTables.h"

#include <array>
#include <bit>

namespace air::codegen {

using mlir::Value;

namespace {

// The values that occur in the codebooks of formats/dtype/IqGrids.h.
constexpr int8_t kIq2Values[] = {8, 25, 43};
constexpr int8_t kIq3xxsValues[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr int8_t kIq3sValues[] = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr int8_t kIq1Values[] = {-1, 0, 1};

/// Extends seven sign bits per byte to eight, as air::iqSigns does: the eighth
/// makes the number of negative signs even.
Value eightSigns(KernelBuilder &b, Value sevens) {
  Value folded = b.xorBits(sevens, b.shiftRight(sevens, 4));
  Value nibbles = b.recast(b.andBits(folded, int64_t{0x0f0f0f0f}), b.i8());
  std::array<int8_t, 16> odd;
  for (unsigned i = 0; i < odd.size(); ++i) {
    odd[i] = std::popcount(i) % 2 == 0 ? 0 : INT8_MIN; // INT8_MIN sets bit 7
  }
  return b.orBits(sevens, b.recast(lookUpInt8(b, nibbles, odd), b.i32()));
}

/// Emits elements of a codebook entry, with their signs applied.
class SignedEmitter {
public:
  /// The sink gets value / divisor as an integer of `fieldBits` bits. The
  /// magnitude of the quotient must be below 2^(fieldBits - 1).
  SignedEmitter(const Codebook &numbers, DecodeSink &to,
                std::span<const int8_t> values, int divisor, int64_t fieldBits)
      : book(numbers), sink(to), bits(fieldBits) {
    // The tables hold the values plus a bias of 2^(bits - 1), so that values of
    // either sign become unsigned.
    for (size_t i = 0; i < values.size(); ++i) {
      plus[i] = static_cast<int8_t>((1 << (bits - 1)) + values[i] / divisor);
      minus[i] = static_cast<int8_t>((1 << (bits - 1)) - values[i] / divisor);
    }
  }

  /// Emits four elements of an entry. Their signs are bits [firstSign,
  /// firstSign + 4) of `signs`.
  void emit(int64_t column, const Codebook::Codes &codes, int64_t entry,
            int64_t part, Value signs, int64_t firstSign) {
    sink.packedFields(
        column,
        book.numbers(codes, entry, part, {signs, firstSign}, plus, minus), bits,
        -(1 << (bits - 1)));
  }

private:
  const Codebook &book;
  DecodeSink &sink;
  const int64_t bits;
  Codebook::Table plus = {};
  Codebook::Table minus = {};
};

/// d * (0.5 + code) * factor.
Value halfStepScale(KernelBuilder &b, Value d, Value code, double factor) {
  Value step = b.mul(d, b.constant(d.getType(), factor));
  Value half = b.mul(d, b.constant(d.getType(), factor / 2));
  return b.fma(b.signedToFloat(code, b.f32()), step, half);
}

/// d * (2 * code + 1).
Value oddScale(KernelBuilder &b, Value d, Value code) {
  return halfStepScale(b, d, code, 2);
}

/// Byte `index` (i64, 0 to 7) of the eight bytes of two words.
Value byteAt(KernelBuilder &b, const std::array<Value, 2> &words, Value index) {
  Value word = b.select(b.less(index, b.i64(4)), words[0], words[1]);
  return WordMath(b).bitsOf(word, b.mul(b.andBits(index, int64_t{3}), b.i64(8)),
                            8);
}

constexpr double kIq1Delta = 0.125;

} // namespace

void decodeIq2xxs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const Codebook book(b, "air_iq2xxs_codes", iq2xxsGrid(), kIq2Values);
  constexpr int64_t kBits = 7;
  SignedEmitter emitter(book, sink, kIq2Values, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  sink.repeat(8, 32, [&](Value turn) {
    const auto [indices, rest] = block.words<2>("qs", 0, turn);
    const Codebook::Codes codes = book.lookUp(indices, {});
    Value signs = eightSigns(b, math.apart(rest, 7, 7));
    Value scale = halfStepScale(b, d, b.shiftRight(rest, 28), 0.25);
    sink.group(0, 32, scale, {}, [&] {
      for (int64_t column = 0; column < 32; column += 4) {
        emitter.emit(column, codes, column / 8, column / 4 % 2, signs, column);
      }
    });
  });
}

void decodeIq2xs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const Codebook book(b, "air_iq2xs_codes", iq2xsGrid(), kIq2Values);
  constexpr int64_t kBits = 7;
  SignedEmitter emitter(book, sink, kIq2Values, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  const std::array<Value, 2> scaleWords = block.words<2>("scales");
  sink.repeat(8, 32, [&](Value turn) {
    // A word has 16 bits for each of two entries of eight elements: an index of
    // nine bits and seven sign bits. The 16 elements of a word share one scale.
    // Entries 0 and 2 of the look-up are those of `first`, and entries 1 and 3
    // are those of `second`.
    const auto [first, second] = block.words<2>("qs", 0, turn);
    auto bytes = [&](Value even, Value odd, int64_t mask) {
      return b.orBits(b.andBits(even, mask), b.andBits(odd, mask << 8));
    };
    Value lows = bytes(first, b.shiftLeft(second, 8), 0x00ff00ff);
    Value tops = bytes(b.shiftRight(first, 8), second, 0x00010001);
    Value signs = eightSigns(
        b, bytes(b.shiftRight(first, 9), b.shiftRight(second, 1), 0x007f007f));
    Value scales = byteAt(b, scaleWords, turn);
    const Codebook::Codes codes = book.lookUp(lows, tops);
    for (int64_t i = 0; i < 2; ++i) {
      Value code = math.bitsOf(scales, 4 * i, 4);
      sink.group(16 * i, 16, halfStepScale(b, d, code, 0.25), {}, [&] {
        for (int64_t column = 0; column < 16; column += 4) {
          const int64_t entry = i + column / 8 * 2;
          const int64_t part = column / 4 % 2;
          emitter.emit(16 * i + column, codes, entry, part, signs,
                       8 * entry + 4 * part);
        }
      });
    }
  });
}

void decodeIq2s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const Codebook book(b, "air_iq2s_codes", iq2sGrid(), kIq2Values);
  constexpr int64_t kBits = 7;
  SignedEmitter emitter(book, sink, kIq2Values, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  const std::array<Value, 2> scaleWords = block.words<2>("scales");
  const std::array<Value, 2> topWords = block.words<2>("qh");
  sink.repeat(8, 32, [&](Value turn) {
    Value signs = block.word("signs", 0, turn);
    Value scales = byteAt(b, scaleWords, turn);
    const Codebook::Codes codes = book.lookUp(
        block.word("qs", 0, turn), math.apart(byteAt(b, topWords, turn), 2, 2));
    for (int64_t i = 0; i < 2; ++i) {
      Value code = math.bitsOf(scales, 4 * i, 4);
      sink.group(16 * i, 16, halfStepScale(b, d, code, 0.25), {}, [&] {
        for (int64_t column = 16 * i; column < 16 * i + 16; column += 4) {
          emitter.emit(column, codes, column / 8, column / 4 % 2, signs,
                       column);
        }
      });
    }
  });
}

void decodeIq3xxs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const Codebook book(b, "air_iq3xxs_codes", iq3xxsGrid(), kIq3xxsValues);
  // All values of the codebook are even. A field holds half of a value, which
  // takes 6 bits, the sign included.
  constexpr int64_t kBits = 6;
  SignedEmitter emitter(book, sink, kIq3xxsValues, 2, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  sink.repeat(8, 32, [&](Value turn) {
    Value rest = block.word("gas", 0, turn);
    Value signs = eightSigns(b, math.apart(rest, 7, 7));
    Value scale = halfStepScale(b, d, b.shiftRight(rest, 28), 1);
    sink.group(0, 32, scale, {}, [&] {
      for (int64_t i = 0; i < 2; ++i) {
        const Codebook::Codes codes =
            book.lookUp(block.word("qs", i, turn), {});
        for (int64_t k = 0; k < 4; ++k) {
          const int64_t column = 16 * i + 4 * k;
          emitter.emit(column, codes, k, 0, signs, column);
        }
      }
    });
  });
}

void decodeIq3s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const Codebook book(b, "air_iq3s_codes", iq3sGrid(), kIq3sValues);
  constexpr int64_t kBits = 5;
  SignedEmitter emitter(book, sink, kIq3sValues, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  Value scales = block.word("scales", 0);
  const std::array<Value, 2> topWords = block.words<2>("qh");
  sink.repeat(8, 32, [&](Value turn) {
    Value tops = byteAt(b, topWords, turn);
    Value signs = block.word("signs", 0, turn);
    Value code = math.bitsOf(scales, b.mul(turn, b.i64(4)), 4);
    sink.group(0, 32, oddScale(b, d, code), {}, [&] {
      for (int64_t i = 0; i < 2; ++i) {
        const Codebook::Codes codes =
            book.lookUp(block.word("qs", i, turn),
                        math.apart(b.shiftRight(tops, 4 * i), 1, 1));
        for (int64_t k = 0; k < 4; ++k) {
          const int64_t column = 16 * i + 4 * k;
          emitter.emit(column, codes, k, 0, signs, column);
        }
      }
    });
  });
}

void decodeIq1s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const Codebook book(b, "air_iq1s_codes", iq1sGrid(), kIq1Values);
  Value d = block.half("d");
  sink.repeat(4, 64, [&](Value pair) {
    // For every 32 columns, `high` holds 16 bits: three upper bits of the index
    // of each of four codebook entries, three bits of the scale, and the sign
    // of the delta.
    Value high = block.word("qh", 0, pair);
    for (int64_t side = 0; side < 2; ++side) {
      const int64_t bit = 16 * side;
      Value scale = oddScale(b, d, math.bitsOf(high, bit + 12, 3));
      Value delta = b.constant(scale.getType(), kIq1Delta);
      Value offset = b.mul(scale, math.withSign(delta, high, bit + 15));
      const Codebook::Codes codes =
          book.lookUp(block.word("qs", side, pair),
                      math.apart(b.shiftRight(high, bit), 3, 3));
      sink.group(32 * side, 32, sink.fieldScale(scale, 2), offset, [&] {
        for (int64_t column = 0; column < 32; column += 4) {
          sink.packedFields(
              32 * side + column,
              book.valueIndices(codes, column / 8, column / 4 % 2), 2, -1);
        }
      });
    }
  });
}

void decodeIq1m(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const Codebook book(b, "air_iq1s_codes", iq1sGrid(), kIq1Values);
  const std::array<Value, 2> scaleWords = block.words<2>("scales");
  // The block's f16 scale is stored in the top nibbles of the four 16-bit units
  // of "scales", one nibble in each.
  Value half;
  for (int64_t w = 0; w < 4; ++w) {
    Value nibble = math.bitsOf(scaleWords[w / 2], 16 * (w % 2) + 12, 4);
    nibble = b.shiftLeft(nibble, 4 * w);
    half = half ? b.orBits(half, nibble) : nibble;
  }
  // A value is -1, 0 or 1, plus or minus a delta of 1/8. Fields hold it in
  // units of 1/8, with a bias of 16 added.
  constexpr int64_t kBits = 5;
  constexpr Codebook::Table kPlus = {16 - 8 + 1, 16 + 1, 16 + 8 + 1};
  constexpr Codebook::Table kMinus = {16 - 8 - 1, 16 - 1, 16 + 8 - 1};
  Value d =
      b.floatExtend(b.bitcast(b.truncate(half, b.i16()), b.f16()), b.f32());
  d = sink.fieldScale(b.mul(d, b.constant(d.getType(), kIq1Delta)), kBits);
  sink.repeat(4, 64, [&](Value pair) {
    // For every 32 columns, `high` holds four nibbles, one for each codebook
    // entry. A nibble has three bits of the entry's index and the sign of its
    // delta.
    Value high = block.word("qh", 0, pair);
    Value scales = math.shiftedRight(
        b.select(b.less(pair, b.i64(2)), scaleWords[0], scaleWords[1]),
        b.mul(b.andBits(pair, int64_t{1}), b.i64(16)));
    for (int64_t side = 0; side < 2; ++side) {
      const int64_t bit = 16 * side;
      const Codebook::Codes codes =
          book.lookUp(block.word("qs", side, pair),
                      math.apart(b.shiftRight(high, bit), 4, 3));
      for (int64_t i = 0; i < 2; ++i) {
        Value scale = oddScale(b, d, math.bitsOf(scales, 6 * side + 3 * i, 3));
        const int64_t first = 32 * side + 16 * i;
        sink.group(first, 16, scale, {}, [&] {
          for (int64_t column = 0; column < 16; column += 4) {
            const int64_t entry = 2 * i + column / 8;
            const Codebook::Choice sign = {high, bit + 4 * entry + 3, true};
            sink.packedFields(
                first + column,
                book.numbers(codes, entry, column / 4 % 2, sign, kPlus, kMinus),
                kBits, -16);
          }
        });
      }
    }
  });
}

void decodeIq4xs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = block.half("d");
  Value highs = b.zeroExtend(block.unit("scales_h", 0), b.i32());
  Value lows = block.word("scales_l", 0);
  sink.repeat(8, 32, [&](Value turn) {
    Value low = math.bitsOf(lows, b.mul(turn, b.i64(4)), 4);
    Value high = math.bitsOf(highs, b.mul(turn, b.i64(2)), 2);
    Value code = b.sub(b.orBits(low, b.shiftLeft(high, 4)),
                       b.constant(low.getType(), int64_t{32}));
    sink.group(0, 32, b.mul(d, math.toFloat(code)), {}, [&] {
      for (int64_t i = 0; i < 4; ++i) {
        Value word = block.word("qs", i, turn);
        for (int64_t side = 0; side < 2; ++side) {
          sink.nibblesByTable(16 * side + 4 * i, word, 4 * side, kIq4Values);
        }
      }
    });
  });
}

} // namespace air::codegen
