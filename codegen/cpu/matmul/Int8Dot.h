//===- Int8Dot.h - int8 dot products on every ISA ---------------*- C++ -*-===//
//
// The building blocks of int8 matmuls, for every instruction set that supports
// them (IsaTraits::byteDot): 16 lanes of i32, each the sum of four products of
// a weight byte and an activation byte, and a look-up in a table of 16 signed
// bytes.
//
// Instruction sets differ in the signedness of weight bytes. Fields of up to
// seven bits are the same either way. Decoders emit 8-bit weights as signed
// bytes; toTargetInt8() converts them to the target's signedness, which adds
// -targetInt8Bias() to each.
//
// x86 without VNNI adds pairs of unsigned times signed products in 16 bits with
// saturation. Fields below 128 cannot saturate since |x| <= 127: 2 * 127 * 127
// < 2^15. For 8-bit weights the sign moves to the activation, and 2 * 128 * 127
// < 2^15 holds as well.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H

#include "codegen/cpu/builder/KernelBuilder.h"

#include <array>

namespace air::codegen {

/// -128 where 8-bit weights are unsigned, since each is then 128 too large; 0
/// where they are signed.
int targetInt8Bias(const IsaTraits &isa);

/// Signed bytes, in any number of lanes of i8 or i32, in the target's form.
mlir::Value toTargetInt8(KernelBuilder &b, mlir::Value bytes);

/// lane i of `sum` + sum over j < 4 of weights[4i + j] * x[4i + j], exact as
/// long as it fits in 32 bits. `sum` has 16 lanes of i32, the operands 64 lanes
/// of i8. `weights` are unsigned and below 2^bits if bits < 8; with bits 8 they
/// are in the form of toTargetInt8(). x is signed and not -128.
mlir::Value dotBytes(KernelBuilder &b, mlir::Value sum, mlir::Value weights,
                     mlir::Value x, int64_t bits);

/// byte i = table[indices[i]] for 64 lanes of i8, with indices below 16.
mlir::Value lookUpInt8(KernelBuilder &b, mlir::Value indices,
                       const std::array<int8_t, 16> &table);

// ---- two tokens at once, where IsaTraits::hasI8mm ---------------------------

/// Combines the operands of dotBytes() for columns 0-3 and 4-7 into eight
/// columns of 16 rows, [row][8]: 128 lanes of i8.
mlir::Value eightColumns(KernelBuilder &b, mlir::Value first,
                         mlir::Value second);

/// `sums` + the products of eightColumns() and `x`, which has eight columns of
/// two tokens in 16 lanes of i8. `sums` has 32 lanes of i32 in an internal
/// order.
mlir::Value dotTwoTokens(KernelBuilder &b, mlir::Value sums,
                         mlir::Value weights, mlir::Value x);

/// The sums of 16 rows with token 0 or 1.
mlir::Value sumsOfToken(KernelBuilder &b, mlir::Value sums, int64_t token);

/// Accumulates dotBytes(). On targets that add in 16 bits, sums stay in 16 bits
/// for as long as they provably fit.
class Int8Accumulator {
public:
  /// Starts from 16 lanes of i32.
  explicit Int8Accumulator(mlir::Value start) : wide(start) {}

  /// As dotBytes(), where |x| <= mostX <= 127.
  void add(KernelBuilder &b, mlir::Value weights, mlir::Value x, int64_t bits,
           int64_t mostX = 127);
  /// The sum so far. More may be added afterwards.
  mlir::Value total(KernelBuilder &b);

private:
  mlir::Value wide;
  mlir::Value narrow; ///< 32 lanes of i16 not yet in `wide`, or null
  int64_t narrowBound = 0;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H
