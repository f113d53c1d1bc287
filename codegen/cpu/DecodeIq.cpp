//===- DecodeIq.cpp - indices into grids or a value table -------*- C++ -*-===//
#include "codegen/cpu/ByteProducts.h"
#include "codegen/cpu/CodeBook.h"
#include "codegen/cpu/WeightDecoders.h"
#include "codegen/cpu/WordMath.h"
#include "formats/dtype/IqGrids.h"
#include "formats/dtype/ValueTables.h"

#include <array>
#include <bit>

namespace air::codegen {

using mlir::Value;

namespace {

// What the books of formats/dtype/IqGrids.h consist of.
constexpr int8_t kIq2Values[] = {8, 25, 43};
constexpr int8_t kIq3xxsValues[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr int8_t kIq3sValues[] = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr int8_t kIq1Values[] = {-1, 0, 1};

/// Bits [from, from + bits) of a lane at bit `to`, nothing else.
Value moved(KernelBuilder &b, Value word, int64_t from, int64_t bits,
            int64_t to) {
  Value there =
      to >= from ? b.shiftLeft(word, to - from) : b.shiftRight(word, from - to);
  return b.andBits(there, ((int64_t{1} << bits) - 1) << to);
}

/// Bytes `first` and `first` + 2 of a word, in 16 bits each.
Value everyOtherByte(KernelBuilder &b, Value word, int64_t first) {
  return b.andBits(b.shiftRight(word, 8 * first), int64_t{0x00ff00ff});
}

/// Eight signs a byte out of seven, as air::iqSigns: the last makes their
/// number even.
Value eightSigns(KernelBuilder &b, Value sevens) {
  Value folded = b.xorBits(sevens, b.shiftRight(sevens, 4));
  Value nibbles = b.recast(b.andBits(folded, int64_t{0x0f0f0f0f}), b.i8());
  std::array<int8_t, 16> odd;
  for (unsigned i = 0; i < odd.size(); ++i) {
    odd[i] = std::popcount(i) % 2 == 0 ? 0 : INT8_MIN; // bit 7
  }
  return b.orBits(sevens, b.recast(lookUpBytes(b, nibbles, odd), b.i32()));
}

/// The four sevens of a word, a byte each.
Value sevensOf(KernelBuilder &b, Value word) {
  Value sevens = b.andBits(word, int64_t{127});
  for (int64_t k = 1; k < 4; ++k) {
    sevens = b.orBits(sevens, moved(b, word, 7 * k, 7, 8 * k));
  }
  return sevens;
}

/// Says numbers of a code book that have signs.
class SignedSayer {
public:
  /// Numbers are `values` divided by `divisor`, below 2^(bits - 1).
  SignedSayer(KernelBuilder &builder, DecodeSink &to,
              std::span<const int8_t> values, int divisor, int64_t fieldBits)
      : b(builder), sink(to), bits(fieldBits) {
    for (size_t i = 0; i < values.size(); ++i) {
      raised[i] = static_cast<int8_t>(values[i] / divisor + (1 << (bits - 1)));
    }
  }

  /// Four columns from their places among the values. Byte `byte` of `signs`
  /// has theirs, in its lower or upper half (0, 1).
  void say(int64_t column, Value places, Value signs, int64_t byte,
           int64_t half) {
    Value four = b.recast(
        b.andBits(WordMath(b).spread(signs, byte),
                  half == 0 ? int64_t{0x08040201} : int64_t{0x80402010}),
        b.i8());
    // Raised by a power of two, so that they are unsigned either way.
    Value plus = lookUpBytes(b, b.recast(places, b.i8()), raised);
    Value minus = b.sub(b.constant(plus.getType(), int64_t{1} << bits), plus);
    Value q = b.select(b.equal(four, b.zero(four.getType())), plus, minus);
    sink.bareFields(column, b.recast(q, b.i32()), bits, -(1 << (bits - 1)));
  }

private:
  KernelBuilder &b;
  DecodeSink &sink;
  const int64_t bits;
  std::array<int8_t, 16> raised = {};
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

/// Codes of entries 0 and 2, then 1 and 3: entry k's index is byte k of `lows`,
/// and above it so many bits of `tops` from bit k * step on.
std::array<Value, 2> pairsOfCodes(const CodeBook &book, Value lows, Value tops,
                                  int64_t bits, int64_t step) {
  KernelBuilder &b = book.builder();
  std::array<Value, 2> codes;
  for (int64_t odd = 0; odd < 2; ++odd) {
    Value indices = everyOtherByte(b, lows, odd);
    for (int64_t i = 0; i < 2; ++i) {
      indices = b.orBits(
          indices, moved(b, tops, step * (odd + 2 * i), bits, 8 + 16 * i));
    }
    codes[odd] = book.look(indices);
  }
  return codes;
}

/// Byte `index` (i64) of a field of 32-bit words.
Value byteAt(const BlockReader &block, std::string_view field, Value index) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value word = block.word(field, 0, b.shiftRight(index, 2));
  return math.bitsOf(word, b.mul(b.andBits(index, int64_t{3}), b.i64(8)), 8);
}

/// 16-bit unit `index` of a field of 32-bit words.
Value shortAt(const BlockReader &block, std::string_view field, Value index) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value word = block.word(field, 0, b.shiftRight(index, 1));
  return math.bitsOf(word, b.mul(b.andBits(index, int64_t{1}), b.i64(16)), 16);
}

constexpr double kIq1Delta = 0.125;

} // namespace

void decodeIq2xxs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  const CodeBook book(b, "air_iq2xxs_codes", iq2xxsGrid(), kIq2Values);
  constexpr int64_t kBits = 7;
  SignedSayer sayer(b, sink, kIq2Values, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  sink.repeat(8, 32, [&](Value turn) {
    Value at = b.mul(turn, b.i64(2));
    Value indices = block.word("qs", 0, at);
    Value rest = block.word("qs", 1, at);
    Value signs = eightSigns(b, sevensOf(b, rest));
    Value scale = halfStepScale(b, d, b.shiftRight(rest, 28), 0.25);
    sink.group(0, 32, scale, {}, [&] {
      for (int64_t odd = 0; odd < 2; ++odd) {
        Value codes = book.look(everyOtherByte(b, indices, odd));
        for (int64_t k = odd; k < 4; k += 2) {
          for (int64_t part = 0; part < 2; ++part) {
            sayer.say(8 * k + 4 * part, book.places(codes, k / 2, part), signs,
                      k, part);
          }
        }
      }
    });
  });
}

void decodeIq2xs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const CodeBook book(b, "air_iq2xs_codes", iq2xsGrid(), kIq2Values);
  constexpr int64_t kBits = 7;
  SignedSayer sayer(b, sink, kIq2Values, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  // One word: two entries of eight elements, one scale.
  sink.repeat(8, 32, [&](Value turn) {
    Value at = b.mul(turn, b.i64(2));
    const std::array<Value, 2> words = {block.word("qs", 0, at),
                                        block.word("qs", 1, at)};
    // Bytes 0 and 2 from the first word, 1 and 3 from the second.
    Value signs = eightSigns(
        b, b.orBits(b.andBits(b.shiftRight(words[0], 9), int64_t{0x007f007f}),
                    b.andBits(b.shiftRight(words[1], 1), int64_t{0x7f007f00})));
    Value scales = byteAt(block, "scales", turn);
    for (int64_t i = 0; i < 2; ++i) {
      Value code = math.bitsOf(scales, 4 * i, 4);
      sink.group(16 * i, 16, halfStepScale(b, d, code, 0.25), {}, [&] {
        Value codes = book.look(b.andBits(words[i], int64_t{0x01ff01ff}));
        for (int64_t k = 0; k < 2; ++k) {
          for (int64_t part = 0; part < 2; ++part) {
            sayer.say(16 * i + 8 * k + 4 * part, book.places(codes, k, part),
                      signs, i + 2 * k, part);
          }
        }
      });
    }
  });
}

void decodeIq2s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const CodeBook book(b, "air_iq2s_codes", iq2sGrid(), kIq2Values);
  constexpr int64_t kBits = 7;
  SignedSayer sayer(b, sink, kIq2Values, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  sink.repeat(8, 32, [&](Value turn) {
    Value signs = block.word("signs", 0, turn);
    Value scales = byteAt(block, "scales", turn);
    const std::array<Value, 2> codes = pairsOfCodes(
        book, block.word("qs", 0, turn), byteAt(block, "qh", turn), 2, 2);
    for (int64_t i = 0; i < 2; ++i) {
      Value code = math.bitsOf(scales, 4 * i, 4);
      sink.group(16 * i, 16, halfStepScale(b, d, code, 0.25), {}, [&] {
        for (int64_t k = 2 * i; k < 2 * i + 2; ++k) {
          for (int64_t part = 0; part < 2; ++part) {
            sayer.say(8 * k + 4 * part, book.places(codes[k % 2], i, part),
                      signs, k, part);
          }
        }
      });
    }
  });
}

void decodeIq3xxs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  const CodeBook book(b, "air_iq3xxs_codes", iq3xxsGrid(), kIq3xxsValues);
  // All of them are even.
  constexpr int64_t kBits = 6;
  SignedSayer sayer(b, sink, kIq3xxsValues, 2, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  sink.repeat(8, 32, [&](Value turn) {
    Value rest = block.word("gas", 0, turn);
    Value signs = eightSigns(b, sevensOf(b, rest));
    Value scale = halfStepScale(b, d, b.shiftRight(rest, 28), 1);
    sink.group(0, 32, scale, {}, [&] {
      for (int64_t i = 0; i < 2; ++i) {
        Value indices = block.word("qs", i, b.mul(turn, b.i64(2)));
        for (int64_t odd = 0; odd < 2; ++odd) {
          Value codes = book.look(everyOtherByte(b, indices, odd));
          for (int64_t k = 0; k < 2; ++k) {
            sayer.say(16 * i + 8 * k + 4 * odd, book.places(codes, k, 0), signs,
                      2 * i + k, odd);
          }
        }
      }
    });
  });
}

void decodeIq3s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const CodeBook book(b, "air_iq3s_codes", iq3sGrid(), kIq3sValues);
  constexpr int64_t kBits = 5;
  SignedSayer sayer(b, sink, kIq3sValues, 1, kBits);
  Value d = sink.fieldScale(block.half("d"), kBits);
  Value scales = block.word("scales", 0);
  sink.repeat(8, 32, [&](Value turn) {
    Value tops = byteAt(block, "qh", turn);
    Value signs = block.word("signs", 0, turn);
    Value code = math.bitsOf(scales, b.mul(turn, b.i64(4)), 4);
    sink.group(0, 32, oddScale(b, d, code), {}, [&] {
      for (int64_t i = 0; i < 2; ++i) {
        Value indices = block.word("qs", i, b.mul(turn, b.i64(2)));
        const std::array<Value, 2> codes =
            pairsOfCodes(book, indices, b.shiftRight(tops, 4 * i), 1, 1);
        for (int64_t k = 0; k < 4; ++k) {
          sayer.say(16 * i + 4 * k, book.places(codes[k % 2], k / 2, 0), signs,
                    2 * i + k / 2, k % 2);
        }
      }
    });
  });
}

