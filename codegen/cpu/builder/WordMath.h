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

  /// Returns (byte j >> shift & (2^bits - 1)) + bias for bytes j = 0 to 3, as
  /// floats that are multiplied by a constant factor (see fieldScale()). Before
  /// this multiplication, their magnitudes must be below 128. -128 < bias <= 0,
  /// and `bits` is at most 7 unless `bias` is 0.
  Four byteFields(Value word, int64_t shift, int64_t bits, int bias);
  /// Converts the four bytes of each word, as signed integers, to floats, and
  /// multiplies these by a constant factor. fieldScale(scale, 8) divides by the
  /// same factor.
  Four byteFields(Value word);
  /// Returns `scale` divided by the factor by which byteFields() multiplies
  /// fields of `bits` bits. With AVX-512, byteFields() looks up the floats for
  /// fields of up to 4 bits in a table, and the factor is 1. In all other cases
  /// it is 2^24: to save instructions, byteFields() converts each byte to float
  /// while it is in the top bits of a 32-bit lane.
  Value fieldScale(Value scale, int64_t bits);
  /// Returns table[byte j >> shift & 15] for bytes j = 0 to 3, as floats.
  /// `shift` is 0 or 4.
  Four nibblesByTable(const std::array<int8_t, 16> &table, Value word,
                      int64_t shift);
  /// The four bytes of each word as signed integers, converted to float.
  Four signedBytes(Value word);
  /// Byte `index` of each word, broadcast to all four bytes of the word.
  Value spread(Value word, int64_t index);
  /// Moves four bit fields into one byte each: byte j of the result is bits
  /// [step * j, step * j + bits) of the word. `bits` is below 8.
  Value apart(Value word, int64_t step, int64_t bits);
  /// Byte j of the result is the eight bits of the word that start at bit
  /// firstBits[j]. Bits from outside the word are unspecified. Requires
  /// isa().hasVbmi.
  Value eightBits(Value word, const std::array<int64_t, 4> &firstBits);
  /// Byte `index` of each word, as i32.
  Value byteOf(Value word, int64_t index);
  /// (word >> shift) & (2^bits - 1), as i32.
  Value bitsOf(Value word, int64_t shift, int64_t bits);
  /// (word >> shift) & (2^bits - 1), as i32, where `shift` is an i64 scalar.
  Value bitsOf(Value word, Value shift, int64_t bits);
  /// word >> shift, where `shift` is an i64 scalar.
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
