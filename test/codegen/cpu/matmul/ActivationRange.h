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

/// Returns `rows` rows of k random activations. Nine kinds of rows take turns.
/// Most of them are difficult for formats with block scales or a limited
/// exponent range: rows of tiny numbers, rows of zeros, rows of normally
/// distributed numbers with a standard deviation of up to `largest`, rows whose
/// neighbouring blocks differ greatly in magnitude, and rows with one outlier
/// of 2^8 * `largest`. `largest` must be at least 2^50.
Floats extremeRows(Random &random, uint64_t rows, uint64_t k, float largest);

/// For each element of `x`, the largest error that packing may cause according
/// to the format's definition. Rows must consist of whole blocks, except for
/// formats without block scales. With BF16x32, only rows below kTinyRow may
/// contain subnormal numbers.
Doubles activationError(const Floats &x, Activation format);

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H
