//===- Exponentials.h - the weights of many candidates ----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLING_EXPONENTIALS_H
#define AIRPACK_RUNTIME_TEXT_SAMPLING_EXPONENTIALS_H

#include "runtime/text/sampling/Candidate.h"

#include <span>

namespace air::rt {

/// Sets weights[i] to exp((logit i - largest) * scale), where no logit is
/// above `largest`, which is finite. The relative error of the exponential
/// function is below 1e-15. Exponents below -700 give 0.
void computeExponentials(std::span<const Candidate> candidates, double largest,
                         double scale, std::span<double> weights);

/// The sum of `values`, which is more exact than one from left to right, as it
/// adds up eight sums of every eighth value.
double sumOf(std::span<const double> values);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLING_EXPONENTIALS_H
