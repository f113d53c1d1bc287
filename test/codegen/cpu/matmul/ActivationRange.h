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

/// Random activations with k columns. Apart from outliers, their magnitudes go
/// up to about `largest`. The rows are of several kinds, which formats with
/// block scales or with a limited exponent range easily get wrong: rows in
/// which all numbers are tiny, huge or 0, rows in which neighbouring blocks
/// differ greatly in magnitude, and rows of moderate numbers with one outlier
/// of 2^8 * `largest`.
Floats extremeRows(Random &random, uint64_t rows, uint64_t k, float largest);

/// The largest error of each number of `x` in a packed format, according to the
/// format's definition. Rows must consist of whole blocks, except for formats
/// without block scales.
Doubles activationError(const Floats &x, Activation format);

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H
