//===- Product.h - what the kernels of y = w x share ------------*- C++ -*-===//
//
// MatMul and GluMatMul (codegen/KernelSpec.h) walk groups of 16 rows of w, one
// row a lane. How a product is cut into tiles, and what happens to its sums at
// the end, is here; MatMulKernel.cpp multiplies few tokens, WideMatMul.cpp
// many.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_PRODUCT_H
#define AIRPACK_CODEGEN_CPU_PRODUCT_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/KernelBuilder.h"
#include "codegen/cpu/WeightReader.h"

namespace air::codegen {

inline constexpr int64_t kSumBytes = kRowLanes * 4; ///< of a token and group

/// Many tokens: weights are decoded once into a panel, which serves a tile's
/// tokens. Else a group is decoded straight into dot products.
bool usesPanel(const KernelSpec &spec);

struct ProductTiling {
  uint64_t groups;       ///< of 16 rows, in all
  uint64_t tileGroups;   ///< of a tile
  uint64_t tileTokens;   ///< of a tile; 0: all
  uint64_t passTokens;   ///< most tokens that one pass without a panel serves
  uint64_t tileColumns;  ///< that all groups of a tile meet before the next
  uint64_t panelColumns; ///< of a panel; tileColumns is a multiple
  uint64_t panelBytes;   ///< of one group
  // What many tokens' inner loop multiplies at a time.
  uint64_t groupsTogether; ///< divides tileGroups
  uint64_t tokensTogether; ///< divides kActivationTokens
};
ProductTiling productTiling(const KernelSpec &spec, const IsaTraits &isa);

class Product {
public:
  using Value = mlir::Value;

  Product(KernelBuilder &builder, const KernelSpec &kernelSpec);

protected:
  Value rows();
  int64_t matrices() const { return isGlu ? 2 : 1; }
  GroupReader reader(Value matrix, Value group);
  /// y of a group's rows and one token, from the sums at sumsOf(matrix).
  void finishToken(Value group, Value token,
                   llvm::function_ref<Value(int64_t)> sumsOf);

  KernelBuilder &b;
  const KernelSpec &spec;
  const ProductTiling tiling;
  const bool isGlu;
  const int64_t n;
  const int64_t k;

private:
  void finishPart(Value group, Value token, Value lane,
                  KernelBuilder::Type type,
                  llvm::function_ref<Value(int64_t)> sumsOf);
};

// WideMatMul.cpp
void emitWideProduct(KernelBuilder &builder, const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_PRODUCT_H
