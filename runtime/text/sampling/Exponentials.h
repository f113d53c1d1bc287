//===- Exponentials.h - the weights of many candidates ----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLING_EXPONENTIALS_H
#define AIRPACK_RUNTIME_TEXT_SAMPLING_EXPONENTIALS_H

#include "runtime/text/sampling/Candidate.h"

#include <span>

namespace air::rt {

/// Sets weights[i] to exp((logit i - largest) * scale). `largest` is finite,
/// and no logit is above it. The relative error of the exponential function is
/// below 1e-15. Exponents below -700 give 0.
void computeExponentials(std::span<const Candidate> candidates, double largest,
                         double scale, std::span<double> weights);

/// Distributes the values over eight running sums, and then adds up these sums
/// and the up to seven values that are left. This is more exact than one
/// running sum.
double sumOf(std::span<const double> values);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLING_EXPONENTIALS_H
