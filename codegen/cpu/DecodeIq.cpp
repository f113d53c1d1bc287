//===- DecodeIq.cpp - indices into grids or a value table -------*- C++ -*-===//
#include "codegen/cpu/WeightDecoders.h"
#include "codegen/cpu/WordMath.h"
#include "formats/dtype/IqGrids.h"
#include "formats/dtype/ValueTables.h"

#include <cstring>

namespace air::codegen {

using mlir::Value;

namespace {

/// A code book in the object's read-only data.
class Grid {
public:
  template <typename Entry>
  Grid(KernelBuilder &builder, const char *name, std::span<const Entry> entries)
      : b(builder), entryBytes(sizeof(Entry)) {
    std::vector<uint8_t> bytes(entries.size_bytes());
    std::memcpy(bytes.data(), entries.data(), bytes.size());
    base = b.table(name, bytes);
  }

  /// Elements 4 * part to 4 * part + 3 of entry `index`, a byte each.
  Value look(Value index, int64_t part) const {
    return b.gather(b.i32(), b.offset(base, 4 * part), index, entryBytes);
  }

private:
  KernelBuilder &b;
  int64_t entryBytes;
  Value base;
};

/// The eight signs of seven bits, as air::iqSigns: the last makes their number
/// even.
Value eightSigns(KernelBuilder &b, Value seven) {
  Value parity = b.xorBits(seven, b.shiftRight(seven, 4));
  parity = b.xorBits(parity, b.shiftRight(parity, 2));
  parity = b.xorBits(parity, b.shiftRight(parity, 1));
  // Of the word only bits 0-6 were given, so bit 0 of the fold is the parity.
  return b.orBits(seven, b.shiftLeft(b.andBits(parity, int64_t{1}), 7));
}

/// Four magnitudes with signs from bit `bit` of `signs` on.
void saySigned(DecodeSink &sink, WordMath &math, int64_t column, Value bytes,
               Value signs, int64_t bit) {
  auto values = math.byteFields(bytes);
  for (int64_t j = 0; j < 4; ++j) {
    sink.value(column + j, math.withSign(values[j], signs, bit + j));
  }
}

/// d * (0.5 + code) * factor, for values of saySigned.
Value halfStepScale(KernelBuilder &b, Value d, Value code, double factor) {
  d = WordMath(b).fieldScale(d, 8);
  Value steps = b.signedToFloat(code, b.f32());
  Value scale = b.add(steps, b.constant(steps.getType(), 0.5));
  return b.mul(d, b.mul(scale, b.constant(steps.getType(), factor)));
}

/// d * (2 * code + 1).
Value oddScale(KernelBuilder &b, Value d, Value code) {
  Value odd =
      b.orBits(b.shiftLeft(code, 1), b.constant(code.getType(), int64_t{1}));
  return b.mul(d, b.signedToFloat(odd, b.f32()));
}

/// `parts` bytes-of-a-word reading: (field byte `index`), index an i64.
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

/// -delta where bit `bit` of `flags` is set, else +delta.
Value signedDelta(KernelBuilder &b, WordMath &math, Value flags, int64_t bit) {
  Value delta = b.constant(b.vec(b.f32(), kRowLanes), kIq1Delta);
  return math.withSign(delta, flags, bit);
}

} // namespace

void decodeIq2xxs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Grid grid(b, "air_iq2xxs_grid", iq2xxsGrid());
  Value d = block.half("d");
  sink.repeat(8, 32, [&](Value turn) {
    Value at = b.mul(turn, b.i64(2));
    Value indices = block.word("qs", 0, at);
    Value rest = block.word("qs", 1, at);
    Value scale = halfStepScale(b, d, b.shiftRight(rest, 28), 0.25);
    sink.group(0, 32, scale, {}, [&] {
      for (int64_t k = 0; k < 4; ++k) {
        Value index = math.byteOf(indices, k);
        Value signs = eightSigns(b, math.bitsOf(rest, 7 * k, 7));
        for (int64_t part = 0; part < 2; ++part) {
          saySigned(sink, math, 8 * k + 4 * part, grid.look(index, part), signs,
                    4 * part);
        }
      }
    });
  });
}

void decodeIq2xs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Grid grid(b, "air_iq2xs_grid", iq2xsGrid());
  Value d = block.half("d");
  // One word: two entries of eight elements, one scale.
  sink.repeat(16, 16, [&](Value turn) {
    Value word = block.word("qs", 0, turn);
    Value packed = byteAt(block, "scales", b.shiftRight(turn, 1));
    Value code =
        math.bitsOf(packed, b.mul(b.andBits(turn, int64_t{1}), b.i64(4)), 4);
    sink.group(0, 16, halfStepScale(b, d, code, 0.25), {}, [&] {
      for (int64_t k = 0; k < 2; ++k) {
        Value index = math.bitsOf(word, 16 * k, 9);
        Value signs = eightSigns(b, math.bitsOf(word, 16 * k + 9, 7));
        for (int64_t part = 0; part < 2; ++part) {
          saySigned(sink, math, 8 * k + 4 * part, grid.look(index, part), signs,
                    4 * part);
        }
      }
    });
  });
}

