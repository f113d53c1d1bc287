//===- WordMath.h - small integers out of 32-bit words ----------*- C++ -*-===//
//
// Decoders see a block as 32-bit words with one row per lane. These functions
// extract bit fields from the four bytes of each word and convert them to
// float, with the cheapest instructions that the target has.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_BUILDER_WORDMATH_H
#define AIRPACK_CODEGEN_CPU_BUILDER_WORDMATH_H

#include "codegen/cpu/builder/KernelBuilder.h"

#include <array>

namespace air::codegen {

class WordMath {
public:
  using Value = mlir::Value;
  using Four = std::array<Value, 4>;

  explicit WordMath(KernelBuilder &builder) : b(builder) {}

  /// (byte j >> shift & (2^bits - 1)) + bias for bytes j = 0..3, as floats that
  /// still need fieldScale(). The magnitude of the sum is below 128, and -128 <
  /// bias <= 0.
  Four byteFields(Value word, int64_t shift, int64_t bits, int bias);
  /// Likewise for the four bytes as signed integers (fieldScale() with 8 bits).
  Four byteFields(Value word);
  /// The scale to use with byteFields() of `bits` bits. Leaving a byte at the
  /// top of its lane is cheapest, and makes it 2^24 times too large; the scale
  /// compensates.
  Value fieldScale(Value scale, int64_t bits);
  /// table[byte j >> shift & 15] as floats; shift is 0 or 4.
  Four nibblesByTable(const std::array<int8_t, 16> &table, Value word,
                      int64_t shift);
  /// The four bytes as signed integers, converted to float.
  Four signedBytes(Value word);
  /// Byte `index` of each word, broadcast to its four bytes.
  Value spread(Value word, int64_t index);
  /// Byte j of each lane is bits [step * j, step * j + bits); bits < 8.
  Value apart(Value word, int64_t step, int64_t bits);
  /// Requires isa().hasVbmi. Byte j of each lane is the eight bits that start
  /// at firstBits[j]. Bits from outside the lane are unspecified.
  Value eightBits(Value word, const std::array<int64_t, 4> &firstBits);
  /// Byte `index` of each word, as i32.
  Value byteOf(Value word, int64_t index);
  /// (word >> shift) & (2^bits - 1), as i32.
  Value bitsOf(Value word, int64_t shift, int64_t bits);
  /// The same with a shift that is known only at run time (i64 scalar).
  Value bitsOf(Value word, Value shift, int64_t bits);
  /// word >> shift, where shift is an i64 scalar.
  Value shiftedRight(Value word, Value shift);
  /// Converts an integer below 2^31 to float.
  Value toFloat(Value integer) { return b.signedToFloat(integer, b.f32()); }
  /// `magnitude`, negated where bit `bit` of `signs` is set.
  Value withSign(Value magnitude, Value signs, int64_t bit);

private:
  Value lookUp(const std::array<float, 16> &table, Value index);
  bool looksUp(int64_t bits) const { return b.isa().hasAvx512 && bits <= 4; }

  KernelBuilder &b;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_BUILDER_WORDMATH_H
