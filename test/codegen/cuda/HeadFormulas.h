//===- HeadFormulas.h - heads of q, k and v in double precision -*- C++ -*-===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_HEADFORMULAS_H
#define AIRPACK_TEST_CODEGEN_CUDA_HEADFORMULAS_H

#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/reference/Reference.h"

#include <span>

namespace air::codegen::cuda {

/// What a kernel that finishes heads reads.
struct HeadOperands {
  reference::Doubles rows; ///< [tokens][heads * headDim], the products
  reference::Doubles angles, qNorm, kNorm;
  std::vector<uint32_t> positions;
  std::vector<uint32_t> sequences; ///< of each token
  std::vector<uint32_t> tables;    ///< the block tables of all sequences
};

/// Compares the finished heads in `y` and `cache` with the formulas. Returns
/// the largest error as a share of what is allowed; NaN counts as 1e9, and
/// padding of a key that is not 0 as infinite. Sets every byte of the cache
/// that belongs to one of the tokens to `untouched`.
double worstHeadShare(const HeadRows &heads, const HeadOperands &operands,
                      std::span<const float> y, std::vector<uint8_t> &cache,
                      uint8_t untouched);

} // namespace air::codegen::cuda

#endif // AIRPACK_TEST_CODEGEN_CUDA_HEADFORMULAS_H
