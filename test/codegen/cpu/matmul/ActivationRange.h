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

/// Random activations with k columns. Their magnitudes go up to about
/// `largest`, except for outliers. Some kinds of rows are difficult for formats
/// with block scales or a limited exponent range: rows of tiny numbers, of huge
/// numbers or of zeros, rows whose neighbouring blocks differ greatly in
/// magnitude, and rows with one outlier of 2^8 * `largest`.
Floats extremeRows(Random &random, uint64_t rows, uint64_t k, float largest);

/// For each element of `x`, the largest error that packing may cause according
/// to the format's definition. Rows must consist of whole blocks, except for
/// formats without block scales.
Doubles activationError(const Floats &x, Activation format);

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H
