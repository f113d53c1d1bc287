//===- RescaledPanel.cpp - int8 panels with one scale per 256 columns -----===//
#include "codegen/cpu/matmul/RescaledPanel.h"

#include "codegen/cpu/matmul/Int8Dot.h"
#include "codegen/cpu/matmul/MatMulCost.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kTokens = kActivationTokens;
constexpr int64_t kColumns = kActivationColumns;
constexpr auto kTileBytes = static_cast<int64_t>(sizeof(ActivationTile));
constexpr auto kSpan = static_cast<int64_t>(kRescaledColumns);
constexpr auto kWide = static_cast<int64_t>(kWideColumns);
/// The number of parts with a scale of their own in the activations of kSpan
/// columns.
constexpr int64_t kParts = kSpan / kWide;
/// The size of an array that has one number of 4 bytes for each token of a
/// tile.
constexpr int64_t kNumbersBytes = 4 * kTokens;
constexpr int64_t kStartsBytes = (kParts + 1) * kNumbersBytes;
/// The largest magnitude of u - 128.
constexpr double kMostLevel = 127;
/// 1.5 * 2^23, the float whose bits are kConversionBits.
constexpr double kConversion = 0x1.8p23;
/// The least difference between the ends of the range of a row, so that its
/// reciprocal is finite. No block of a K-quant has a smaller range except 0.
constexpr double kLeastRange = 0x1p-90;
/// u is computed as a fixed-point number with this many bits after the point.
constexpr int64_t kFraction = 8;

mlir::VectorType floats(KernelBuilder &b) { return b.vec(b.f32(), kRowLanes); }

/// Returns value * 2^kFraction, rounded to the nearest integer, in both halves
/// of each lane of i32, as lanes of i16. Unlike a conversion, this is defined
/// for every input.
Value toFixed(KernelBuilder &b, Value value, int64_t more) {
  Value shifted =
      b.fma(value, b.constant(value.getType(), double{1 << kFraction}),
            b.constant(value.getType(), kConversion));
  Value bits = b.bitcast(shifted, b.i32());
  Value fixed = b.sub(bits, b.constant(bits.getType(), kConversionBits - more));
  Value both =
      b.orBits(b.andBits(fixed, int64_t{0xFFFF}), b.shiftLeft(fixed, 16));
  return b.recast(both, b.i16());
}

/// The scale and the offset of kSpan columns of 16 rows.
struct RowScale {
  Value inverse; ///< 1 / scale
  Value scale;
  Value offset; ///< null without offsets
};

} // namespace

std::span<const DType> rescaledDTypes() {
  static constexpr std::array<DType, 5> kAll = {
      DType::Q2_K, DType::Q3_K, DType::Q4_K, DType::Q5_K, DType::Q6_K};
  return kAll;
}

bool usesRescaledPanels(const KernelSpec &spec, const IsaTraits &isa) {
  return spec.activation == Activation::I8Wide &&
         spec.mClass == MClass::Large &&
         std::ranges::count(rescaledDTypes(), spec.dtype) != 0 &&
         isa.byteDot == ByteDot::Vnni512 && !isa.hasAmxInt8 &&
         hasSpareUnits(isa);
}

// ---- rescaling --------------------------------------------------------------

/// The values of a scale group's smallest and largest bit field.
static std::array<Value, 2> endsOf(KernelBuilder &b,
                                   const Int8PanelLayout &layout, Value group) {
  Value scale = b.load(floats(b), b.offset(group, layout.scalesAt()), 64);
  auto number = [&](int64_t value) {
    return b.constant(floats(b), static_cast<double>(value));
  };
  Value least = b.mul(scale, number(layout.bias));
  if (layout.hasOffset) {
    Value offset = b.load(floats(b), b.offset(group, layout.offsetsAt()), 64);
    least =
        b.fma(offset, b.constant(floats(b), 1.0 / kScaledSumDivisor), least);
  }
  return {least, b.fma(scale, number((int64_t{1} << layout.bits) - 1), least)};
}

static RowScale rowScaleOf(KernelBuilder &b, const Int8PanelLayout &layout,
                           Value groups) {
  const int64_t count = kSpan / layout.columns;
  Value zero = b.zero(floats(b));
  KernelBuilder::Values range =
      b.loop(b.i64(0), b.i64(count), b.i64(1), endsOf(b, layout, groups),
             [&](Value i, mlir::ValueRange carried) -> KernelBuilder::Values {
               const auto [first, last] =
                   endsOf(b, layout, b.element(groups, i, layout.groupBytes()));
               return {b.min(carried[0], b.min(first, last)),
                       b.max(carried[1], b.max(first, last))};
             });
  RowScale made;
  Value half; // half of the width of the range
  if (layout.hasOffset) {
    Value two = b.constant(floats(b), 0.5);
    half = b.mul(b.sub(range[1], range[0]), two);
    made.offset = b.mul(b.add(range[1], range[0]), two);
  } else {
    half = b.max(range[1], b.sub(zero, range[0]));
  }
  half = b.max(b.constant(floats(b), kLeastRange), half);
  made.scale = b.mul(half, b.constant(floats(b), 1.0 / kMostLevel));
  made.inverse = b.div(b.constant(floats(b), kMostLevel), half);
  return made;
}

