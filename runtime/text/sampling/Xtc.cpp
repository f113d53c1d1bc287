//===- Xtc.cpp - drops the most probable tokens by chance -----------------===//
#include "runtime/text/SplitMix64.h"
#include "runtime/text/sampling/SamplerStage.h"

namespace air::rt {
namespace {

class XtcStage : public CopyableStage<XtcStage> {
public:
  XtcStage(float probability, float threshold, uint64_t seed)
      : probability(probability), threshold(threshold),
        // The final draw of a token uses the random numbers of `seed`, so XTC
        // must use others.
        ownSeed(SplitMix64(seed).next()), random(ownSeed) {}

  Status apply(CandidateSet &set) override {
    const bool happens = random.nextUnit() < probability;
    if (!happens || set.size() < 2) {
      return Status::ok();
    }
    const double least = threshold * set.computeWeights();
    std::span<const Candidate> candidates = set.candidates();
    std::span<const double> weights = set.weights();
    auto isLikely = [&](size_t i) {
      return weights[i] > 0 && weights[i] >= least;
    };
    size_t likely = 0;
    size_t last = 0;
    for (size_t i = 0; i < set.size(); ++i) {
      if (isLikely(i)) {
        const bool isWorse =
            likely == 0 || kBetter(candidates[last], candidates[i]);
        last = isWorse ? i : last;
        ++likely;
      }
    }
    if (likely > 1) {
      set.filter([&](size_t i) { return i == last || !isLikely(i); });
    }
    return Status::ok();
  }

  void reset() override { random = SplitMix64(ownSeed); }

private:
  double probability;
  double threshold;
  uint64_t ownSeed;
  SplitMix64 random;
};

} // namespace

StagePtr makeXtc(float probability, float threshold, uint64_t seed) {
  return std::make_unique<XtcStage>(probability, threshold, seed);
}

} // namespace air::rt
