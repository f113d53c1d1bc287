//===- Operands.h - random matrices and what their products are -*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_OPERANDS_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_OPERANDS_H

#include "codegen/cuda/DecodeMatMul.h"

#include <vector>

namespace air::gpubench {

/// A matrix of a few rows; a larger one repeats them. Products in double
/// precision from the dtype's exact decoder.
struct Operands {
  uint32_t rows = 0; ///< a whole number of tiles, or all rows of the matrix
  std::vector<uint8_t> packed;    ///< T16
  std::vector<uint16_t> x;        ///< float16 [tokens][columns]
  std::vector<double> expected;   ///< [tokens][rows]
  std::vector<double> magnitudes; ///< sums of |w * x|, [tokens][rows]
};

/// The same seed gives the same operands.
Operands makeOperands(DType dtype, uint32_t rows, uint32_t columns,
                      uint32_t tokens, uint64_t seed);

struct Difference {
  double relative = 0; ///< Euclidean norm of the error over that of the result
  double worstShare =
      0; ///< largest error over what is allowed, below 1 is right
  uint64_t worstAt = 0; ///< token * rows + row
};

/// Errors of `y` [tokens][rows of the whole matrix] beside 2^-16 of the sum of
/// magnitudes: float32 sums of some thousand terms stay far below, and a single
/// missing term of 4096 is 16 times as much. NaN counts as infinite.
Difference compare(const Operands &operands, const std::vector<float> &y,
                   uint32_t rows, uint32_t tokens);

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_OPERANDS_H
