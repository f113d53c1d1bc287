//===- Typical.cpp - keeps tokens whose surprise is typical ---------------===//
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>
#include <cmath>

namespace air::rt {
namespace {

/// The number of candidates that are sorted first; more follow if needed.
constexpr size_t kFirstChunk = 128;

class TypicalStage : public CopyableStage<TypicalStage> {
public:
  explicit TypicalStage(float mass) : mass(mass) {}

  Status apply(CandidateSet &set) override {
    const double best = set.largestLogit();
    const double total = set.computeWeights();
    if (total == 0) {
      return Status::ok();
    }
    // Let x be a token's scaled logit minus the largest scaled logit. The
    // token's surprise is log(total) - x. The entropy is the mean surprise, so
    // the surprise differs from the entropy by as much as x differs from the
    // mean of x.
    const double mean = set.meanDistance(total);
    auto deviation = [&](const Candidate &candidate) {
      return std::abs((candidate.logit - best) * set.scale() - mean);
    };
    auto moreTypical = [&](const Candidate &a, const Candidate &b) {
      const double da = deviation(a);
      const double db = deviation(b);
      return da != db ? da < db : kBetter(a, b);
    };
    std::span<Candidate> candidates = set.orderAnew();
    double sum = 0;
    size_t ready = 0;
    size_t kept = candidates.size();
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (i == ready) {
        ready = std::min(candidates.size(),
                         ready + std::max(kFirstChunk, ready * 3));
        std::partial_sort(candidates.begin() + i, candidates.begin() + ready,
                          candidates.end(), moreTypical);
      }
      sum += std::exp((candidates[i].logit - best) * set.scale());
      if (sum > mass * total) {
        kept = i + 1;
        break;
      }
    }
    set.truncate(kept);
    return Status::ok();
  }

private:
  double mass;
};

} // namespace

StagePtr makeTypicalP(float mass) {
  return std::make_unique<TypicalStage>(mass);
}

} // namespace air::rt
