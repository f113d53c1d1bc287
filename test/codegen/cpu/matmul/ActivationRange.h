//===- ActivationRange.h - activations of any magnitude ---------*- C++ -*-===//
//
// Activations at the limits of the packed formats (codegen/KernelSpec.h), and
// the largest errors that packing may cause in them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H
#define AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H

#include "test/codegen/cpu/KernelHarness.h"

namespace air::codegen::test {

/// Returns `rows` rows of k random activations. Nine kinds of rows take turns;
/// most of them are difficult for formats with block scales or a limited
/// exponent range. Rows of six kinds are normally distributed, with a standard
/// deviation of 2^-149, 2^-120, 2^-66, 2^-40, 2^50 or `largest`. Rows of the
/// other three kinds consist of zeros, of blocks that differ greatly in
/// magnitude from their neighbours, or of standard normal numbers and one
/// outlier of 2^8 * `largest`.
Floats extremeRows(Random &random, uint64_t rows, uint64_t k, float largest);

/// For each element of `x`, the largest error that packing may cause according
/// to the format's definition. Rows must consist of whole blocks, except for
/// formats without block scales. With BF16x32, a row that contains subnormal
/// numbers must be tiny, which means that all its magnitudes are below kTinyRow
/// (codegen/KernelSpec.h).
Doubles activationError(const Floats &x, Activation format);

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H
