//===- MatMulEmitter.h - shared parts of the matmul kernels -----*- C++ -*-===//
//
// MatMul and GluMatMul (codegen/KernelSpec.h) walk row blocks of w with one row
// per lane. This base class has the epilogue, which turns sums into y.
// MatMulKernel.cpp implements small M and, for I8x2, also large M (GEMV).
// Gemm.cpp implements large M for the other activation formats.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_MATMULEMITTER_H
#define AIRPACK_CODEGEN_CPU_MATMUL_MATMULEMITTER_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/builder/KernelBuilder.h"
#include "codegen/cpu/decode/WeightReader.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

namespace air::codegen {

class MatMulEmitter {
public:
  using Value = mlir::Value;

  MatMulEmitter(KernelBuilder &builder, const KernelSpec &kernelSpec);

protected:
  Value rows();
  int64_t matrices() const { return isGlu ? 2 : 1; }
  RowBlockReader reader(Value matrix, Value rowBlock);
  /// Writes y for one row block and one token, from the sums at the address
  /// sumsOf(matrix). If there is a `factor` (f32), the sums are multiplied by
  /// it.
  void finishToken(Value rowBlock, Value token,
                   llvm::function_ref<Value(int64_t)> sumsOf,
                   Value factor = {});

  KernelBuilder &b;
  const KernelSpec &spec;
  const MatMulTiling tiling;
  const bool isGlu;
  const int64_t n;
  const int64_t k;

private:
  void finishPart(Value rowBlock, Value token, Value lane,
                  KernelBuilder::Type type,
                  llvm::function_ref<Value(int64_t)> sumsOf, Value factor);
};

// Defined in Gemm.cpp.
void emitGemm(KernelBuilder &builder, const KernelSpec &spec);

// Computes row blocks [firstRowBlock, lastRowBlock) with the GEMV code, for up
// to gemvRows() rows of x. Defined in MatMulKernel.cpp.
void emitGemvRows(KernelBuilder &builder, const KernelSpec &spec,
                  mlir::Value firstRowBlock, mlir::Value lastRowBlock);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_MATMULEMITTER_H
