//===- Int8DotSink.cpp - int8 dot products for few tokens -------*- C++ -*-===//
#include "codegen/cpu/matmul/Int8DotSink.h"

#include <bit>
#include <cassert>
#include <cstddef>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kColumns = kActivationColumns;
constexpr int64_t kTokens = kActivationTokens;
constexpr auto kBlocks = static_cast<int64_t>(kSectionBlocks);
/// The largest |x| of I8 and I8Grid, and of the high half of I8x2. kMostLow is
/// the largest |x| of the low half.
constexpr int64_t kMostWhole = 127;
constexpr int64_t kMostLow = 64;

} // namespace

Int8DotSink::Int8DotSink(KernelBuilder &builder, Activation activation, Value x,
                         int64_t k, Value firstToken, int64_t tokens)
    : Int8Sink(builder), isTwice(activation == Activation::I8x2),
      tokenBytes(4 * static_cast<int64_t>(activationWords(
                         Activation::I8x2, static_cast<uint64_t>(k)))),
      tokenCount(tokens),
      total(tokens, builder.zero(builder.vec(builder.f32(), kRowLanes))) {
  if (isTwice) {
    base = b.element(x, firstToken, tokenBytes);
    return;
  }
  const int64_t tileBytes =
      k / kColumns * static_cast<int64_t>(sizeof(ActivationTile));
  Value tile = b.element(x, b.div(firstToken, b.i64(kTokens)), tileBytes);
  Value lane = b.rem(firstToken, b.i64(kTokens));
  base = b.element(tile, lane, kColumns);
  numbers = b.element(tile, lane, 4);
}

Value Int8DotSink::block() {
  return b.add(b.div(cursor, b.i64(kColumns)), b.i64(firstColumn / kColumns));
}

Value Int8DotSink::tileAt(Value start, int64_t byte) {
  return b.offset(b.element(start, block(), sizeof(ActivationTile)), byte);
}

Value Int8DotSink::sectionAt(int64_t byte) {
  Value section = b.div(block(), b.i64(kBlocks));
  return b.offset(b.element(base, section, sizeof(ActivationSection)), byte);
}

Value Int8DotSink::activations(int64_t token, int64_t half, int64_t column) {
  const int64_t place = column % kColumns;
  Value address;
  if (isTwice) {
    Value fromEnd = b.sub(b.i64(kBlocks - 1), b.rem(block(), b.i64(kBlocks)));
    address = b.element(sectionAt(token * tokenBytes + half * kColumns + place),
                        fromEnd, sizeof(ActivationSection::Bytes));
  } else {
    address = tileAt(base, token * kColumns + place);
  }
  return b.splat(b.load(b.i32(), address, 4), kRowLanes);
}

Value Int8DotSink::number(int64_t token, Field field,
                          KernelBuilder::Type element) {
  const bool isWhole = columnCount == kColumns;
  const int64_t half = firstColumn % kColumns / columnCount;
  Value address;
  if (isTwice) {
    assert(field != Field::Sums && "I8x2 has only negated sums");
    const int64_t sum = isWhole ? 0 : 1 + half;
    const size_t start = field == Field::Scale
                             ? offsetof(ActivationSection, scale)
                             : offsetof(ActivationSection, negatedSums);
    address = sectionAt(token * tokenBytes + static_cast<int64_t>(start) +
                        (field == Field::Scale ? 0 : 4 * kBlocks * sum));
    address = b.element(address, b.rem(block(), b.i64(kBlocks)), 4);
  } else {
    const std::array<size_t, 3> starts = {offsetof(ActivationTile, scale),
                                          offsetof(ActivationTile, biasSums),
                                          offsetof(ActivationTile, scaledSums)};
    const int64_t sum = field == Field::Scale ? 0 : isWhole ? 2 : half;
    address = tileAt(
        numbers, 4 * token + 4 * kTokens * sum +
                     static_cast<int64_t>(starts[static_cast<size_t>(field)]));
  }
  return b.splat(b.load(element, address, 4), kRowLanes);
}

Value Int8DotSink::biasCorrection(int64_t token, int bias) {
  Value sums = number(token, Field::BiasSums, b.i32());
  const int power = std::countr_zero(static_cast<unsigned>(-bias));
  if (isTwice) {
    return b.shiftLeft(sums, power);
  }
  return power == 7 ? sums : b.shiftRightSigned(sums, 7 - power);
}

