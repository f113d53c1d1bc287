//===- ActivationRange.cpp - activations of any magnitude -----------------===//
#include "test/codegen/cpu/matmul/ActivationRange.h"

#include <algorithm>
#include <cmath>

namespace air::codegen::test {
namespace {

/// Returns, for each element of `x`, `share` times the largest magnitude in the
/// element's block, but at least 2^-127, which is the largest rounding error
/// in a block with the smallest scale, 2^-126.
Doubles relativeToBlock(const Floats &x, double share) {
  Doubles errors;
  for (uint64_t i = 0; i < x.size(); ++i) {
    const uint64_t first = i / kActivationColumns * kActivationColumns;
    double largest = 0;
    for (uint64_t j = first; j < first + kActivationColumns; ++j) {
      largest = std::max(largest, std::abs(double{x[j]}));
    }
    errors.push_back(std::max(largest * share, 0x1p-127));
  }
  return errors;
}

} // namespace

Floats extremeRows(Random &random, uint64_t rows, uint64_t k, float largest) {
  const float scales[] = {0x1p-120F, 0x1p-66F, 0x1p50F, largest,
                          0x1p-149F, 0.0F,     0x1p-40F};
  Floats x = randomFloats(random, rows * k);
  for (uint64_t row = 0; row < rows; ++row) {
    const std::span<float> columns = std::span(x).subspan(row * k, k);
    const uint64_t kind = row % (std::size(scales) + 2);
    if (kind < std::size(scales)) {
      for (float &value : columns) {
        value *= scales[kind];
      }
      continue;
    }
    // If `kind` is even, neighbouring blocks of the row differ greatly in
    // magnitude; if it is odd, one element of the row is an outlier.
    for (uint64_t j = 0; j < k; ++j) {
      const int exponent =
          static_cast<int>(j / kActivationColumns % 9) * 22 - 100;
      const int limit = std::ilogb(largest);
      columns[j] =
          std::ldexp(columns[j], kind % 2 == 0 ? std::min(exponent, limit) : 0);
    }
    if (kind % 2 != 0) {
      columns[random() % k] = 0x1p8F * largest;
    }
  }
  return x;
}

Doubles activationError(const Floats &x, Activation format) {
  Doubles errors(x.size(), 0.0);
  switch (format) {
  case Activation::I8x2:
    return relativeToBlock(x, 1.0 / 32511);
  case Activation::I8:
    return relativeToBlock(x, 1.0 / 253.99);
  case Activation::I8Grid:
    return relativeToBlock(x, 1.0 / 203);
  case Activation::BF16x32:
    // The relative error of rounding to bfloat16 is at most 1/256, also for a
    // number that is truncated because it would round to infinity. The error of
    // rounding to a subnormal is at most 2^-134. A row of tiny numbers is
    // multiplied by 2^88 before it is rounded, so there 2^-134 corresponds to
    // an error of 2^-222.
    for (uint64_t i = 0; i < x.size(); ++i) {
      errors[i] = std::abs(double{x[i]}) / 256 + 0x1p-222;
    }
    break;
  case Activation::F32:
  case Activation::F32x16:
    break;
  }
  return errors;
}

} // namespace air::codegen::test