void rescalePanel(KernelBuilder &b, const Int8PanelLayout &layout, Value panel,
                  Value columns) {
  const int64_t count = kSpan / layout.columns;
  const int64_t groupBytes = layout.groupBytes();
  b.loop(b.i64(0), b.div(columns, b.i64(kSpan)), b.i64(1), [&](Value span) {
    Value groups = b.element(panel, span, count * groupBytes);
    const RowScale row = rowScaleOf(b, layout, groups);
    b.loop(b.i64(0), b.i64(count), b.i64(1), [&](Value i) {
      Value group = b.element(groups, i, groupBytes);
      Value scale = b.load(floats(b), b.offset(group, layout.scalesAt()), 64);
      Value least = endsOf(b, layout, group)[0];
      if (row.offset) {
        least = b.sub(least, row.offset);
      }
      // In fixed point, u = factor * field + start. Half a unit is added so
      // that dropping the fraction rounds to nearest.
      constexpr int64_t kUnit = int64_t{1} << kFraction;
      Value factor = toFixed(b, b.mul(scale, row.inverse), 0);
      Value start =
          toFixed(b, b.mul(least, row.inverse), 128 * kUnit + kUnit / 2);
      for (int64_t quad = 0; quad < layout.quads(); ++quad) {
        Value at = b.offset(group, quad * kPanelQuadBytes);
        Value word = b.load(b.vec(b.i16(), 2 * kRowLanes), at, 64);
        auto level = [&](Value field) {
          return b.add(b.mul(field, factor), start);
        };
        Value even = level(b.andBits(word, int64_t{0xFF}));
        Value odd = level(b.shiftRight(word, 8));
        b.store(b.orBits(b.shiftRight(even, kFraction),
                         b.andBits(odd, int64_t{0xFF00})),
                at, 64);
      }
    });
    b.store(row.scale, b.offset(groups, layout.scalesAt()), 64);
    if (row.offset) {
      b.store(
          b.mul(row.offset, b.constant(floats(b), double{kScaledSumDivisor})),
          b.offset(groups, layout.offsetsAt()), 64);
    }
  });
}

// ---- multiplying ------------------------------------------------------------

/// Computes the values from which the dot products of 16 tokens start, and the
/// sums of their activations.
static void storeStarts(KernelBuilder &b, Value x, Value columns,
                        Value starts) {
  b.loop(b.i64(0), b.div(columns, b.i64(kSpan)), b.i64(1), [&](Value span) {
    Value tiles = b.element(x, span, kSpan / kColumns * kTileBytes);
    Value to = b.element(starts, span, kStartsBytes);
    auto integers = b.vec(b.i32(), kTokens);
    Value sum = b.zero(b.vec(b.f32(), kTokens));
    for (int64_t part = 0; part < kParts; ++part) {
      Value start = b.constant(integers, int64_t{kConversionBits});
      for (int64_t block = 0; block < static_cast<int64_t>(kWideBlocks);
           ++block) {
        Value tile =
            b.offset(tiles, (part * static_cast<int64_t>(kWideBlocks) + block) *
                                    kTileBytes +
                                2 * kNumbersBytes);
        auto of = [&](mlir::VectorType type, size_t field) {
          return b.load(type, b.offset(tile, static_cast<int64_t>(field)), 64);
        };
        start = b.add(start, of(integers, offsetof(ActivationTile, biasSums)));
        sum = b.add(sum, of(b.vec(b.f32(), kTokens),
                            offsetof(ActivationTile, scaledSums)));
      }
      b.store(start, b.offset(to, part * kNumbersBytes), 64);
    }
    b.store(sum, b.offset(to, kParts * kNumbersBytes), 64);
  });
}

/// Multiplies the bytes of kWide columns of each panel by those of a few
/// tokens. `groups` has the first scale group of each panel, `bytes` is the
/// address of the first token's bytes. Adds to sums[panel][token].
static void addDots(KernelBuilder &b, const Int8PanelLayout &layout,
                    llvm::ArrayRef<Value> groups, Value bytes, int64_t tokens,
                    llvm::MutableArrayRef<Value> sums) {
  for (int64_t column = 0; column < kWide; column += 4) {
    const int64_t place = column / layout.columns * layout.groupBytes() +
                          column % layout.columns / 4 * kPanelQuadBytes;
    llvm::SmallVector<Value, 3> weights;
    for (Value group : groups) {
      weights.push_back(b.recast(
          b.load(b.vec(b.i32(), kRowLanes), b.offset(group, place), 64),
          b.i8()));
    }
    for (int64_t i = 0; i < tokens; ++i) {
      Value at = b.offset(bytes, column / kColumns * kTileBytes + i * kColumns +
                                     column % kColumns);
      Value q = b.recast(b.splat(b.load(b.i32(), at, 4), kRowLanes), b.i8());
      for (size_t panel = 0; panel < groups.size(); ++panel) {
        Value &sum = sums[panel * tokens + i];
        sum = dotBytes(b, sum, weights[panel], q, 8);
      }
    }
  }
}

