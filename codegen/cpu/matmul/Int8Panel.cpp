//===- Int8Panel.cpp - int8 panels and their GEMM ---------------*- C++ -*-===//
#include "codegen/cpu/matmul/Int8Panel.h"

#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/Int8Dot.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kTokens = kActivationTokens;
constexpr int64_t kColumns = kActivationColumns;
constexpr auto kTileBytes = static_cast<int64_t>(sizeof(ActivationTile));
/// A token's scale is on the grid of I8Grid (codegen/KernelSpec.h) if and only
/// if its element of ActivationTile::conversions, minus kGridConversionBits, is
/// below this limit as an unsigned number.
constexpr auto kGridEnd = static_cast<int32_t>(kGridExponents << 23);
/// The size of an array that has one number of 4 bytes for each token of a
/// tile.
constexpr int64_t kStartBytes = 4 * kTokens;
/// 1.5 * 2^23, the float whose bits are kConversionBits.
constexpr double kConversion = 0x1.8p23;

} // namespace

// ---- decoding ---------------------------------------------------------------

Int8PanelLayout int8PanelLayout(const KernelSpec &spec) {
  Int8PanelLayout layout;
  if (std::ranges::count(scalePer16DTypes(), spec.dtype) != 0) {
    layout.columns /= 2;
  }
  layout.hasOffset = std::ranges::count(offsetDTypes(), spec.dtype) != 0;
  layout.isGrid = spec.activation == Activation::I8Grid;
  // In I8, a weight scale counts as short if its product with 1.5 * 2^23 is
  // exact. This holds for float16 scales and for the scales of NVFP4, but the
  // largest scales of MXFP4 make the product overflow.
  layout.hasShortScales = !layout.isGrid && spec.dtype != DType::MXFP4;
  return layout;
}

Value Int8PanelSink::groupAt(int64_t column, int64_t byte) {
  Value group = b.div(cursor, b.i64(made.columns));
  return b.offset(b.element(base, group, made.groupBytes()),
                  column / made.columns * made.groupBytes() + byte);
}

void Int8PanelSink::beginGroup(int64_t first, [[maybe_unused]] int64_t count,
                               Value scale, Value offset) {
  assert(count == made.columns && first % count == 0 &&
         "a group must be a block of columns or half of one");
  assert((!offset || made.hasOffset) &&
         "offsetDTypes() must list every dtype with offsets");
  auto floats = b.vec(b.f32(), kRowLanes);
  auto place = [&](int64_t step) {
    return groupAt(first, made.scalesAt() + step * kGridVectorBytes);
  };
  if (!scale) {
    scale = b.constant(floats, 1.0);
  }
  if (made.isGrid) {
    for (int64_t step = 0; step < kGridSteps; ++step) {
      const double mantissa = 1.0 + static_cast<double>(step) / kGridSteps;
      const double factor =
          std::ldexp(mantissa, kGridBaseExponent + kConversionShift);
      b.store(b.mul(scale, b.constant(floats, factor)), place(step), 64);
    }
  } else {
    b.store(scale, place(0), 64);
    if (made.hasShortScales) {
      b.store(b.mul(scale, b.constant(floats, -kConversion)), place(1), 64);
    }
  }
  if (offset) {
    offset = b.mul(offset, b.constant(floats, double{kScaledSumDivisor}));
    b.store(offset, groupAt(first, made.offsetsAt()), 64);
  }
}

void Int8PanelSink::bytes(int64_t column, Value word, int64_t bits, int bias) {
  const int whole = targetInt8Bias(b.isa());
  if (whole != 0 && bias != 0 && bias != whole) {
    word = b.add(
        word, b.constant(word.getType(), int64_t{bias - whole} * 0x01010101));
    bits = 8;
    bias = whole;
  }
  made.bits = bits;
  made.bias = bias;
  const int64_t quad = column % made.columns / 4;
  b.store(word, groupAt(column, quad * kPanelQuadBytes), 64);
}

// ---- scaling ----------------------------------------------------------------

static Value splatAt(KernelBuilder &b, Value scalars, size_t field,
                     int64_t more, mlir::Type element) {
  Value at = b.offset(scalars, static_cast<int64_t>(field) + 4 * more);
  return b.splat(b.load(element, at, 4), kRowLanes);
}

