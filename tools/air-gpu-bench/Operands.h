//===- Operands.h - random operands and expected results --------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_OPERANDS_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_OPERANDS_H

#include "codegen/cuda/DecodeMatMul.h"

#include <vector>

namespace air::gpubench {

/// The operands of a matmul and its expected results. The matrix here has only
/// a few rows, which are repeated to fill a larger matrix. The expected results
/// are computed in double precision from exactly dequantised weights.
struct Operands {
  /// The number of distinct rows. If the whole matrix has more rows, this is a
  /// multiple of the number of rows in a tile.
  uint32_t rows = 0;
  std::vector<uint8_t> packed;    ///< the matrix in the layout asked for
  std::vector<uint16_t> x;        ///< float16 [tokens][columns]
  std::vector<double> expected;   ///< [tokens][rows]
  std::vector<double> magnitudes; ///< sums of |w * x|, [tokens][rows]
};

/// The same seed produces the same operands.
Operands makeOperands(DType dtype, Layout layout, uint32_t rows,
                      uint32_t columns, uint32_t tokens, uint64_t seed);

struct Difference {
  double relative = 0;   ///< norm of the error / norm of the result
  double worstShare = 0; ///< largest error / allowed error; must be below 1
  uint64_t worstAt = 0;  ///< index of the result with worstShare
};

/// Compares `y` [tokens][rows of the whole matrix] with the expected results.
/// The allowed error of a result is 2^-16 times its entry in
/// Operands::magnitudes. The rounding errors of float32 sums of a few thousand
/// terms are usually far smaller. If one of 4096 terms of equal magnitude is
/// missing, the error is 16 times the allowed one. NaN counts as an infinite
/// error.
Difference compare(const Operands &operands, const std::vector<float> &y,
                   uint32_t rows, uint32_t tokens);

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_OPERANDS_H
