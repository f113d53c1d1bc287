//===- WordMath.h - small integers out of 32-bit words ----------*- C++ -*-===//
//
// Decoders see a block as 32-bit words, one row a lane. These take the bits of
// a word's four bytes apart and make floats of them, by the shortest way that
// the machine has.
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

  /// (byte j >> shift & (2^bits - 1)) + bias for bytes j = 0..3, divided by
  /// what fieldScale multiplies with; |the sum| < 128, -128 < bias <= 0.
  Four byteFields(Value word, int64_t shift, int64_t bits, int bias);
  /// The four bytes as signed integers, likewise (bits 8).
  Four byteFields(Value word);
  /// `scale` for the floats that byteFields gives for fields of `bits` bits:
  /// it is cheapest to leave a byte at the top of its lane, 2^24 too large.
  Value fieldScale(Value scale, int64_t bits);
  /// Float of table[byte j >> shift & 15], shift 0 or 4.
  Four nibblesThrough(const std::array<int8_t, 16> &table, Value word,
                      int64_t shift);
  /// Float of the four bytes as signed integers.
  Four signedBytes(Value word);
  /// Byte `index` of the word in all its four bytes.
  Value spread(Value word, int64_t index);
  /// Byte j of each lane: its bits [step * j, step * j + bits), bits < 8.
  Value apart(Value word, int64_t step, int64_t bits);
  /// Where isa().hasVbmi. Byte j of each lane: eight bits from firstBits[j] on;
  /// what lies outside the lane is unspecified.
  Value eightBits(Value word, const std::array<int64_t, 4> &firstBits);
  /// Byte `index` of the word, as i32.
  Value byteOf(Value word, int64_t index);
  /// (word >> shift) & (2^bits - 1), as i32.
  Value bitsOf(Value word, int64_t shift, int64_t bits);
  /// The same at a place that is known when the kernel runs (i64 scalar).
  Value bitsOf(Value word, Value shift, int64_t bits);
  /// word >> shift, shift an i64 scalar.
  Value shiftedRight(Value word, Value shift);
  /// An integer below 2^31 as float.
  Value toFloat(Value integer) { return b.signedToFloat(integer, b.f32()); }
  /// `magnitude`, negative where bit `bit` of `signs` is set.
  Value withSign(Value magnitude, Value signs, int64_t bit);

private:
  Value lookUp(const std::array<float, 16> &table, Value index);
  bool looksUp(int64_t bits) const { return b.isa().hasAvx512 && bits <= 4; }

  KernelBuilder &b;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_BUILDER_WORDMATH_H
