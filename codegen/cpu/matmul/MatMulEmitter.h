//===- MatMulEmitter.h - what the kernels of y = w x share ------*- C++ -*-===//
//
// MatMul and GluMatMul (codegen/KernelSpec.h) walk groups of 16 rows of w, one
// row a lane. What happens to a product's sums at the end is here;
// MatMulKernel.cpp multiplies few tokens, Gemm.cpp many.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_MATMULEMITTER_H
#define AIRPACK_CODEGEN_CPU_MATMUL_MATMULEMITTER_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/builder/KernelBuilder.h"
#include "codegen/cpu/decode/WeightReader.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

namespace air::codegen {

class Product {
public:
  using Value = mlir::Value;

  Product(KernelBuilder &builder, const KernelSpec &kernelSpec);

protected:
  Value rows();
  int64_t matrices() const { return isGlu ? 2 : 1; }
  GroupReader reader(Value matrix, Value group);
  /// y of a group's rows and one token, from the sums at sumsOf(matrix), each
  /// times `factor` (f32) where there is one.
  void finishToken(Value group, Value token,
                   llvm::function_ref<Value(int64_t)> sumsOf,
                   Value factor = {});

  KernelBuilder &b;
  const KernelSpec &spec;
  const ProductTiling tiling;
  const bool isGlu;
  const int64_t n;
  const int64_t k;

private:
  void finishPart(Value group, Value token, Value lane,
                  KernelBuilder::Type type,
                  llvm::function_ref<Value(int64_t)> sumsOf, Value factor);
};

// Gemm.cpp
void emitWideProduct(KernelBuilder &builder, const KernelSpec &spec);

// MatMulKernel.cpp
/// All rows of groups [firstGroup, lastGroup) as the class for few tokens
/// multiplies them, of a spec with mayHaveFewRows().
void emitFewRows(KernelBuilder &builder, const KernelSpec &spec,
                 mlir::Value firstGroup, mlir::Value lastGroup);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_MATMULEMITTER_H