void Int8DotSink::beginGroup(int64_t first, int64_t count, Value scale,
                             Value offset) {
  assert(!open && "a group must not begin inside another group");
  assert((count == kColumns || count == kColumns / 2) && first % count == 0 &&
         "a group must be a block of activations or half of one");
  open = true;
  firstColumn = first;
  columnCount = count;
  groupScale = scale;
  groupOffset = offset;
  if (offset) {
    // I8x2 stores the negated sums of the activations, so the offset is negated
    // as well.
    groupOffset = isTwice
                      ? b.negate(offset)
                      : b.mul(offset, b.constant(offset.getType(),
                                                 double{kScaledSumDivisor}));
  }
  sumsOfBytes.clear();
}

Int8DotSink::Sums &Int8DotSink::sumsWith(int64_t shift) {
  for (Sums &sums : sumsOfBytes) {
    if (sums.shift == shift) {
      return sums;
    }
  }
  // Within a scale group, weight bytes that are 2^shift times too large have
  // separate sums for each value of `shift`. The bias correction must count
  // only once per group. Therefore the sums that are created first start from
  // the correction, and all others from 0.
  const bool isFirst = sumsOfBytes.empty();
  Sums &sums = sumsOfBytes.emplace_back(Sums{shift, {}});
  Value zero = b.zero(b.vec(b.i32(), kRowLanes));
  for (int64_t token = 0; token < tokenCount; ++token) {
    sums.ofTokens.emplace_back(isTwice ? 2 : 1, Int8Accumulator(zero));
    if (isFirst && groupBias != 0) {
      sums.ofTokens.back().back() =
          Int8Accumulator(biasCorrection(token, groupBias << shift));
    }
  }
  return sums;
}

void Int8DotSink::bytesInPlace(int64_t column, Value word, int64_t shift,
                               int64_t bits, int bias) {
  const bool isUnsigned = targetInt8Bias(b.isa()) != 0;
  // Int8Sink::bytesInPlace() shifts the weights right by `shift` bits. If the
  // weight bytes are unsigned, the sums can be shifted right instead. There is
  // a sum for each token, so this is faster only with up to two tokens.
  if (!isUnsigned || tokenCount > 2 || shift == 0) {
    Int8Sink::bytesInPlace(column, word, shift, bits, bias);
    return;
  }
  const int64_t mask = ((int64_t{1} << bits) - 1) << shift;
  multiply(column, b.andBits(word, mask * 0x01010101), shift, bits + shift,
           bias);
}

void Int8DotSink::multiply(int64_t column, Value word, int64_t shift,
                           int64_t bits, int bias) {
  assert(open && "a value must be inside a group");
  if (sumsOfBytes.empty()) {
    groupBias = bias;
  }
  assert(bias == groupBias && "all values of a group must have the same bias");
  Sums &sums = sumsWith(shift);
  Value weights = b.recast(word, b.i8());
  for (int64_t token = 0; token < tokenCount; ++token) {
    for (int64_t half = 0; half < (isTwice ? 2 : 1); ++half) {
      Value x = b.recast(activations(token, half, column), b.i8());
      sums.ofTokens[token][half].add(b, weights, x, bits,
                                     half == 0 ? kMostWhole : kMostLow);
    }
  }
}

void Int8DotSink::endGroup() {
  // The sums fit in 32 bits. A group has at most 32 products, each of a byte up
  // to 255 and an activation of at most 16256 in magnitude (I8x2). The bias
  // correction is no larger than 32 such products.
  for (int64_t token = 0; token < tokenCount; ++token) {
    Value sum;
    for (Sums &sums : sumsOfBytes) {
      auto &halves = sums.ofTokens[token];
      Value part = halves.front().total(b);
      if (isTwice) {
        part = b.add(b.shiftLeft(part, 7), halves.back().total(b));
      }
      part = b.shiftRightSigned(part, sums.shift);
      sum = sum ? b.add(sum, part) : part;
    }
    // The token's scale is applied last, because the product of the weight
    // scale and the token's scale could underflow.
    Value dot = b.signedToFloat(sum, b.f32());
    if (groupScale) {
      dot = b.mul(groupScale, dot);
    }
    if (groupOffset && isTwice) {
      Value sums = number(token, Field::BiasSums, b.i32());
      dot = b.fma(groupOffset, b.signedToFloat(sums, b.f32()), dot);
    }
    Value scale = number(token, Field::Scale, b.f32());
    total[token] = b.fma(scale, dot, total[token]);
    if (groupOffset && !isTwice) {
      Value sums = number(token, Field::Sums, b.f32());
      total[token] = b.fma(groupOffset, sums, total[token]);
    }
  }
  open = false;
}

KernelBuilder::Values Int8DotSink::carried() {
  assert(!open && "a loop must not begin inside a group");
  return total;
}

void Int8DotSink::restore(mlir::ValueRange values) {
  total.assign(values.begin(), values.end());
}

} // namespace air::codegen
