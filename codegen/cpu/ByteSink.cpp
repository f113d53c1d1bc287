//===- ByteSink.cpp - weights as unsigned bytes -----------------*- C++ -*-===//
#include "codegen/cpu/ByteSink.h"

#include "codegen/cpu/ByteProducts.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace air::codegen {
namespace {

int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

} // namespace

void ByteSink::value(int64_t, Value) {
  llvm_unreachable("byteDTypes() say no single values");
}

void ByteSink::fields(int64_t column, Value word, int64_t shift, int64_t bits,
                      int bias) {
  assert(bits < 8);
  bytes(
      column,
      b.andBits(b.shiftRight(word, shift), everyByte((int64_t{1} << bits) - 1)),
      bits, bias);
}

void ByteSink::signedFields(int64_t column, Value word) {
  bytes(column, wholeBytes(b, word), 8, wholeByteBias(b.isa()));
}

void ByteSink::nibblesThrough(int64_t column, Value word, int64_t shift,
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

} // namespace air::codegen
