//===- Int8Dot.h - int8 dot products on every ISA ---------------*- C++ -*-===//
//
// This file has two building blocks of int8 matmuls, for every instruction set
// that supports them (IsaTraits::byteDot): a dot product in 16 lanes of i32,
// each the sum of four products of a weight byte and an activation byte, and a
// look-up in a table of 16 signed bytes.
//
// Instruction sets differ in the signedness of weight bytes, which does not
// matter for unsigned weights of up to seven bits. Decoders emit 8-bit weights
// as signed bytes; toTargetInt8() converts them to the target's signedness,
// which adds -targetInt8Bias() to each.
//
// x86 without VNNI multiplies unsigned bytes by signed bytes and adds pairs of
// products in 16 bits with saturation. With weights from 0 to 127, no sum
// saturates, since |x| <= 127 and 2 * 127 * 127 < 2^15. For 8-bit weights, the
// sign of the weight is moved to the activation. No sum saturates then either,
// since 2 * 128 * 127 < 2^15.
//
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H

#include "codegen/cpu/builder/KernelBuilder.h"

#include <array>

namespace air::codegen {

/// Returns the bias that corrects the target's 8-bit weights: -128 where they
/// are unsigned bytes, which are 128 too large, and 0 where they are signed.
int targetInt8Bias(const IsaTraits &isa);

/// Converts signed bytes, in any number of lanes of i8 or i32, to the form in
/// which the target takes 8-bit weights.
mlir::Value toTargetInt8(KernelBuilder &b, mlir::Value bytes);

/// Adds the sum over j < 4 of weights[4i + j] * x[4i + j] to lane i of `sum`.
/// The result is exact as long as it fits in 32 bits. `sum` has 16 lanes of
/// i32, the operands 64 lanes of i8. If bits < 8, `weights` are unsigned and
/// below 2^bits; if bits is 8, they have the form that toTargetInt8() returns.
/// x is signed and not -128.
mlir::Value dotBytes(KernelBuilder &b, mlir::Value sum, mlir::Value weights,
                     mlir::Value x, int64_t bits);

/// Byte i of the result is table[indices[i]], for 64 lanes of i8. Indices are
/// below 16.
mlir::Value lookUpInt8(KernelBuilder &b, mlir::Value indices,
                       const std::array<int8_t, 16> &table);

// ---- two tokens at once, where IsaTraits::hasI8mm ---------------------------

/// Combines the operands of dotBytes() for columns 0-3 and 4-7 into eight
/// columns of 16 rows, [row][8]: 128 lanes of i8.
mlir::Value eightColumns(KernelBuilder &b, mlir::Value first,
                         mlir::Value second);

/// Adds the dot products of `weights`, which eightColumns() returned, and `x`
/// to `sums`. `x` has eight columns of two tokens in 16 lanes of i8. `sums` has
/// 32 lanes of i32, in an order that sumsOfToken() undoes.
mlir::Value dotTwoTokens(KernelBuilder &b, mlir::Value sums,
                         mlir::Value weights, mlir::Value x);

/// Extracts the sums of 16 rows for token 0 or 1 from what dotTwoTokens()
/// returned.
mlir::Value sumsOfToken(KernelBuilder &b, mlir::Value sums, int64_t token);

/// Accumulates the results of dotBytes(). On targets that add in 16 bits, sums
/// stay in 16 bits for as long as they provably fit.
class Int8Accumulator {
public:
  /// Starts from the sums in `start`, 16 lanes of i32.
  explicit Int8Accumulator(mlir::Value start) : wide(start) {}

  /// Adds what dotBytes() would add for the same operands. No element of `x`
  /// exceeds `mostX` in magnitude, and `mostX` is at most 127.
  void add(KernelBuilder &b, mlir::Value weights, mlir::Value x, int64_t bits,
           int64_t mostX = 127);
  /// The sum so far. More may be added afterwards.
  mlir::Value total(KernelBuilder &b);

private:
  mlir::Value wide;
  /// Sums in 32 lanes of i16 that `wide` does not contain yet; null if none.
  mlir::Value narrow;
  int64_t narrowBound = 0;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H
