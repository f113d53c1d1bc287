//===- AdaptiveP.cpp - prefers tokens near a target probability -----------===//
#include "runtime/text/SplitMix64.h"
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>
#include <cmath>

namespace air::rt {
namespace {

/// The logarithm of a token's weight falls with the distance of its probability
/// from the target: quadratically at distances well below kWidth, and linearly
/// at distances well above it.
constexpr double kWidth = 0.3;
constexpr double kSharpness = 10;

class AdaptivePStage : public CopyableStage<AdaptivePStage> {
public:
  explicit AdaptivePStage(const SamplerOptions &options)
      : target(options.adaptiveTarget), decay(options.adaptiveDecay),
        seed(options.seed), random(options.seed) {
    forget();
  }

  Status apply(CandidateSet &set) override {
    const double best = set.largestLogit();
    const double total = set.computeWeights();
    if (total == 0) {
      return internalError("sampler: no token has a probability above 0");
    }
    const double aim = std::clamp(2 * target - sum / weight, 0.0, 1.0);
    std::span<const Candidate> candidates = set.candidates();
    std::span<double> weights = set.editWeights();
    double newTotal = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].logit != -HUGE_VALF) {
        const double distance = std::abs(weights[i] / total - aim) / kWidth;
        weights[i] =
            std::exp(-kSharpness * distance * distance / (1 + distance));
        newTotal += weights[i];
      }
    }
    set.choose(newTotal, random.nextUnit());
    const Candidate &chosen = candidates[set.chosen()];
    chosenId = chosen.id;
    probability = std::exp((chosen.logit - best) * set.scale()) / total;
    return Status::ok();
  }

  void accept(int32_t id) override {
    // Tokens that apply() did not choose say nothing about its choices.
    if (id == chosenId) {
      sum = probability + decay * sum;
      weight = 1 + decay * weight;
    }
    chosenId = -1;
  }

  void reset() override {
    random = SplitMix64(seed);
    forget();
  }

private:
  /// Sets the moving average as if all past probabilities had been `target`.
  void forget() {
    sum = target / (1 - decay);
    weight = 1 / (1 - decay);
    chosenId = -1;
  }

  double target;
  double decay;
  uint64_t seed;
  SplitMix64 random;
  double sum = 0;    ///< the weighted sum of past probabilities
  double weight = 0; ///< the sum of their weights, which fall with age
  int32_t chosenId = -1;
  double probability = 0; ///< the probability of token chosenId
};

} // namespace

StagePtr makeAdaptiveP(const SamplerOptions &options) {
  return std::make_unique<AdaptivePStage>(options);
}

} // namespace air::rt
