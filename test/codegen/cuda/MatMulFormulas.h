//===- MatMulFormulas.h - fused matmuls in double precision -----*- C++ -*-===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_MATMULFORMULAS_H
#define AIRPACK_TEST_CODEGEN_CUDA_MATMULFORMULAS_H

#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/reference/Reference.h"

#include <random>
#include <span>

namespace air::codegen::cuda {

using reference::Doubles;

std::vector<float> randomFloats(std::mt19937_64 &random, uint64_t count,
                                double low, double high);

inline Doubles widen(std::span<const float> values) {
  return {values.begin(), values.end()};
}

/// The dequantised weights of a matrix in layout T16 or T16Indices, row by row.
Doubles weightsOf(DType dtype, Layout layout, uint64_t rows, uint64_t columns,
                  std::span<const uint8_t> packed);

/// Returns the rows of x, normalised as spec.input says.
Doubles normalised(const DecodeMatMul &spec, const Doubles &x,
                   const Doubles &weight, const Doubles &bias);

/// The expected results of a kernel and the largest errors from rounding.
struct Expected {
  Doubles y;
  Doubles allowed;
};

/// Multiplies rows by `scales`. In the matrix of a GLU, 8 rows of the gate and
/// 8 of `up` alternate, but the scales of the gate come before those of `up`.
void scaleRows(Doubles &w, const DecodeMatMul &spec,
               std::span<const float> scales);

/// Whether a kernel reads y before it writes it.
inline bool readsResult(MatMulOutput output) {
  return output == MatMulOutput::Add || output == MatMulOutput::SiluUp;
}

/// Returns the results of a matmul for any number of tokens and any spec.output
/// but Heads. `x` holds the normalised activations. With MatMulOutput::Add, the
/// products are added to `before`; with SiluUp, they are multiplied by the SiLU
/// of `before`.
Expected expectedOf(const DecodeMatMul &spec, const Doubles &x,
                    const Doubles &w, const Doubles &bias,
                    const Doubles &before);

/// The largest error of `y` divided by the allowed error. NaN counts as 1e9.
double worstShare(std::span<const float> y, const Expected &expected);

} // namespace air::codegen::cuda

#endif // AIRPACK_TEST_CODEGEN_CUDA_MATMULFORMULAS_H
