//===- Int8Dot.h - dot products of four bytes -------------------*- C++ -*-===//
//
// What integer products are made of, on every instruction set that has it
// (IsaTraits::byteDot): 16 lanes of i32, each the sum of four products of a
// weight's byte and an activation's, and a look-up of 16 signed bytes.
//
// Instruction sets differ in whether a weight's byte has a sign. Fields of up
// to seven bits are the same either way. Whole bytes, which decoders say as
// signed, come in the form that the target multiplies: wholeBytes() makes it,
// and each then stands for its value plus wholeByteBias().
//
// Without a dot product x86 has sums of two products in 16 bits, which
// saturate: unsigned by signed. Products of fields below 128 and of |x| <= 127
// can't: 2 * 127 * 127 < 2^15. Whole bytes are signed there, and their sign
// goes to the activation: 2 * 128 * 127 < 2^15.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H

#include "codegen/cpu/builder/KernelBuilder.h"

#include <array>

namespace air::codegen {

/// -128 where whole bytes are unsigned, each 128 above what it stands for; 0
/// where they are signed.
int wholeByteBias(const IsaTraits &isa);

/// Signed bytes, any number of lanes of i8 or i32, as whole bytes.
mlir::Value wholeBytes(KernelBuilder &b, mlir::Value bytes);

/// lane i of `sum` + sum over j < 4 of weights[4i + j] * x[4i + j]: exact while
/// it fits 32 bits. `sum` has 16 lanes of i32, the others 64 of i8. `weights`
/// are unsigned below 2^bits, bits < 8, or whole bytes (bits 8); x is signed
/// and not -128.
mlir::Value dotBytes(KernelBuilder &b, mlir::Value sum, mlir::Value weights,
                     mlir::Value x, int64_t bits);

/// byte i = table[indices[i]]; 64 lanes of i8, indices below 16.
mlir::Value lookUpBytes(KernelBuilder &b, mlir::Value indices,
                        const std::array<int8_t, 16> &table);

// ---- two tokens at once, where IsaTraits::hasI8mm ---------------------------

/// Eight columns of 16 rows, [row][8]: 128 lanes of i8, out of those of
/// dotBytes() for columns 0-3 and 4-7.
mlir::Value eightColumns(KernelBuilder &b, mlir::Value first,
                         mlir::Value second);

/// `sums`, 32 lanes of i32 in an order of its own, + the products of
/// eightColumns() and `x`, 16 lanes of i8: eight columns of two tokens.
mlir::Value dotTwoTokens(KernelBuilder &b, mlir::Value sums,
                         mlir::Value weights, mlir::Value x);

/// 16 rows' sums of token 0 or 1.
mlir::Value sumsOfToken(KernelBuilder &b, mlir::Value sums, int64_t token);

/// A sum of dotBytes() that says when it is complete: where products are added
/// up in 16 bits they stay there for as long as they surely fit.
class ByteSum {
public:
  /// Starts from 16 lanes of i32.
  explicit ByteSum(mlir::Value start) : wide(start) {}

  /// As dotBytes(); |x| <= mostX <= 127.
  void add(KernelBuilder &b, mlir::Value weights, mlir::Value x, int64_t bits,
           int64_t mostX = 127);
  /// The sum of all that was added, which may go on afterwards.
  mlir::Value total(KernelBuilder &b);

private:
  mlir::Value wide;
  mlir::Value narrow; ///< 32 lanes of i16, not yet in `wide`; null: nothing
  int64_t narrowBound = 0;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8DOT_H
