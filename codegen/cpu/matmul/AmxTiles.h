//===- AmxTiles.h - operations on tile registers ----------------*- C++ -*-===//
//
// In the IR, a tile is an SSA value of type x86_amx, which loops may carry.
// LLVM assigns tile registers and configures them. Source: Intel SDM vol. 1,
// ch. 18.
//
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_AMXTILES_H
#define AIRPACK_CODEGEN_CPU_MATMUL_AMXTILES_H

#include "codegen/cpu/builder/KernelBuilder.h"

namespace air::codegen {

class AmxTiles {
public:
  using Value = mlir::Value;

  /// The shape of a tile: at most 16 rows of at most 64 bytes each.
  struct Shape {
    int64_t rows;
    int64_t bytes;
  };
  /// Sums of 16 tokens by 16 rows of weights, 32 bits each.
  static constexpr Shape kSums = {16, 64};

  explicit AmxTiles(KernelBuilder &builder)
      : b(builder),
        type(mlir::LLVM::LLVMX86AMXType::get(builder.ops().getContext())) {}

  Value zero(Shape shape) {
    return b.intrinsic(type, "llvm.x86.tilezero.internal",
                       {number(shape.rows), number(shape.bytes)});
  }
  /// Loads a tile from memory, where its rows are `rowDistance` bytes apart.
  Value load(Shape shape, Value from, int64_t rowDistance) {
    return b.intrinsic(
        type, "llvm.x86.tileloadd64.internal",
        {number(shape.rows), number(shape.bytes), from, b.i64(rowDistance)});
  }
  void store(Value tile, Shape shape, Value to, int64_t rowDistance) {
    b.intrinsic("llvm.x86.tilestored64.internal",
                {number(shape.rows), number(shape.bytes), to,
                 b.i64(rowDistance), tile});
  }
  /// Returns sums[token][row] + x[token] . w[row] for bfloat16 x and w. x has
  /// 16 rows of `bytes` bytes, each with the columns of one token; w is [bytes
  /// / 4][16 rows][4 bytes]. Requires isa().hasAmxBf16.
  Value dotPairs(Value sums, Value x, Value w, int64_t bytes) {
    return dot("llvm.x86.tdpbf16ps.internal", sums, x, w, bytes);
  }
  /// Like dotPairs(), but for signed bytes in x and unsigned bytes in w, with
  /// integer sums. Requires isa().hasAmxInt8.
  Value dotBytes(Value sums, Value x, Value w, int64_t bytes) {
    return dot("llvm.x86.tdpbsud.internal", sums, x, w, bytes);
  }

private:
  Value number(int64_t value) { return b.constant(b.i16(), value); }
  Value dot(llvm::StringRef name, Value sums, Value x, Value w, int64_t bytes) {
    return b.intrinsic(
        type, name,
        {number(kSums.rows), number(kSums.bytes), number(bytes), sums, x, w});
  }

  KernelBuilder &b;
  KernelBuilder::Type type;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_AMXTILES_H
