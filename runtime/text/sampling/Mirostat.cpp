//===- Mirostat.cpp - keeps the surprise near a target --------------------===//
//
// Both versions bound the surprise of the tokens that may be chosen, and adapt
// the bound mu to the surprise of the token that was chosen. They differ in how
// they find the tokens below the bound.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/SplitMix64.h"
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace air::rt {
namespace {

class MirostatState {
public:
  explicit MirostatState(const SamplerOptions &options)
      : tau(options.mirostatTau), eta(options.mirostatEta), seed(options.seed),
        random(options.seed), bound(2 * tau) {}

  double mu() const { return bound; }

  Status choose(CandidateSet &set) {
    const double total = set.computeWeights();
    if (total == 0) {
      return internalError("sampler: no token has a probability above 0");
    }
    set.choose(total, random.nextUnit());
    chosenId = set.candidates()[set.chosen()].id;
    surprise = -std::log2(set.weights()[set.chosen()] / total);
    return Status::ok();
  }

  void accept(int32_t id) {
    // Tokens that choose() did not choose, such as those of the prompt, say
    // nothing about its choices.
    if (id == chosenId) {
      bound -= eta * (surprise - tau);
    }
    chosenId = -1;
  }

  void reset() {
    random = SplitMix64(seed);
    bound = 2 * tau;
    chosenId = -1;
  }

private:
  double tau;
  double eta;
  uint64_t seed;
  SplitMix64 random;
  double bound;
  int32_t chosenId = -1;
  double surprise = 0;
};

/// Uses Zipf's law to estimate how many candidates have a surprise below mu.
/// The exponent of the law is estimated from the most probable tokens.
class MirostatStage : public CopyableStage<MirostatStage> {
public:
  MirostatStage(const SamplerOptions &options, int32_t vocabSize)
      : state(options), logVocabulary(std::log(double(vocabSize))) {}

  Status apply(CandidateSet &set) override {
    set.keepBest(countBelow(set));
    return state.choose(set);
  }

  void accept(int32_t id) override { state.accept(id); }
  void reset() override { state.reset(); }

private:
  /// The number of tokens that the estimate of the exponent is based on.
  static constexpr size_t kEstimateFrom = 100;
  /// Exponents this near to 1 count as 1, where the formula would give 0 / 0.
  static constexpr double kNearOne = 1e-9;

  size_t countBelow(CandidateSet &set) const {
    // The array of weights serves as scratch memory, because the weights are
    // recomputed later.
    std::span<double> logits = set.editWeights();
    for (size_t i = 0; i < set.size(); ++i) {
      logits[i] = set.candidates()[i].logit;
    }
    const size_t first = std::min(kEstimateFrom, set.size());
    std::partial_sort(logits.begin(), logits.begin() + first, logits.end(),
                      std::greater<>());
    double products = 0;
    double squares = 0;
    for (size_t i = 0; i + 1 < first && logits[i + 1] != -HUGE_VAL; ++i) {
      const double logRatio = (logits[i] - logits[i + 1]) * set.scale();
      const double logRanks = std::log(double(i + 2) / double(i + 1));
      products += logRanks * logRatio;
      squares += logRanks * logRanks;
    }
    if (squares == 0) {
      return 1;
    }
    const double exponent = products / squares;
    const double excess = exponent - 1;
    const double norm = std::abs(excess) < kNearOne
                            ? 1 / logVocabulary
                            : excess / -std::expm1(-excess * logVocabulary);
    const double most = std::pow(norm * std::exp2(state.mu()), 1 / exponent);
    // If the exponent is 0 or near 0, `most` may be infinite or too large for
    // size_t. All candidates are then kept.
    return most < double(set.size())
               ? std::max<size_t>(1, static_cast<size_t>(most))
               : set.size();
  }

  MirostatState state;
  double logVocabulary;
};

class Mirostat2Stage : public CopyableStage<Mirostat2Stage> {
public:
  explicit Mirostat2Stage(const SamplerOptions &options) : state(options) {}

  Status apply(CandidateSet &set) override {
    const double least = set.computeWeights() * std::exp2(-state.mu());
    std::span<const double> weights = set.weights();
    const size_t best = set.best();
    set.filter([&](size_t i) { return i == best || weights[i] >= least; });
    return state.choose(set);
  }

  void accept(int32_t id) override { state.accept(id); }
  void reset() override { state.reset(); }

private:
  MirostatState state;
};

} // namespace

StagePtr makeMirostat(const SamplerOptions &options, int32_t vocabSize) {
  return std::make_unique<MirostatStage>(options, vocabSize);
}

StagePtr makeMirostat2(const SamplerOptions &options) {
  return std::make_unique<Mirostat2Stage>(options);
}

} // namespace air::rt
