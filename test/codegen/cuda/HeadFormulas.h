//===- HeadFormulas.h - heads of q, k and v in double precision -*- C++ -*-===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_HEADFORMULAS_H
#define AIRPACK_TEST_CODEGEN_CUDA_HEADFORMULAS_H

#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/reference/Reference.h"

#include <span>

namespace air::codegen::cuda {

/// The inputs of a kernel that normalises, rotates and stores heads.
struct HeadOperands {
  reference::Doubles rows; ///< [tokens][heads * headDim], from the matmul
  reference::Doubles angles, qNorm, kNorm;
  std::vector<uint32_t> positions;
  std::vector<uint32_t> sequences; ///< each token's sequence
  std::vector<uint32_t> tables;    ///< the block tables of all sequences
};

/// Compares the finished heads in `y` and `cache` with the formulas, and then
/// sets their bytes in `cache` to `untouched`, so that the caller can check
/// that all bytes of `cache` have this value. Returns the largest error divided
/// by the allowed error. A NaN counts as 1e9, and nonzero padding of a key as
/// infinity.
double worstHeadShare(const HeadRows &heads, const HeadOperands &operands,
                      std::span<const float> y, std::vector<uint8_t> &cache,
                      uint8_t untouched);

} // namespace air::codegen::cuda

#endif // AIRPACK_TEST_CODEGEN_CUDA_HEADFORMULAS_H
