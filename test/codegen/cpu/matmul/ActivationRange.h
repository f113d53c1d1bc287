//===- ActivationRange.h - activations of any magnitude ---------*- C++ -*-===//
//
// Activations at the limits of the packed formats (codegen/KernelSpec.h), and
// the errors that the formats may have there.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H
#define AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H

#include "test/codegen/cpu/KernelHarness.h"

namespace air::codegen::test {

/// Random activations of every magnitude up to about `largest`, with k columns.
/// Each row is of one kind. Among the kinds are magnitudes that formats with
/// block scales or a limited exponent range are most likely to lose. Some rows
/// have one outlier of 2^8 * `largest`.
Floats extremeRows(Random &random, uint64_t rows, uint64_t k, float largest);

/// The largest error of each number of `x` in a packed format, according to the
/// format's definition. Rows must consist of whole blocks, except for formats
/// without block scales.
Doubles activationError(const Floats &x, Activation format);

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_MATMUL_ACTIVATIONRANGE_H
