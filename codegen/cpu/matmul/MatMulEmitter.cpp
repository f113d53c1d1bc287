//===- MatMulEmitter.cpp - shared parts of the matmul kernels ---*- C++ -*-===//
#include "codegen/cpu/matmul/MatMulEmitter.h"

namespace air::codegen {

using Value = mlir::Value;

MatMulEmitter::MatMulEmitter(KernelBuilder &builder,
                             const KernelSpec &kernelSpec)
    : b(builder), spec(kernelSpec),
      tiling(matMulTiling(kernelSpec, builder.isa())),
      isGlu(spec.op == KernelOp::GluMatMul), n(static_cast<int64_t>(spec.n)),
      k(static_cast<int64_t>(spec.k)) {}

Value MatMulEmitter::rows() {
  return spec.rowsFrom == RowsFrom::Tokens ? b.tokens() : b.outputs();
}

RowBlockReader MatMulEmitter::reader(Value matrix, Value rowBlock) {
  Value start = b.binding(1);
  if (spec.isJoined) {
    // Each row of gate, or in layout x16 each row block of gate, is followed by
    // that of up.
    const DTypeInfo &type = info(spec.dtype);
    const int64_t side = spec.layout == Layout::Rows ? 1 : kRowLanes;
    start = b.element(start, matrix,
                      side * (k / type.blockElements * type.blockBytes));
  } else if (isGlu) {
    start = b.select(b.equal(matrix, b.i64(0)), start, b.binding(2));
  }
  const int64_t stride = spec.isJoined ? 2 * k : k;
  return {b, spec.dtype, spec.layout, n, k, stride, start, rowBlock};
}

void MatMulEmitter::finishToken(Value rowBlock, Value token,
                                llvm::function_ref<Value(int64_t)> sumsOf,
                                Value factor) {
  auto vector = b.vec(b.f32(), kRowLanes);
  auto whole = [&] {
    finishPart(rowBlock, token, b.i64(0), vector, sumsOf, factor);
  };
  if (n % kRowLanes == 0) {
    whole();
    return;
  }
  b.ifThenElse(b.less(rowBlock, b.i64(n / kRowLanes)), whole, [&] {
    b.loop(b.i64(0), b.i64(n % kRowLanes), b.i64(1), [&](Value lane) {
      finishPart(rowBlock, token, lane, b.f32(), sumsOf, factor);
    });
  });
}

void MatMulEmitter::finishPart(Value rowBlock, Value token, Value lane,
                               KernelBuilder::Type type,
                               llvm::function_ref<Value(int64_t)> sumsOf,
                               Value factor) {
  const bool isVector = type != b.f32();
  auto sums = [&](int64_t matrix) {
    Value sum = b.load(type, b.element(sumsOf(matrix), lane, 4), 4);
    if (!factor) {
      return sum;
    }
    return b.mul(sum, isVector ? b.splat(factor, kRowLanes) : factor);
  };
  Value row = b.add(b.mul(rowBlock, b.i64(kRowLanes)), lane);
  auto yStride = static_cast<int64_t>(isGlu ? spec.n : spec.yStride);
  auto yOffset = static_cast<int64_t>(isGlu ? 0 : spec.yOffset);
  // The index of the next binding to read, which at first is the one after the
  // matrices.
  auto next = static_cast<unsigned>(spec.isJoined ? 2 : 1 + matrices());
  auto vectorAt = [&](unsigned binding) {
    return b.load(type, b.element(b.binding(binding), row, 4), 4);
  };
  Value value = sums(0);
  Value other = isGlu ? sums(1) : Value();
  if (spec.hasRowScales) {
    value = b.mul(value, vectorAt(next++));
    other = isGlu ? b.mul(other, vectorAt(next++)) : other;
  }
  if (isGlu) {
    value = b.mul(b.silu(value), other);
  }
  if (spec.hasBias) {
    value = b.add(value, vectorAt(next++));
  }
  Value y = b.binding(next);
  y = b.element(y, b.add(b.mul(token, b.i64(yStride)), row), 4);
  y = b.offset(y, yOffset * 4);
  if (spec.accumulate) {
    value = b.add(b.load(type, y, 4), value);
  }
  b.store(value, y, 4);
}

} // namespace air::codegen
