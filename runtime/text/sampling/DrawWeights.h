//===- DrawWeights.h - the weights by which tokens are drawn ----*- C++ -*-===//
//
// The weight of a token is its probability relative to that of the best token,
// times 2^32, rounded to an integer. Sums of weights are therefore exact in
// double precision, in any order, for up to 2^21 tokens. A weight is computed
// by a fixed sequence of additions and multiplications, and each result is
// rounded (DrawWeights.cpp is compiled without fused multiply-adds). A GPU that
// computes the weights by the same sequence draws the same tokens, in whatever
// order it adds up the weights (codegen/cuda/ChooseToken.h).
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