Value TokenScales::number(KernelBuilder &b, size_t field, int64_t more) const {
  return splatAt(b, once, field, more, b.f32());
}

Value TokenScales::sumOfColumns(KernelBuilder &b, size_t field, int64_t more,
                                mlir::Type element) const {
  return splatAt(b, ofColumns, field, more, element);
}

/// A right shift by this number of bits turns the correction for a bias of -128
/// into the correction for layout.bias.
static int64_t biasShift(const Int8PanelLayout &layout) {
  return 7 - std::countr_zero(static_cast<unsigned>(-layout.bias));
}

/// Whether dotStart() returns an element of ActivationTile::conversions
/// unchanged. In I8Grid, it does so only for Scales::OnGrid.
static bool startsAtConversion(const Int8PanelLayout &layout) {
  return layout.isGrid ? layout.bias == 0
                       : layout.hasShortScales && biasShift(layout) == 0 &&
                             layout.columns == kColumns;
}

/// Computes dotStart() in any number of lanes. `conversion` is from
/// ActivationTile::conversions. `biasSums` is from ActivationTile::biasSums,
/// for the columns of the scale group.
static Value startOf(KernelBuilder &b, const Int8PanelLayout &layout,
                     Value conversion, Value biasSums, Scales scales) {
  Value start =
      layout.isGrid && scales == Scales::OnGrid
          ? conversion
          : b.constant(conversion.getType(),
                       int64_t{layout.hasShortScales ? kConversionBits : 0});
  if (layout.bias == 0) {
    return start;
  }
  // The corrections that are stored with the activations are for a bias of
  // -128. They are proportional to the bias, so a shift adapts them.
  return b.add(b.shiftRightSigned(biasSums, biasShift(layout)), start);
}

Value dotStart(KernelBuilder &b, const Int8PanelLayout &layout,
               const TokenScales &scalars, int64_t more, Scales scales) {
  Value conversion = splatAt(
      b, scalars.once, offsetof(ActivationTile, conversions), more, b.i32());
  if (startsAtConversion(layout) &&
      (!layout.isGrid || scales == Scales::OnGrid)) {
    return conversion;
  }
  Value biasSums = scalars.sumOfColumns(b, offsetof(ActivationTile, biasSums),
                                        more, b.i32());
  return startOf(b, layout, conversion, biasSums, scales);
}

/// In I8Grid, the elements of ActivationTile::conversions are
/// kGridConversionBits + e * 2^23 (codegen/KernelSpec.h defines e). Returns
/// e * 2^23 for each of the given elements.
static Value powersOf(KernelBuilder &b, Value conversions) {
  return b.sub(conversions,
               b.constant(conversions.getType(), int64_t{kGridConversionBits}));
}

Value areOnGrid(KernelBuilder &b, Value x, Value columns) {
  auto integers = b.vec(b.i32(), kTokens);
  Value conversions =
      b.offset(x, static_cast<int64_t>(offsetof(ActivationTile, conversions)));
  Value most = b.loop(
      b.i64(0), b.div(columns, b.i64(kColumns)), b.i64(1), {b.zero(integers)},
      [&](Value block, mlir::ValueRange carried) -> KernelBuilder::Values {
        Value at = b.element(conversions, block, kTileBytes);
        return {b.max(carried[0], powersOf(b, b.load(integers, at, 64)))};
      })[0];
  return b.less(b.maxLanes(most), b.i32(kGridEnd));
}

/// Returns 2^exponent as f32, where `exponent` has lanes of i32.
static Value powerOfTwo(KernelBuilder &b, Value exponent) {
  Value biased = b.add(exponent, b.constant(exponent.getType(), int64_t{127}));
  return b.bitcast(b.shiftLeft(biased, 23), b.f32());
}