void decodeIq1s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const CodeBook book(b, "air_iq1s_codes", iq1sGrid(), kIq1Values);
  Value d = block.half("d");
  sink.repeat(8, 32, [&](Value turn) {
    Value qh = shortAt(block, "qh", turn);
    Value scale = oddScale(b, d, math.bitsOf(qh, 12, 3));
    Value delta = b.constant(scale.getType(), kIq1Delta);
    Value offset = b.mul(scale, math.withSign(delta, qh, 15));
    const std::array<Value, 2> codes =
        pairsOfCodes(book, block.word("qs", 0, turn), qh, 3, 3);
    sink.group(0, 32, sink.fieldScale(scale, 2), offset, [&] {
      for (int64_t k = 0; k < 4; ++k) {
        for (int64_t part = 0; part < 2; ++part) {
          sink.bareFields(8 * k + 4 * part,
                          book.places(codes[k % 2], k / 2, part), 2, -1);
        }
      }
    });
  });
}

void decodeIq1m(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  const CodeBook book(b, "air_iq1s_codes", iq1sGrid(), kIq1Values);
  // The block's f16 scale lies in the top nibbles of the four scale words.
  Value half;
  for (int64_t w = 0; w < 4; ++w) {
    Value nibble =
        math.bitsOf(block.word("scales", w / 2), 16 * (w % 2) + 12, 4);
    nibble = b.shiftLeft(nibble, 4 * w);
    half = half ? b.orBits(half, nibble) : nibble;
  }
  // Numbers are eighths: a digit and a delta of 1/8, raised by 16.
  constexpr int64_t kBits = 5;
  constexpr std::array<int8_t, 16> kPlus = {16 - 8 + 1, 16 + 1, 16 + 8 + 1};
  Value d =
      b.floatExtend(b.bitcast(b.truncate(half, b.i16()), b.f16()), b.f32());
  d = sink.fieldScale(b.mul(d, b.constant(d.getType(), kIq1Delta)), kBits);
  sink.repeat(8, 32, [&](Value turn) {
    // Four nibbles: three index bits and the delta's sign of an entry each.
    Value tops = shortAt(block, "qh", turn);
    Value scales = shortAt(block, "scales", b.shiftRight(turn, 1));
    scales =
        math.shiftedRight(scales, b.mul(b.andBits(turn, int64_t{1}), b.i64(6)));
    const std::array<Value, 2> codes =
        pairsOfCodes(book, block.word("qs", 0, turn), tops, 3, 4);
    for (int64_t i = 0; i < 2; ++i) {
      Value scale = oddScale(b, d, math.bitsOf(scales, 3 * i, 3));
      sink.group(16 * i, 16, scale, {}, [&] {
        Value nibbles = math.spread(tops, i);
        for (int64_t k = 2 * i; k < 2 * i + 2; ++k) {
          Value sign =
              b.recast(b.andBits(nibbles, k % 2 == 0 ? int64_t{0x08080808}
                                                     : int64_t{0x80808080}),
                       b.i8());
          Value isPlus = b.equal(sign, b.zero(sign.getType()));
          for (int64_t part = 0; part < 2; ++part) {
            Value places = book.places(codes[k % 2], i, part);
            Value plus = lookUpBytes(b, b.recast(places, b.i8()), kPlus);
            Value minus = b.sub(plus, b.constant(plus.getType(), int64_t{2}));
            Value q = b.select(isPlus, plus, minus);
            sink.bareFields(8 * k + 4 * part, b.recast(q, b.i32()), kBits, -16);
          }
        }
      });
    }
  });
}

void decodeIq4xs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Value d = block.half("d");
  Value lows = block.word("scales_l", 0);
  Value highs = b.zeroExtend(block.unit("scales_h", 0), b.i32());
  sink.repeat(8, 32, [&](Value turn) {
    Value low = math.bitsOf(lows, b.mul(turn, b.i64(4)), 4);
    Value high = math.bitsOf(highs, b.mul(turn, b.i64(2)), 2);
    Value code = b.sub(b.orBits(low, b.shiftLeft(high, 4)),
                       b.constant(low.getType(), int64_t{32}));
    sink.group(0, 32, b.mul(d, math.toFloat(code)), {}, [&] {
      for (int64_t i = 0; i < 4; ++i) {
        Value word = block.word("qs", i, b.mul(turn, b.i64(4)));
        for (int64_t side = 0; side < 2; ++side) {
          sink.nibblesThrough(16 * side + 4 * i, word, 4 * side, kIq4Values);
        }
      }
    });
  });
}

} // namespace air::codegen
