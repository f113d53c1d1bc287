//===- DrawWeights.cpp - the weights by which tokens are drawn ------------===//
//
// exp() is computed as in Exponentials.cpp. The CMake file compiles this file
// without fused multiply-adds, which not every machine has.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/sampling/DrawWeights.h"

#include <bit>
#include <cstddef>
#include <cstdint>

namespace air::rt {
namespace {

inline __attribute__((always_inline)) double
weightOf(float logit, double largest, double scale) {
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  constexpr double kLn2High = 0x1.62e42fee00000p-1;
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  // Adding this to a number and subtracting it rounds the number to an integer.
  constexpr double kRounder = 0x1.8p52;
  // Smaller exponents are replaced by this one, so that exp() is a normal
  // number. All exponents below -23 give the weight 0.
  constexpr double kLeast = -700;
  const double exact = (static_cast<double>(logit) - largest) * scale;
  const double x = exact < kLeast ? kLeast : exact;
  const double rounded = x * kLog2E + kRounder;
  const double k = rounded - kRounder;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double p = 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  const uint64_t bits =
      std::bit_cast<uint64_t>(p) + (std::bit_cast<uint64_t>(rounded) << 52);
  return (std::bit_cast<double>(bits) * 0x1p32 + kRounder) - kRounder;
}

inline __attribute__((always_inline)) void
loop(std::span<const Candidate> candidates, double largest, double scale,
     double *__restrict weights) {
  const Candidate *__restrict items = candidates.data();
  const size_t count = candidates.size();
  for (size_t i = 0; i < count; ++i) {
    weights[i] = weightOf(items[i].logit, largest, scale);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void
loopAvx2(std::span<const Candidate> candidates, double largest, double scale,
         double *weights) {
  loop(candidates, largest, scale, weights);
}
#endif

} // namespace

double drawWeight(float logit, double largest, double scale) {
  return weightOf(logit, largest, scale);
}

void computeDrawWeights(std::span<const Candidate> candidates, double largest,
                        double scale, std::span<double> weights) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    loopAvx2(candidates, largest, scale, weights.data());
    return;
  }
#endif
  loop(candidates, largest, scale, weights.data());
}

} // namespace air::rt
