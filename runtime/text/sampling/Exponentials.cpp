//===- Exponentials.cpp - the weights of many candidates ------------------===//
//
// exp(x) = 2^k exp(r), where k is the integer nearest to x / ln 2 and r = x - k
// ln 2, so |r| <= ln(2) / 2. The Taylor polynomial of degree 12 has a relative
// error of r^13 / 13! < 2e-16 for such r. The loop has no branches, so
// compilers turn it into vector instructions.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/sampling/Exponentials.h"

#include <bit>
#include <cstddef>

namespace air::rt {
namespace {

inline __attribute__((always_inline)) void
loop(std::span<const Candidate> candidates, double largest, double scale,
     double *__restrict weights) {
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  // The upper part of ln 2 has so few bits that its product with k is exact.
  constexpr double kLn2High = 0x1.62e42fee00000p-1;
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  // Adding this to a number and subtracting it rounds the number to an integer.
  constexpr double kRounder = 0x1.8p52;
  constexpr double kLeast = -700;
  const Candidate *__restrict items = candidates.data();
  const size_t count = candidates.size();
  for (size_t i = 0; i < count; ++i) {
    const double exact = (items[i].logit - largest) * scale;
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
    weights[i] = exact < kLeast ? 0 : std::bit_cast<double>(bits);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void
loopAvx2(std::span<const Candidate> candidates, double largest, double scale,
         double *weights) {
  loop(candidates, largest, scale, weights);
}
#endif

} // namespace

void computeExponentials(std::span<const Candidate> candidates, double largest,
                         double scale, std::span<double> weights) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    loopAvx2(candidates, largest, scale, weights.data());
    return;
  }
#endif
  loop(candidates, largest, scale, weights.data());
}

double sumOf(std::span<const double> values) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  const size_t whole = values.size() - values.size() % kSums;
  for (size_t i = 0; i < whole; i += kSums) {
    for (size_t j = 0; j < kSums; ++j) {
      sums[j] += values[i + j];
    }
  }
  double total = 0;
  for (double sum : sums) {
    total += sum;
  }
  for (size_t i = whole; i < values.size(); ++i) {
    total += values[i];
  }
  return total;
}

} // namespace air::rt