Value addScaled(KernelBuilder &b, const Int8PanelLayout &layout, Value group,
                const TokenScales &scalars, int64_t more, Value sum,
                Value total, Scales which) {
  auto floats = b.vec(b.f32(), kRowLanes);
  Value scales = b.offset(group, layout.scalesAt());
  Value dot;
  Value scale;
  if (layout.isGrid) {
    auto conversion = [&](mlir::Type element) {
      return splatAt(b, scalars.once, offsetof(ActivationTile, conversions),
                     more, element);
    };
    Value step = b.loadU32(b.offset(
        scalars.once,
        static_cast<int64_t>(offsetof(ActivationTile, steps)) + 4 * more));
    scale = b.load(floats, b.offset(scales, step), 64);
    if (which == Scales::OnGrid) {
      dot = b.sub(b.bitcast(sum, b.f32()), conversion(b.f32()));
    } else {
      // If the token's scale is off the grid, its power of two is split between
      // the dot product and the scale of the weights, so that neither overflows
      // or underflows unless the block holds an infinity or a NaN.
      Value powers = powersOf(b, conversion(b.i32()));
      Value power =
          b.sub(b.shiftRightSigned(powers, 23),
                b.constant(powers.getType(), int64_t{kConversionShift}));
      Value isOnGrid =
          b.less(powers, b.constant(powers.getType(), int64_t{kGridEnd}));
      Value half = b.select(isOnGrid, b.zero(power.getType()),
                            b.shiftRightSigned(power, 1));
      dot = b.mul(b.signedToFloat(sum, b.f32()),
                  powerOfTwo(b, b.sub(power, half)));
      // ofToken - ofToken is NaN if the token's scale is NaN, and otherwise 0.
      Value ofToken = scalars.number(b, offsetof(ActivationTile, scale), more);
      dot = b.add(dot, b.sub(ofToken, ofToken));
      scale = b.mul(scale, powerOfTwo(b, half));
    }
  } else {
    scale = scalars.number(b, offsetof(ActivationTile, scale), more);
    Value ofRows = b.load(floats, scales, 64);
    if (layout.hasShortScales) {
      Value removed = b.load(floats, b.offset(scales, kGridVectorBytes), 64);
      dot = b.fma(ofRows, b.bitcast(sum, b.f32()), removed);
    } else {
      dot = b.mul(ofRows, b.signedToFloat(sum, b.f32()));
    }
  }
  total = b.fma(scale, dot, total);
  if (layout.hasOffset) {
    Value offsets = b.load(floats, b.offset(group, layout.offsetsAt()), 64);
    total = b.fma(offsets,
                  scalars.sumOfColumns(b, offsetof(ActivationTile, scaledSums),
                                       more, b.f32()),
                  total);
  }
  return total;
}

// ---- GEMM -------------------------------------------------------------------

