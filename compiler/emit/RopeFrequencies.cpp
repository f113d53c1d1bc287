//===- RopeFrequencies.cpp - rotation frequency of each pair of a head ----===//
#include "compiler/emit/RopeFrequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace air::compiler {
namespace {

/// Returns the index of the pair that makes `turns` rotations over the original
/// context. The index is fractional in general.
double pairOf(double turns, const RopeShape &shape) {
  return static_cast<double>(shape.dim) *
         std::log(shape.yarn->originalContext /
                  (turns * 2 * std::numbers::pi)) /
         (2 * std::log(shape.base));
}

void applyYarn(const RopeShape &shape, std::vector<double> &frequencies) {
  const YarnShape &yarn = *shape.yarn;
  const double low = std::max(0.0, std::floor(pairOf(yarn.betaFast, shape)));
  const double high =
      std::max(std::min(static_cast<double>(shape.dim) - 1,
                        std::ceil(pairOf(yarn.betaSlow, shape))),
               low + 0.001);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp =
        std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double keep = yarn.mix * (1 - ramp);
    const double slowed = frequencies[i] / yarn.factor;
    frequencies[i] = slowed * (1 - keep) + frequencies[i] * keep;
  }
}

} // namespace

std::vector<double> ropeFrequencies(const RopeShape &shape) {
  std::vector<double> frequencies(shape.dim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent =
        -2.0 * static_cast<double>(i) / static_cast<double>(shape.dim);
    frequencies[i] = std::pow(shape.base, exponent) / shape.linearFactor;
    if (!shape.factors.empty()) {
      frequencies[i] /= shape.factors[i];
    }
  }
  if (shape.yarn) {
    applyYarn(shape, frequencies);
  }
  return frequencies;
}

} // namespace air::compiler
