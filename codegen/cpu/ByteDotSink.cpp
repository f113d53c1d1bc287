//===- ByteDotSink.cpp - dot products of bytes ------------------*- C++ -*-===//
#include "codegen/cpu/ByteDotSink.h"

#include "codegen/KernelSpec.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kColumns = kActivationColumns;
constexpr int64_t kMostHigh = 127; ///< q is at most 16256 = 127 * 128
constexpr int64_t kMostLow = 64;

int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

} // namespace

ByteDotSink::ByteDotSink(KernelBuilder &builder, Value x, int64_t rowBytes,
                         int64_t tokens)
    : DecodeSink(builder), xBase(x), xRowBytes(rowBytes), tokenCount(tokens),
      total(tokens, builder.zero(builder.vec(builder.f32(), kRowLanes))) {
  assert(builder.isa().hasByteDot() && "describe refuses other targets");
}

Value ByteDotSink::blockAt(int64_t token, int64_t byte) {
  constexpr int64_t kBytes = sizeof(ActivationBlock);
  Value block = b.div(cursor, b.i64(kColumns));
  return b.offset(b.element(xBase, block, kBytes),
                  token * xRowBytes + firstColumn / kColumns * kBytes + byte);
}

Value ByteDotSink::blockSplat(int64_t token, int64_t byte,
                              KernelBuilder::Type element) {
  return b.splat(b.load(element, blockAt(token, byte), 4), kRowLanes);
}

void ByteDotSink::beginGroup(int64_t first, int64_t count, Value scale,
                             Value offset) {
  assert(!open && "groups do not nest");
  assert((count == kColumns || count == kColumns / 2) && first % count == 0 &&
         "a group is a block of activations or half of one");
  open = true;
  firstColumn = first;
  columnCount = count;
  groupScale = scale;
  groupOffset = offset;
  sumsOfBytes.clear();
}

void ByteDotSink::value(int64_t, Value) {
  llvm_unreachable("byteDTypes() say no single values");
}

void ByteDotSink::fields(int64_t column, Value word, int64_t shift,
                         int64_t bits, int bias) {
  assert(bits < 8);
  bytes(
      column,
      b.andBits(b.shiftRight(word, shift), everyByte((int64_t{1} << bits) - 1)),
      bits, bias);
}

void ByteDotSink::signedFields(int64_t column, Value word) {
  bytes(column, wholeBytes(b, word), 8, wholeByteBias(b.isa()));
}

void ByteDotSink::nibblesThrough(int64_t column, Value word, int64_t shift,
                                 const std::array<int8_t, 16> &table) {
  // Small numbers become fields, which every target takes as they are.
  const auto [least, most] = std::ranges::minmax(table);
  const int raised =
      least < 0 ? static_cast<int>(std::bit_ceil(unsigned(-least))) : 0;
  const bool isField = most + raised < 128;
  const int bias = isField ? -raised : wholeByteBias(b.isa());
  std::array<int8_t, 16> entries;
  std::ranges::transform(table, entries.begin(), [bias](int8_t entry) {
    return static_cast<int8_t>(entry - bias);
  });
  Value indices = b.andBits(b.shiftRight(word, shift), everyByte(15));
  Value looked = lookUpBytes(b, b.recast(indices, b.i8()), entries);
  bytes(column, b.recast(looked, b.i32()),
        isField ? std::bit_width(unsigned(most + raised)) : 8, bias);
}

void ByteDotSink::bytes(int64_t column, Value word, int64_t bits, int bias) {
  assert(open && "a value belongs to a group");
  if (sumsOfBytes.empty()) {
    groupBias = bias;
    const int64_t sumIndex =
        columnCount == kColumns ? 2 : firstColumn % kColumns / columnCount;
    auto type = b.vec(b.i32(), kRowLanes);
    for (int64_t token = 0; token < tokenCount; ++token) {
      Value low = b.zero(type);
      if (bias != 0) {
        low = b.mul(
            blockSplat(token,
                       offsetof(ActivationBlock, negatedSums) + 4 * sumIndex,
                       b.i32()),
            b.constant(type, int64_t{-bias}));
      }
      sumsOfBytes.push_back({ByteSum(b.zero(type)), ByteSum(low)});
    }
  }
  assert(bias == groupBias && "one bias a group");
  const int64_t place = column % kColumns;
  Value weights = b.recast(word, b.i8());
  auto four = [&](int64_t token, int64_t half) {
    return b.recast(blockSplat(token, half + place, b.i32()), b.i8());
  };
  for (int64_t token = 0; token < tokenCount; ++token) {
    Halves &halves = sumsOfBytes[token];
    halves.high.add(b, weights, four(token, offsetof(ActivationBlock, high)),
                    bits, kMostHigh);
    halves.low.add(b, weights, four(token, offsetof(ActivationBlock, low)),
                   bits, kMostLow);
  }
}

void ByteDotSink::endGroup() {
  // At most 32 * 255 * 16256 in magnitude, and as much again for the bias.
  const int64_t sumIndex =
      columnCount == kColumns ? 2 : firstColumn % kColumns / columnCount;
  for (int64_t token = 0; token < tokenCount; ++token) {
    Halves &halves = sumsOfBytes[token];
    Value sum =
        b.add(b.shiftLeft(halves.high.total(b), 7), halves.low.total(b));
    Value scale = blockSplat(token, offsetof(ActivationBlock, scale), b.f32());
    scale = groupScale ? b.mul(groupScale, scale) : scale;
    total[token] = b.fma(scale, b.signedToFloat(sum, b.f32()), total[token]);
    if (groupOffset) {
      Value sums = blockSplat(
          token, offsetof(ActivationBlock, scaledSums) + 4 * sumIndex, b.f32());
      total[token] = b.fma(groupOffset, sums, total[token]);
    }
  }
  open = false;
}

KernelBuilder::Values ByteDotSink::carried() {
  assert(!open && "no loop inside a group");
  return total;
}

void ByteDotSink::restore(mlir::ValueRange values) {
  total.assign(values.begin(), values.end());
}

} // namespace air::codegen
