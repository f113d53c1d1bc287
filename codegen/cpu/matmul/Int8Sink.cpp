//===- Int8Sink.cpp - weights as int8 ---------------------------*- C++ -*-===//
#include "codegen/cpu/matmul/Int8Sink.h"

#include "codegen/cpu/builder/WordMath.h"
#include "codegen/cpu/matmul/Int8Dot.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace air::codegen {
namespace {

int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

} // namespace

void Int8Sink::value(int64_t, Value) {
  llvm_unreachable(
      "the decoder of a dtype with int8 activations must not pass on single "
      "values");
}

void Int8Sink::fields(int64_t column, Value word, int64_t shift, int64_t bits,
                      int bias) {
  assert(bits < 8);
  bytesInPlace(column, word, shift, bits, bias);
}

void Int8Sink::bytesInPlace(int64_t column, Value word, int64_t shift,
                            int64_t bits, int bias) {
  bytes(
      column,
      b.andBits(b.shiftRight(word, shift), everyByte((int64_t{1} << bits) - 1)),
      bits, bias);
}

void Int8Sink::signedFields(int64_t column, Value word) {
  bytes(column, toTargetInt8(b, word), 8, targetInt8Bias(b.isa()));
}

void Int8Sink::quarterFields(int64_t column, Value word, int bias) {
  // Byte i of `word` holds four fields. Fields 0 and 1 are taken from the word
  // itself, and fields 2 and 3 from the word shifted right by 4. Fields 1 and 3
  // are then two bits too high, which the look-up in kFields corrects.
  constexpr std::array<int8_t, 16> kFields = {0, 1, 2, 3, 1, 0, 0, 0,
                                              2, 0, 0, 0, 3, 0, 0, 0};
  constexpr int64_t kBytes = 4 * kRowLanes;
  Value low = b.recast(word, b.i8());
  Value high = b.recast(b.shiftRight(word, 4), b.i8());
  for (int64_t i = 0; i < 4; ++i) {
    llvm::SmallVector<int64_t> lanes;
    for (int64_t at = i; at < kBytes; at += 4) {
      lanes.append({at, at, kBytes + at, kBytes + at});
    }
    Value twos = b.recast(b.shuffle(low, high, lanes), b.i32());
    Value indices = b.recast(b.andBits(twos, int64_t{0x0c030c03}), b.i8());
    bytes(column + 4 * i, b.recast(lookUpInt8(b, indices, kFields), b.i32()), 2,
          bias);
  }
}

void Int8Sink::bitFields(int64_t column, Value word) {
  for (int64_t i = 0; i < 8; ++i) {
    Value four = b.recast(
        b.andBits(WordMath(b).spread(word, i / 2),
                  i % 2 == 0 ? int64_t{0x08040201} : int64_t{0x80402010}),
        b.i8());
    Value zero = b.zero(four.getType());
    Value two = b.constant(four.getType(), int64_t{2});
    Value q = b.select(b.equal(four, zero), zero, two);
    bytes(column + 4 * i, b.recast(q, b.i32()), 2, -1);
  }
}

void Int8Sink::nibblesByTable(int64_t column, Value word, int64_t shift,
                              const std::array<int8_t, 16> &table) {
  // If adding a power of two (or nothing) brings all entries into the range 0
  // to 127, the sums are stored, and the bias subtracts the power of two again.
  // Such bytes have the same value whether they are signed or not, so the dot
  // products of every target take them as they are. Otherwise, the entries are
  // stored with the bias that the target's 8-bit weights have.
  const auto [least, most] = std::ranges::minmax(table);
  const int raised =
      least < 0 ? static_cast<int>(std::bit_ceil(unsigned(-least))) : 0;
  const bool isField = most + raised < 128;
  const int bias = isField ? -raised : targetInt8Bias(b.isa());
  std::array<int8_t, 16> entries;
  std::ranges::transform(table, entries.begin(), [bias](int8_t entry) {
    return static_cast<int8_t>(entry - bias);
  });
  Value indices = b.andBits(b.shiftRight(word, shift), everyByte(15));
  Value looked = lookUpInt8(b, b.recast(indices, b.i8()), entries);
  bytes(column, b.recast(looked, b.i32()),
        isField ? std::bit_width(unsigned(most + raised)) : 8, bias);
}

} // namespace air::codegen
