//===- MinP.cpp - drops tokens far less probable than the best ------------===//
#include "runtime/text/sampling/SamplerStage.h"

#include <cmath>

namespace air::rt {
namespace {

class MinPStage : public CopyableStage<MinPStage> {
public:
  explicit MinPStage(float ratio) : logRatio(std::log(double{ratio})) {}

  Status apply(CandidateSet &set) override {
    const double least = set.largestLogit() + logRatio / set.scale();
    std::span<const Candidate> candidates = set.candidates();
    set.filter([&](size_t i) { return !(candidates[i].logit < least); });
    return Status::ok();
  }

private:
  double logRatio;
};

} // namespace

StagePtr makeMinP(float ratio) { return std::make_unique<MinPStage>(ratio); }

} // namespace air::rt
