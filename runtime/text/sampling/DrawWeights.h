//===- DrawWeights.h - the weights by which tokens are drawn ----*- C++ -*-===//
//
// The weight of a token is its probability relative to that of the best token,
// times 2^32, rounded to an integer. Sums of weights are therefore exact in
// double precision, in any order, for up to 2^21 tokens. The weights themselves
// consist of additions and multiplications that are rounded one by one, in a
// fixed order (the file is compiled without fused multiply-adds). A GPU that
// does the same arithmetic, in whatever order it adds, draws the same tokens
// (codegen/cuda/ChooseToken.h).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLING_DRAWWEIGHTS_H
#define AIRPACK_RUNTIME_TEXT_SAMPLING_DRAWWEIGHTS_H

#include "runtime/text/sampling/Candidate.h"

#include <span>

namespace air::rt {

/// The weight of a token: 2^32 * exp((logit - largest) * scale), rounded.
/// `largest` is finite and not below `logit`.
double drawWeight(float logit, double largest, double scale);

/// Sets weights[i] to the weight of candidate i.
void computeDrawWeights(std::span<const Candidate> candidates, double largest,
                        double scale, std::span<double> weights);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLING_DRAWWEIGHTS_H