void multiplyRescaled(KernelBuilder &b, llvm::ArrayRef<Value> panels,
                      const Int8PanelLayout &layout, int64_t microTokens,
                      Value x, Value tile, int64_t tileBytes, Value starts,
                      Value sums, Value columns, const PanelPrefetch &next) {
  const auto count = static_cast<int64_t>(panels.size());
  const int64_t turns = kTokens / microTokens;
  const int64_t partBytes = kWide / layout.columns * layout.groupBytes();
  constexpr auto kBlocks = static_cast<int64_t>(kWideBlocks);
  Value slots = next.turns(b, microTokens);
  storeStarts(b, x, columns, starts);
  b.loop(
      b.i64(0), next.tokensOf(b, tile), b.i64(microTokens), [&](Value first) {
        next.prefetchShare(
            b,
            b.add(b.mul(tile, b.i64(turns)), b.div(first, b.i64(microTokens))),
            slots);
        Value firstSums = b.element(sums, first, count * kSumBytes);
        b.loop(
            b.i64(0), b.div(columns, b.i64(kSpan)), b.i64(1), [&](Value span) {
              Value firstStarts =
                  b.element(b.element(starts, span, kStartsBytes), first, 4);
              auto splatOf = [&](Value from, int64_t i, mlir::Type type) {
                return b.splat(b.load(type, b.offset(from, 4 * i), 4),
                               kRowLanes);
              };
              auto part = [&](Value index, mlir::ValueRange carried) {
                KernelBuilder::Values totals(carried.begin(), carried.end());
                Value tiles =
                    b.element(x,
                              b.add(b.mul(span, b.i64(kParts * kBlocks)),
                                    b.mul(index, b.i64(kBlocks))),
                              kTileBytes);
                Value scales =
                    b.element(b.offset(tiles, static_cast<int64_t>(offsetof(
                                                  ActivationTile, scale))),
                              first, 4);
                Value start = b.element(firstStarts, index, kNumbersBytes);
                llvm::SmallVector<Value, 3> groups;
                for (Value panel : panels) {
                  groups.push_back(
                      b.element(b.element(panel, span, kParts * partBytes),
                                index, partBytes));
                }
                llvm::SmallVector<Value> dots;
                for (int64_t i = 0; i < count * microTokens; ++i) {
                  dots.push_back(splatOf(start, i % microTokens, b.i32()));
                }
                addDots(b, layout, groups, b.element(tiles, first, kColumns),
                        microTokens, dots);
                Value conversion = b.constant(floats(b), kConversion);
                for (int64_t i = 0; i < count * microTokens; ++i) {
                  Value dot = b.sub(b.bitcast(dots[i], b.f32()), conversion);
                  totals[i] = b.fma(splatOf(scales, i % microTokens, b.f32()),
                                    dot, totals[i]);
                }
                // The next token tile is far away in memory, so the
                // hardware does not prefetch it. Each part prefetches an
                // equal share of it.
                const int64_t share = kTileBytes * microTokens / kTokens;
                for (int64_t block = 0; block < kBlocks; ++block) {
                  Value ahead =
                      b.element(b.offset(tiles, tileBytes + block * kTileBytes),
                                first, kTileBytes / kTokens);
                  for (int64_t at = 0; at < share; at += 64) {
                    b.prefetch(b.offset(ahead, at));
                  }
                }
                return totals;
              };
              KernelBuilder::Values totals = b.loop(
                  b.i64(0), b.i64(kParts), b.i64(1),
                  KernelBuilder::Values(count * microTokens, b.zero(floats(b))),
                  part);
              for (int64_t i = 0; i < count * microTokens; ++i) {
                const int64_t panel = i / microTokens;
                const int64_t token = i % microTokens;
                Value group =
                    b.element(panels[panel], span, kParts * partBytes);
                Value place =
                    b.offset(firstSums, (token * count + panel) * kSumBytes);
                Value scale =
                    b.load(floats(b), b.offset(group, layout.scalesAt()), 64);
                Value total =
                    b.fma(scale, totals[i], b.load(floats(b), place, 64));
                if (layout.hasOffset) {
                  Value offset = b.load(
                      floats(b), b.offset(group, layout.offsetsAt()), 64);
                  total = b.fma(
                      offset,
                      splatOf(b.offset(firstStarts, kParts * kNumbersBytes),
                              token, b.f32()),
                      total);
                }
                b.store(total, place, 64);
              }
            });
      });
}

} // namespace air::codegen
