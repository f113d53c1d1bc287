//===- TopP.cpp - keeps the most probable tokens up to a mass -------------===//
#include "runtime/text/sampling/DrawWeights.h"
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>

namespace air::rt {
namespace {

/// Top-p does not know in advance how many candidates it will keep, so it
/// begins with this number of the best candidates and sorts more if needed.
constexpr size_t kFirstChunk = 128;

class TopPStage : public CopyableStage<TopPStage> {
public:
  explicit TopPStage(float mass) : mass(mass) {}

  Status apply(CandidateSet &set) override {
    const double best = set.largestLogit();
    const double total = set.computeDrawWeights();
    if (total == 0) {
      return Status::ok();
    }
    const double wanted = total * mass;
    if (!set.isSorted()) {
      // Top-p may drop tokens whose weights add up to total - wanted. All
      // tokens with weights below `least` add up to at most half of that.
      const double least =
          (total - wanted) / (2 * static_cast<double>(set.size()));
      std::span<const double> weights = set.weights();
      set.filter([&](size_t i) { return weights[i] >= least; });
    }
    double sum = 0;
    size_t ready = set.isSorted() ? set.size() : 0;
    for (size_t i = 0; i < set.size(); ++i) {
      if (i == ready) {
        ready = std::min(set.size(), ready + std::max(kFirstChunk, ready * 3));
        set.sortBest(ready);
      }
      sum += drawWeight(set.candidates()[i].logit, best, set.scale());
      if (sum >= wanted) {
        set.truncate(i + 1);
        return Status::ok();
      }
    }
    return Status::ok();
  }

private:
  double mass;
};

} // namespace

StagePtr makeTopP(float mass) { return std::make_unique<TopPStage>(mass); }

} // namespace air::rt