void decodeIq2s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Grid grid(b, "air_iq2s_grid", iq2sGrid());
  Value d = block.half("d");
  sink.repeat(8, 32, [&](Value turn) {
    Value indices = block.word("qs", 0, turn);
    Value signs = block.word("signs", 0, turn);
    Value tops = byteAt(block, "qh", turn);
    Value scales = byteAt(block, "scales", turn);
    for (int64_t pair = 0; pair < 2; ++pair) {
      Value code = math.bitsOf(scales, 4 * pair, 4);
      sink.group(16 * pair, 16, halfStepScale(b, d, code, 0.25), {}, [&] {
        for (int64_t k = 2 * pair; k < 2 * pair + 2; ++k) {
          Value top = b.shiftLeft(math.bitsOf(tops, 2 * k, 2), 8);
          Value index = b.orBits(math.byteOf(indices, k), top);
          for (int64_t part = 0; part < 2; ++part) {
            saySigned(sink, math, 8 * k + 4 * part, grid.look(index, part),
                      signs, 8 * k + 4 * part);
          }
        }
      });
    }
  });
}

void decodeIq3xxs(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Grid grid(b, "air_iq3xxs_grid", iq3xxsGrid());
  Value d = block.half("d");
  sink.repeat(8, 32, [&](Value turn) {
    Value rest = block.word("gas", 0, turn);
    Value scale = halfStepScale(b, d, b.shiftRight(rest, 28), 0.5);
    sink.group(0, 32, scale, {}, [&] {
      for (int64_t pair = 0; pair < 4; ++pair) {
        Value signs = eightSigns(b, math.bitsOf(rest, 7 * pair, 7));
        Value indices = block.word("qs", pair / 2, b.mul(turn, b.i64(2)));
        for (int64_t part = 0; part < 2; ++part) {
          Value index = math.byteOf(indices, pair % 2 * 2 + part);
          saySigned(sink, math, 8 * pair + 4 * part, grid.look(index, 0), signs,
                    4 * part);
        }
      }
    });
  });
}

void decodeIq3s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Grid grid(b, "air_iq3s_grid", iq3sGrid());
  Value d = block.half("d");
  Value scales = block.word("scales", 0);
  sink.repeat(8, 32, [&](Value turn) {
    Value tops = byteAt(block, "qh", turn);
    Value signs = block.word("signs", 0, turn);
    Value code = math.bitsOf(scales, b.mul(turn, b.i64(4)), 4);
    Value scale = math.fieldScale(oddScale(b, d, code), 8);
    sink.group(0, 32, scale, {}, [&] {
      for (int64_t k = 0; k < 8; ++k) {
        Value indices = block.word("qs", k / 4, b.mul(turn, b.i64(2)));
        Value top = b.shiftLeft(math.bitsOf(tops, k, 1), 8);
        Value index = b.orBits(math.byteOf(indices, k % 4), top);
        saySigned(sink, math, 4 * k, grid.look(index, 0), signs, 4 * k);
      }
    });
  });
}

void decodeIq1s(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Grid grid(b, "air_iq1s_grid", iq1sGrid());
  Value d = block.half("d");
  sink.repeat(8, 32, [&](Value turn) {
    Value indices = block.word("qs", 0, turn);
    Value qh = shortAt(block, "qh", turn);
    Value scale = oddScale(b, d, math.bitsOf(qh, 12, 3));
    Value offset = b.mul(scale, signedDelta(b, math, qh, 15));
    sink.group(0, 32, scale, offset, [&] {
      for (int64_t k = 0; k < 4; ++k) {
        Value top = b.shiftLeft(math.bitsOf(qh, 3 * k, 3), 8);
        Value index = b.orBits(math.byteOf(indices, k), top);
        for (int64_t part = 0; part < 2; ++part) {
          auto digits = math.signedBytes(grid.look(index, part));
          for (int64_t j = 0; j < 4; ++j) {
            sink.value(8 * k + 4 * part + j, digits[j]);
          }
        }
      }
    });
  });
}

void decodeIq1m(const BlockReader &block, DecodeSink &sink) {
  KernelBuilder &b = block.builder();
  WordMath math(b);
  Grid grid(b, "air_iq1s_grid", iq1sGrid());
  // The block's f16 scale lies in the top nibbles of the four scale words.
  Value half;
  for (int64_t w = 0; w < 4; ++w) {
    Value nibble =
        math.bitsOf(block.word("scales", w / 2), 16 * (w % 2) + 12, 4);
    nibble = b.shiftLeft(nibble, 4 * w);
    half = half ? b.orBits(half, nibble) : nibble;
  }
  Value d =
      b.floatExtend(b.bitcast(b.truncate(half, b.i16()), b.f16()), b.f32());
  sink.repeat(8, 32, [&](Value turn) {
    Value indices = block.word("qs", 0, turn);
    // Four nibbles: three index bits and the delta's sign of an entry each.
    Value tops = shortAt(block, "qh", turn);
    Value scales = shortAt(block, "scales", b.shiftRight(turn, 1));
    scales =
        math.shiftedRight(scales, b.mul(b.andBits(turn, int64_t{1}), b.i64(6)));
    for (int64_t pair = 0; pair < 2; ++pair) {
      Value scale = oddScale(b, d, math.bitsOf(scales, 3 * pair, 3));
      sink.group(16 * pair, 16, scale, {}, [&] {
        for (int64_t k = 2 * pair; k < 2 * pair + 2; ++k) {
          Value top = b.shiftLeft(math.bitsOf(tops, 4 * k, 3), 8);
          Value index = b.orBits(math.byteOf(indices, k), top);
          Value delta = signedDelta(b, math, tops, 4 * k + 3);
          for (int64_t part = 0; part < 2; ++part) {
            auto digits = math.signedBytes(grid.look(index, part));
            for (int64_t j = 0; j < 4; ++j) {
              sink.value(8 * k + 4 * part + j, b.add(digits[j], delta));
            }
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