namespace {

/// Loads 64 bytes of a scale group: four columns of 16 rows.
Value quadAt(KernelBuilder &b, Value group, int64_t quad) {
  Value at = b.offset(group, quad * kPanelQuadBytes);
  return b.recast(b.load(b.vec(b.i32(), kRowLanes), at, 64), b.i8());
}

/// Computes the dot products of one scale group of each panel with the same
/// columns of `tokens` tokens, whose int8 activations are at `bytes`. Adds them
/// to sums[panel][token].
void addDots(KernelBuilder &b, const Int8PanelLayout &layout,
             llvm::ArrayRef<Value> groups, Value bytes, int64_t tokens,
             llvm::MutableArrayRef<Value> sums) {
  llvm::SmallVector<Int8Accumulator> dots(sums.begin(), sums.end());
  for (int64_t quad = 0; quad < layout.quads(); ++quad) {
    llvm::SmallVector<Value, 3> weights;
    for (Value group : groups) {
      weights.push_back(quadAt(b, group, quad));
    }
    for (int64_t i = 0; i < tokens; ++i) {
      Value at = b.offset(bytes, i * kColumns + 4 * quad);
      Value q = b.recast(b.splat(b.load(b.i32(), at, 4), kRowLanes), b.i8());
      for (size_t group = 0; group < groups.size(); ++group) {
        dots[group * tokens + i].add(b, weights[group], q, layout.bits);
      }
    }
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    sums[i] = dots[i].total(b);
  }
}

/// Like addDots(), but for two tokens at a time. Requires isa().hasI8mm.
void addTwoTokens(KernelBuilder &b, const Int8PanelLayout &layout,
                  llvm::ArrayRef<Value> groups, Value bytes, int64_t tokens,
                  llvm::MutableArrayRef<Value> sums) {
  llvm::SmallVector<Value> dots(sums.size() / 2,
                                b.zero(b.vec(b.i32(), 2 * kRowLanes)));
  for (int64_t quad = 0; quad < layout.quads(); quad += 2) {
    llvm::SmallVector<Value, 3> weights;
    for (Value group : groups) {
      weights.push_back(
          eightColumns(b, quadAt(b, group, quad), quadAt(b, group, quad + 1)));
    }
    for (int64_t i = 0; i < tokens; i += 2) {
      auto eight = [&](int64_t token) {
        Value at = b.offset(bytes, token * kColumns + 4 * quad);
        return b.load(b.vec(b.i32(), 2), at, 4);
      };
      Value q =
          b.recast(b.shuffle(eight(i), eight(i + 1), {0, 1, 2, 3}), b.i8());
      for (size_t group = 0; group < groups.size(); ++group) {
        Value &dot = dots[(group * tokens + i) / 2];
        dot = dotTwoTokens(b, dot, weights[group], q);
      }
    }
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    sums[i] = b.add(sums[i], sumsOfToken(b, dots[i / 2], i % 2));
  }
}

/// Computes the dot products of block `block` of each panel with `tokens`
/// tokens of a token tile, from token `first` on. Scales them and adds them to
/// totals[panel][token].
void multiplyBlock(KernelBuilder &b, llvm::ArrayRef<Value> panels,
                   const Int8PanelLayout &layout, Value block, Value x,
                   int64_t tileBytes, Value starts, Value first, int64_t tokens,
                   llvm::MutableArrayRef<Value> totals, Scales scales) {
  const int64_t parts = kColumns / layout.columns;
  Value tile = b.element(x, block, kTileBytes);
  TokenScales scalars;
  scalars.once = b.element(tile, first, 4);
  Value firstStart;
  if (starts) {
    firstStart =
        b.element(b.element(starts, block, parts * kStartBytes), first, 4);
  }
  for (int64_t part = 0; part < parts; ++part) {
    Value bytes =
        b.offset(b.element(tile, first, kColumns), part * layout.columns);
    const int64_t sumOfPart = parts == 1 ? 2 : part;
    scalars.ofColumns = b.offset(scalars.once, sumOfPart * 4 * kTokens);
    llvm::SmallVector<Value, 3> groups;
    for (Value panel : panels) {
      groups.push_back(
          b.offset(b.element(panel, block, parts * layout.groupBytes()),
                   part * layout.groupBytes()));
    }
    llvm::SmallVector<Value> sums;
    for (size_t i = 0; i < totals.size(); ++i) {
      const int64_t more = static_cast<int64_t>(i) % tokens;
      sums.push_back(
          starts ? b.splat(b.load(b.i32(),
                                  b.offset(firstStart,
                                           part * kStartBytes + 4 * more),
                                  4),
                           kRowLanes)
                 : dotStart(b, layout, scalars, more, scales));
    }
    auto *add = b.isa().hasI8mm && tokens % 2 == 0 ? &addTwoTokens : &addDots;
    add(b, layout, groups, bytes, tokens, sums);
    for (size_t i = 0; i < totals.size(); ++i) {
      totals[i] = addScaled(b, layout, groups[i / tokens], scalars,
                            static_cast<int64_t>(i) % tokens, sums[i],
                            totals[i], scales);
    }
  }

  // The next token tile is far away in memory, so the hardware does not
  // prefetch it. This code runs for every block of columns of a token tile, and
  // each time prefetches an equal share of the next token tile.
  const int64_t share = kTileBytes * tokens / kTokens;
  Value next =
      b.element(b.offset(tile, tileBytes), first, kTileBytes / kTokens);
  for (int64_t at = 0; at < share; at += 64) {
    b.prefetch(b.offset(next, at));
  }
}

/// Stores dotStart() of each scale group and token at `starts`, i32 [group][16
/// tokens]. These values are the same for all panels.
void storeStarts(KernelBuilder &b, const Int8PanelLayout &layout, Value x,
                 Value columns, Scales scales, Value starts) {
  const int64_t parts = kColumns / layout.columns;
  auto type = b.vec(b.i32(), kTokens);
  b.loop(b.i64(0), b.div(columns, b.i64(layout.columns)), b.i64(1),
         [&](Value index) {
           Value block = b.element(x, b.div(index, b.i64(parts)), kTileBytes);
           Value part = parts == 1 ? b.i64(2) : b.rem(index, b.i64(parts));
           Value biasSums = b.offset(
               block, static_cast<int64_t>(offsetof(ActivationTile, biasSums)));
           Value conversions = b.offset(
               block,
               static_cast<int64_t>(offsetof(ActivationTile, conversions)));
           Value start =
               startOf(b, layout, b.load(type, conversions, 64),
                       b.load(type, b.element(biasSums, part, 4 * kTokens), 64),
                       scales);
           b.store(start, b.element(starts, index, kStartBytes), 64);
         });
}

/// Implements multiplyInt8(). `scales` says whether the emitted code must
/// support all scales that tokens may have, or only scales that are on the grid
/// of the activation format I8Grid (codegen/KernelSpec.h).
void multiplyTokens(KernelBuilder &b, llvm::ArrayRef<Value> panels,
                    const Int8PanelLayout &layout, int64_t microTokens, Value x,
                    Value tile, int64_t tileBytes, Value starts, Value sums,
                    Value columns, const PanelPrefetch &next, Scales scales) {
  auto type = b.vec(b.f32(), kRowLanes);
  const auto count = static_cast<int64_t>(panels.size());
  const int64_t turns = kTokens / microTokens;
  Value slots = next.turns(b, microTokens);
  Value tokens = next.tokensOf(b, tile);
  b.loop(b.i64(0), tokens, b.i64(microTokens), [&](Value first) {
    next.prefetchShare(
        b, b.add(b.mul(tile, b.i64(turns)), b.div(first, b.i64(microTokens))),
        slots);
    Value firstSums = b.element(sums, first, count * kSumBytes);
    KernelBuilder::Values totals;
    llvm::SmallVector<Value> places;
    for (int64_t panel = 0; panel < count; ++panel) {
      for (int64_t i = 0; i < microTokens; ++i) {
        places.push_back(b.offset(firstSums, (i * count + panel) * kSumBytes));
        totals.push_back(b.load(type, places.back(), 64));
      }
    }
    totals = b.loop(b.i64(0), b.div(columns, b.i64(kColumns)), b.i64(1), totals,
                    [&](Value block, mlir::ValueRange carried) {
                      KernelBuilder::Values now(carried.begin(), carried.end());
                      multiplyBlock(b, panels, layout, block, x, tileBytes,
                                    starts, first, microTokens, now, scales);
                      return now;
                    });
    for (size_t i = 0; i < places.size(); ++i) {
      b.store(totals[i], places[i], 64);
    }
  });
}

} // namespace

void multiplyInt8(KernelBuilder &b, llvm::ArrayRef<Value> panels,
                  const Int8PanelLayout &layout, int64_t microTokens, Value x,
                  Value tile, int64_t tileBytes, Value starts, Value sums,
                  Value columns, const PanelPrefetch &next) {
  const Scales fast = layout.isGrid ? Scales::OnGrid : Scales::Any;
  auto multiply = [&](int64_t tokens, Scales scales) {
    const bool isStored =
        layout.bias != 0 && scales == fast && !startsAtConversion(layout);
    if (isStored) {
      storeStarts(b, layout, x, columns, scales, starts);
    }
    multiplyTokens(b, panels, layout, tokens, x, tile, tileBytes,
                   isStored ? starts : Value(), sums, columns, next, scales);
  };
  if (!layout.isGrid) {
    multiply(microTokens, fast);
    return;
  }
  // Scales off the grid are rare, so the code for them is small rather than
  // fast.
  b.ifThenElse(
      areOnGrid(b, x, columns), [&] { multiply(microTokens, fast); },
      [&] { multiply(1, Scales::Any); });
}

} // namespace air::codegen
