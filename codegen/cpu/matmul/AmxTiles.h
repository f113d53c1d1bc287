//===- AmxTiles.h - operations on tile registers ----------------*- C++ -*-===//
//
// A tile is an SSA value of a type of its own, which loops may carry. LLVM
// assigns tile registers and configures them. Source: Intel SDM vol. 1, ch. 18.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_AMXTILES_H
#define AIRPACK_CODEGEN_CPU_MATMUL_AMXTILES_H

#include "codegen/cpu/builder/KernelBuilder.h"

namespace air::codegen {

class AmxTiles {
public:
  using Value = mlir::Value;

  /// Rows, and bytes per row: up to 16 and 64.
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
  /// Rows are rowDistance bytes apart.
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
  /// sums[token][row] + x[token] . w[row] on pairs of bfloat16. x has 16 rows
  /// of `bytes` bytes, each with the columns of one token; w is [bytes / 4][16
  /// rows][4 bytes]. Requires isa().hasAmxBf16.
  Value dotPairs(Value sums, Value x, Value w, int64_t bytes) {
    return dot("llvm.x86.tdpbf16ps.internal", sums, x, w, bytes);
  }
  /// The same for signed bytes x and unsigned bytes w. Requires
  /// isa().hasAmxInt8.
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
