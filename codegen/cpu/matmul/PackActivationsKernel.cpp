//===- PackActivationsKernel.cpp - activations in packed formats ----------===//
//
// codegen/KernelSpec.h defines the packed formats of activations. Except in
// F32x16, a block of 32 columns is processed as two vectors of 16 floats.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuKernels.h"
#include "formats/support/CheckedMath.h"

#include <array>
#include <bit>
#include <cstddef>
#include <limits>

namespace air::codegen {

using Value = KernelBuilder::Value;

namespace {

constexpr int64_t kColumns = kActivationColumns;
constexpr int64_t kTokens = kActivationTokens;
constexpr int64_t kHalf = kColumns / 2;
constexpr int64_t kInfinityBits = 0x7F800000;
/// The bits of the smallest magnitude that bfloat16 rounds to infinity.
constexpr int64_t kRoundsToInfinity = 0x7F7F8000;
/// The smallest scale. kMostInverse is the largest factor that x is multiplied
/// by.
constexpr double kLeastScale = 0x1p-126;
constexpr double kMostInverse = 0x1p126;
constexpr double kMost = 127; ///< the largest magnitude of an int8 q
constexpr int64_t kLine = 64;
/// The prefetch distance within the row of a token. A kernel reads one block of
/// each of 16 rows before it reads the next block of the first row. If the rows
/// are several memory pages apart, the hardware prefetcher does not detect
/// these streams, so the kernel prefetches.
constexpr int64_t kAheadBytes = 512;

/// A block of 32 floats.
struct Block {
  std::array<Value, 2> values;
  Value bits; ///< the bits of the block's largest magnitude
};

Block loadBlock(KernelBuilder &b, Value x) {
  Block block;
  std::array<Value, 2> magnitudes;
  for (int64_t half = 0; half < 2; ++half) {
    block.values[half] =
        b.load(b.vec(b.f32(), kHalf), b.offset(x, half * kHalf * 4), 4);
    magnitudes[half] =
        b.andBits(b.bitcast(block.values[half], b.i32()), int64_t{0x7FFFFFFF});
  }
  // Compared as integers, the magnitudes of floats keep their order, and NaN is
  // the largest.
  block.bits = b.maxLanes(b.max(magnitudes[0], magnitudes[1]));
  return block;
}

/// The scale of one block or, if the members are vectors, of one block per
/// lane.
struct Scale {
  Value scale;
  Value inverse;
  Value conversion; ///< as in ActivationTile::conversions; only for I8Grid
  Value step;       ///< as in ActivationTile::steps; only for I8Grid
};

Value orNan(KernelBuilder &b, Value isFinite, Value scale) {
  return b.select(
      isFinite, scale,
      b.constant(scale.getType(), std::numeric_limits<double>::quiet_NaN()));
}

/// Returns the scale with which the values of a block become integers from
/// -most to most. `bits` are the bits of the block's largest magnitude.
Scale exactScale(KernelBuilder &b, Value bits, double most) {
  Value largest = b.bitcast(bits, b.f32());
  auto floats = largest.getType();
  Value isFinite = b.less(bits, b.constant(bits.getType(), kInfinityBits));
  Value limit = b.constant(floats, most);
  Scale made;
  made.scale =
      orNan(b, isFinite,
            b.max(b.div(largest, limit), b.constant(floats, kLeastScale)));
  made.inverse = b.min(b.div(limit, largest), b.constant(floats, kMostInverse));
  return made;
}

/// Like exactScale() for integers from -127 to 127, but rounds the scale up to
/// the next number of the form (1 + i / kGridSteps) * 2^exponent, where i is an
/// integer from 0 to kGridSteps - 1. If `bits` are those of an infinity or a
/// NaN, `scale` is NaN, `step` is 0, and `conversion` is kNanConversionBits,
/// which is off the grid.
Scale gridScale(KernelBuilder &b, Value bits) {
  // The difference between the f32 bits of two adjacent numbers of the form
  // (1 + i / kGridSteps) * 2^exponent.
  constexpr int64_t kStep = (int64_t{1} << 23) / kGridSteps;
  constexpr int64_t kLeast = int64_t{1} << 23; // kLeastScale as f32 bits
  constexpr int64_t kBase = int64_t{127 + kGridBaseExponent} << 23;
  constexpr int64_t kFromScale = int64_t{kGridConversionBits} - kBase;
  auto integers = bits.getType();
  auto floats = KernelBuilder::withElement(integers, b.f32());
  auto number = [&](int64_t value) { return b.constant(integers, value); };
  Value isFinite = b.less(bits, number(kInfinityBits));
  Value finiteBits = b.select(isFinite, bits, number(0));
  Value largest = b.bitcast(finiteBits, b.f32());
  Value least = b.bitcast(b.div(largest, b.constant(floats, kMost)), b.i32());
  // Rounds the bits of the scale up to a multiple of kStep. If that overflows
  // the mantissa, the carry increments the exponent.
  Value scale =
      b.andBits(b.add(b.max(least, number(kLeast)), number(kStep - 1)), -kStep);
  Value step = b.andBits(b.shiftRight(scale, std::countr_zero(uint64_t{kStep})),
                         int64_t{kGridSteps - 1});
  Scale made;
  made.scale = b.bitcast(scale, b.f32());
  made.inverse = b.div(b.constant(floats, 1.0), made.scale);
  made.scale = orNan(b, isFinite, made.scale);
  made.conversion =
      b.select(b.equal(finiteBits, number(0)), number(kGridConversionBits),
               b.add(b.andBits(scale, kInfinityBits), number(kFromScale)));
  made.conversion =
      b.select(isFinite, made.conversion, number(kNanConversionBits));
  made.step = b.mul(step, number(kGridVectorBytes));
  return made;
}

/// Quantises half a block, which is 16 values, to integers.
Value quantize(KernelBuilder &b, Value values, Value inverse) {
  auto integers = b.vec(b.i32(), kHalf);
  // Adding 1.5 * 2^23 rounds and leaves the integer in the low bits. Unlike a
  // conversion, this is defined for every input.
  Value shifted = b.fma(values, b.splat(inverse, kHalf),
                        b.constant(values.getType(), 12582912.0));
  return b.sub(b.bitcast(shifted, b.i32()),
               b.constant(integers, int64_t{0x4B400000}));
}

void storeField(KernelBuilder &b, Value value, Value record, size_t field,
                int64_t more = 0) {
  b.store(value, b.offset(record, static_cast<int64_t>(field) + more), 4);
}

// ---- I8x2: kPackColumns columns of a token per tile -------------------------

/// Packs the block of 32 columns at `x` into block `place` of `section`.
void writeBlock(KernelBuilder &b, Value x, Value section, Value place) {
  constexpr int64_t kBytes = sizeof(ActivationSection::Bytes);
  const auto last = static_cast<int64_t>(kSectionBlocks) - 1;
  Value bytes = b.element(section, b.sub(b.i64(last), place), kBytes);
  Value numbers = b.element(section, place, 4);
  const Block from = loadBlock(b, x);
  const Scale made = exactScale(b, from.bits, 127 * 128);
  auto integers = b.vec(b.i32(), kHalf);
  std::array<Value, 3> sums;
  for (int64_t half = 0; half < 2; ++half) {
    Value q = quantize(b, from.values[half], made.inverse);
    Value high =
        b.shiftRightSigned(b.add(q, b.constant(integers, int64_t{64})), 7);
    Value low = b.sub(q, b.shiftLeft(high, 7));
    storeField(b, b.truncate(high, b.i8()), bytes,
               offsetof(ActivationSection::Bytes, high), half * kHalf);
    storeField(b, b.truncate(low, b.i8()), bytes,
               offsetof(ActivationSection::Bytes, low), half * kHalf);
    sums[1 + half] = b.sumLanes(q);
  }
  sums[0] = b.add(sums[1], sums[2]);
  storeField(b, made.scale, numbers, offsetof(ActivationSection, scale));
  for (int64_t i = 0; i < 3; ++i) {
    storeField(b, b.negate(sums[i]), numbers,
               offsetof(ActivationSection, negatedSums),
               4 * static_cast<int64_t>(kSectionBlocks) * i);
  }
}

void emitBlocks(KernelBuilder &b, const KernelSpec &spec) {
  constexpr int64_t kBytes = sizeof(ActivationSection);
  constexpr auto kBlocks = static_cast<int64_t>(kSectionBlocks);
  constexpr auto kTileBlocks = static_cast<int64_t>(kPackColumns) / kColumns;
  static_assert(kTileBlocks % kBlocks == 0,
                "two tiles must not write to the same section");
  const auto tokenBytes =
      4 * static_cast<int64_t>(activationWords(spec.activation, spec.k));
  const auto blocks = static_cast<int64_t>(spec.k) / kColumns;
  const auto parts = static_cast<int64_t>(ceilDiv(spec.k, kPackColumns));
  b.tileLoop([&](Value tile) {
    Value row = b.div(tile, b.i64(parts));
    Value x = b.element(b.binding(0), row, blocks * kColumns * 4);
    Value packed = b.element(b.binding(1), row, tokenBytes);
    Value first = b.mul(b.rem(tile, b.i64(parts)), b.i64(kTileBlocks));
    Value last = b.min(b.add(first, b.i64(kTileBlocks)), b.i64(blocks));
    b.loop(first, last, b.i64(1), [&](Value i) {
      writeBlock(b, b.element(x, i, kColumns * 4),
                 b.element(packed, b.div(i, b.i64(kBlocks)), kBytes),
                 b.rem(i, b.i64(kBlocks)));
    });
  });
}

// ---- other formats: kPackColumns columns of 16 tokens per tile --------------

/// Packs a block of up to 16 tokens. `x` points at the first token; rows are
/// `rowBytes` apart. The scales and other numbers that the tile stores per
/// token are computed for all 16 tokens at once, padding included. Before that,
/// their fields in the tile hold intermediate results.
void writeTile(KernelBuilder &b, Activation format, Value x, int64_t rowBytes,
               Value tokens, Value tile) {
  const bool isGrid = format == Activation::I8Grid;
  auto field = [&](size_t at, int64_t part = 0) {
    return b.offset(tile, static_cast<int64_t>(at) + part * 4 * kTokens);
  };
  auto integersAt = [&](Value at) {
    return b.load(b.vec(b.i32(), kTokens), at, 64);
  };
  Value largest = field(offsetof(ActivationTile, steps));
  Value inverses = field(offsetof(ActivationTile, scaledSums));
  std::array<Value, 2> sums;
  for (int64_t half = 0; half < 2; ++half) {
    sums[half] = field(offsetof(ActivationTile, biasSums), half);
  }
  auto eachToken = [&](llvm::function_ref<void(Value, Value)> body) {
    b.loop(b.i64(0), tokens, b.i64(1),
           [&](Value token) { body(token, b.element(x, token, rowBytes)); });
  };
  // Padding tokens count as zeros, because the tile needs a valid scale for
  // each of its tokens.
  b.store(b.zero(b.vec(b.i32(), kTokens)), largest, 64);
  eachToken([&](Value token, Value from) {
    for (int64_t at = 0; at < 4 * kColumns; at += kLine) {
      b.prefetch(b.offset(from, kAheadBytes + at));
    }
    b.store(loadBlock(b, from).bits, b.element(largest, token, 4), 4);
  });
  Value bits = integersAt(largest);
  const Scale made = isGrid ? gridScale(b, bits) : exactScale(b, bits, kMost);
  b.store(made.inverse, inverses, 64);
  eachToken([&](Value token, Value from) {
    Value inverse = b.load(b.f32(), b.element(inverses, token, 4), 4);
    for (int64_t half = 0; half < 2; ++half) {
      Value values =
          b.load(b.vec(b.f32(), kHalf), b.offset(from, half * kHalf * 4), 4);
      Value q = quantize(b, values, inverse);
      b.store(b.truncate(q, b.i8()),
              b.offset(b.element(tile, token, kColumns), half * kHalf), 16);
      b.store(b.sumLanes(q), b.element(sums[half], token, 4), 4);
    }
  });
  b.store(made.scale, field(offsetof(ActivationTile, scale)), 64);
  std::array<Value, 3> all = {integersAt(sums[0]), integersAt(sums[1]), {}};
  all[2] = b.add(all[0], all[1]);
  Value sumScale = b.mul(
      made.scale, b.constant(made.scale.getType(), 1.0 / kScaledSumDivisor));
  for (int64_t i = 0; i < 3; ++i) {
    b.store(b.negate(b.shiftLeft(all[i], 7)),
            field(offsetof(ActivationTile, biasSums), i), 64);
    b.store(b.mul(sumScale, b.signedToFloat(all[i], b.f32())),
            field(offsetof(ActivationTile, scaledSums), i), 64);
  }
  if (!isGrid) {
    Value start = b.constant(bits.getType(), int64_t{kConversionBits});
    b.store(b.sub(start, b.shiftLeft(all[2], 7)),
            field(offsetof(ActivationTile, conversions)), 64);
  } else {
    b.store(made.conversion, field(offsetof(ActivationTile, conversions)), 64);
    b.store(made.step, field(offsetof(ActivationTile, steps)), 64);
  }
}

/// Rounds float32, in any number of lanes, to bfloat16: to nearest with ties to
/// even. Finite numbers that would round to infinity are truncated instead, and
/// NaN becomes a quiet NaN. Integer operations do this on every target and
/// preserve subnormals.
Value roundToBf16(KernelBuilder &b, Value x) {
  Value bits = b.bitcast(x, b.i32());
  auto number = [&](int64_t value) {
    return b.constant(bits.getType(), value);
  };
  Value upper = b.shiftRight(bits, 16);
  Value rounded =
      b.add(b.add(bits, number(0x7FFF)), b.andBits(upper, int64_t{1}));
  Value magnitude = b.andBits(bits, int64_t{0x7FFFFFFF});
  Value isNaN = b.less(number(kInfinityBits), magnitude);
  Value isTruncated = b.less(number(kRoundsToInfinity - 1), magnitude);
  Value result = b.select(isTruncated, upper, b.shiftRight(rounded, 16));
  result = b.select(isNaN, b.orBits(upper, number(0x40)), result);
  return b.truncate(result, b.i16());
}

/// The largest magnitude in columns [first, last) of `row`, as bits. `first` is
/// a multiple of kHalf.
Value largestBits(KernelBuilder &b, Value row, Value first, Value last) {
  auto magnitude = [&](KernelBuilder::Type type, Value column) {
    Value x = b.load(type, b.element(row, column, 4), 4);
    return b.andBits(b.bitcast(x, b.i32()), int64_t{0x7FFFFFFF});
  };
  auto vector = b.vec(b.f32(), kHalf);
  Value whole = b.andBits(last, -kHalf);
  Value vectors =
      b.loop(first, whole, b.i64(kHalf), {b.zero(b.vec(b.i32(), kHalf))},
             [&](Value column, mlir::ValueRange most) -> KernelBuilder::Values {
               return {b.max(most[0], magnitude(vector, column))};
             })[0];
  return b.loop(
      whole, last, b.i64(1), {b.maxLanes(vectors)},
      [&](Value column, mlir::ValueRange most) -> KernelBuilder::Values {
        return {b.max(most[0], magnitude(b.f32(), column))};
      })[0];
}

/// Returns the factor by which a token's row of `k` columns is multiplied: 1 /
/// kTinyRowFactor if the row is tiny (kTinyRow), and otherwise 1. The factor
/// depends on the whole row, so it is the same for all tiles that pack columns
/// of the row. To save time, the emitted code scans the whole row only if all
/// magnitudes in columns [first, last), which the current tile packs, are below
/// kTinyRow.
Value bf16Multiplier(KernelBuilder &b, Value row, Value first, Value last,
                     int64_t k) {
  Value tiny = b.i32(std::bit_cast<int32_t>(kTinyRow));
  Value one = b.f32(1.0F);
  return b.ifElse(
      b.less(largestBits(b, row, first, last), tiny),
      [&]() -> KernelBuilder::Values {
        Value isTiny = b.less(largestBits(b, row, b.i64(0), b.i64(k)), tiny);
        return {b.select(isTiny, b.f32(1 / kTinyRowFactor), one)};
      },
      [&]() -> KernelBuilder::Values { return {one}; })[0];
}

/// Writes one block: up to 32 columns of a token, multiplied by `multiplier`,
/// and zeros after them.
void writeBf16(KernelBuilder &b, Value x, Value multiplier, Value to,
               int64_t columns) {
  for (int64_t half = 0; half < kColumns; half += kHalf) {
    Value place = b.offset(to, 2 * half);
    if (columns >= half + kHalf) {
      Value values = b.load(b.vec(b.f32(), kHalf), b.offset(x, 4 * half), 4);
      values = b.mul(values, b.splat(multiplier, kHalf));
      b.store(roundToBf16(b, values), place, 32);
      continue;
    }
    b.store(b.zero(b.vec(b.i16(), kHalf)), place, 32);
    b.loop(b.i64(half), b.i64(columns), b.i64(1), [&](Value i) {
      Value value = b.mul(b.load(b.f32(), b.element(x, i, 4), 4), multiplier);
      b.store(roundToBf16(b, value), b.element(to, i, 2), 2);
    });
  }
}

/// Stores the multipliers of up to 16 tokens in scratch. The tile that begins
/// at column 0 also stores the reciprocals of the multipliers in `factors`.
void writeMultipliers(KernelBuilder &b, Value x, Value first, Value last,
                      int64_t k, Value tokens, Value factors) {
  b.loop(b.i64(0), tokens, b.i64(1), [&](Value token) {
    Value row = b.element(x, token, k * 4);
    Value multiplier = bf16Multiplier(b, row, first, last, k);
    b.store(multiplier, b.element(b.scratch(), token, 4), 4);
    b.ifThen(b.equal(first, b.i64(0)), [&] {
      b.store(b.div(b.f32(1.0F), multiplier), b.element(factors, token, 4), 4);
    });
  });
}

/// Computes to[j][i] = from[i][j] for 16 by 16 floats. The rows of `from` are
/// rowBytes apart.
void transpose(KernelBuilder &b, Value from, int64_t rowBytes, Value to) {
  auto type = b.vec(b.f32(), kTokens);
  std::array<Value, kTokens> rows;
  for (int64_t i = 0; i < kTokens; ++i) {
    rows[i] = b.load(type, b.offset(from, i * rowBytes), 4);
  }
  // The round for `step` exchanges element j + step of row i with element j of
  // row i + step, for all i and j in which the bit `step` is clear.
  for (int64_t step = 1; step < kTokens; step *= 2) {
    llvm::SmallVector<int64_t> low;
    llvm::SmallVector<int64_t> high;
    for (int64_t j = 0; j < kTokens; ++j) {
      low.push_back((j & step) == 0 ? j : kTokens + j - step);
      high.push_back((j & step) == 0 ? j + step : kTokens + j);
    }
    for (int64_t i = 0; i < kTokens; ++i) {
      if ((i & step) == 0) {
        Value first = rows[i];
        Value second = rows[i + step];
        rows[i] = b.shuffle(first, second, low);
        rows[i + step] = b.shuffle(first, second, high);
      }
    }
  }
  for (int64_t i = 0; i < kTokens; ++i) {
    b.store(rows[i], b.offset(to, i * kTokens * 4), 64);
  }
}

void transposeColumns(KernelBuilder &b, const KernelSpec &spec, Value x,
                      Value packed, Value first, Value last) {
  const auto k = static_cast<int64_t>(spec.k);
  const int64_t whole = k / kTokens * kTokens;
  b.loop(first, b.min(last, b.i64(whole)), b.i64(kTokens), [&](Value column) {
    transpose(b, b.element(x, column, 4), k * 4,
              b.element(packed, column, kTokens * 4));
  });
  if (whole != k) {
    b.loop(b.max(first, b.i64(whole)), last, b.i64(1), [&](Value column) {
      b.loop(b.i64(0), b.i64(kTokens), b.i64(1), [&](Value token) {
        Value from = b.element(b.element(x, column, 4), token, k * 4);
        Value to = b.element(packed, column, kTokens * 4);
        b.store(b.load(b.f32(), from, 4), b.element(to, token, 4), 4);
      });
    });
  }
}

void emitTiles(KernelBuilder &b, const KernelSpec &spec) {
  const bool isBytes = isInt8Tiled(spec.activation);
  const auto k = static_cast<int64_t>(spec.k);
  const auto parts = static_cast<int64_t>(ceilDiv(spec.k, kPackColumns));
  const auto tokenBytes =
      4 * static_cast<int64_t>(activationWords(spec.activation, spec.k));
  b.tileLoop([&](Value tile) {
    Value first = b.mul(b.rem(tile, b.i64(parts)),
                        b.i64(static_cast<int64_t>(kPackColumns)));
    Value last = b.min(b.add(first, b.i64(static_cast<int64_t>(kPackColumns))),
                       b.i64(k));
    Value token = b.mul(b.div(tile, b.i64(parts)), b.i64(kTokens));
    Value x = b.element(b.binding(0), token, k * 4);
    Value packed = b.element(b.binding(1), token, tokenBytes);
    if (spec.activation == Activation::F32x16) {
      transposeColumns(b, spec, x, packed, first, last);
      return;
    }
    Value rows = spec.rowsFrom == RowsFrom::Tokens ? b.tokens() : b.outputs();
    Value tokens = b.min(b.sub(rows, token), b.i64(kTokens));
    if (spec.activation == Activation::BF16x32) {
      writeMultipliers(b, x, first, last, k, tokens,
                       b.offset(packed, kTokens * (tokenBytes - 4)));
    }
    b.loop(first, last, b.i64(kColumns), [&](Value column) {
      Value block =
          b.element(packed, b.div(column, b.i64(kColumns)),
                    isBytes ? sizeof(ActivationTile) : sizeof(Bf16Tile));
      if (isBytes) {
        writeTile(b, spec.activation, b.element(x, column, 4), k * 4, tokens,
                  block);
        return;
      }
      b.loop(b.i64(0), tokens, b.i64(1), [&](Value i) {
        Value from = b.element(b.element(x, column, 4), i, k * 4);
        Value to = b.element(block, i, 2 * kColumns);
        Value multiplier = b.load(b.f32(), b.element(b.scratch(), i, 4), 4);
        auto whole = [&] { writeBf16(b, from, multiplier, to, kColumns); };
        if (k % kColumns == 0) {
          whole();
          return;
        }
        b.ifThenElse(b.less(column, b.i64(k / kColumns * kColumns)), whole,
                     [&] { writeBf16(b, from, multiplier, to, k % kColumns); });
      });
    });
  });
}

} // namespace

Status describePackActivations(const KernelSpec &spec, const IsaTraits &,
                               KernelEntry &entry) {
  if (spec.activation == Activation::F32) {
    return internalError("activations cannot be packed into format f32, "
                         "which is the unpacked format");
  }
  const uint64_t unit = isInt8(spec.activation) ? kActivationColumns : 1;
  if (spec.k == 0 || spec.k % unit != 0) {
    return internalError(
        "the width k of the activations is " + std::to_string(spec.k) +
        "; it must be a positive multiple of " + std::to_string(unit));
  }
  entry.baseTiles = ceilDiv(spec.k, kPackColumns);
  entry.tokensPerTile =
      spec.activation == Activation::I8x2 ? 1 : kActivationTokens;
  if (spec.activation == Activation::BF16x32) {
    entry.scratchBytes = kActivationTokens * sizeof(float);
  }
  // Int8 formats take a comparison, a multiplication, a rounding and an
  // addition per element. Other formats only copy each element, with or without
  // rounding it. A copy counts as one operation.
  entry.flopsPerRow = isInt8(spec.activation) ? spec.k * 4 : spec.k;
  return Status::ok();
}

void emitPackActivations(KernelBuilder &b, const KernelSpec &spec) {
  if (spec.activation == Activation::I8x2) {
    emitBlocks(b, spec);
  } else {
    emitTiles(b, spec);
  }
}

} // namespace air::codegen
