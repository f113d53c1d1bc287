//===- TopNSigma.cpp - excludes logits far below the largest --------------===//
#include "runtime/text/sampling/SamplerStage.h"

#include <cmath>

namespace air::rt {
namespace {

class TopNSigmaStage : public CopyableStage<TopNSigmaStage> {
public:
  explicit TopNSigmaStage(float sigmas) : sigmas(sigmas) {}

  /// The result does not depend on the scale of the logits.
  Status apply(CandidateSet &set) override {
    double sum = 0;
    size_t finite = 0;
    for (const Candidate &candidate : set.candidates()) {
      if (candidate.logit != -HUGE_VALF) {
        sum += candidate.logit;
        ++finite;
      }
    }
    if (finite == 0) {
      return Status::ok();
    }
    const double mean = sum / static_cast<double>(finite);
    double squares = 0;
    for (const Candidate &candidate : set.candidates()) {
      if (candidate.logit != -HUGE_VALF) {
        squares += (candidate.logit - mean) * (candidate.logit - mean);
      }
    }
    const double sigma = std::sqrt(squares / static_cast<double>(finite));
    const double least = set.largestLogit() - sigmas * sigma;
    // As in llama.cpp, the excluded tokens stay candidates: the dynamic
    // temperature depends on the number of candidates.
    for (Candidate &candidate : set.edit()) {
      if (candidate.logit < least) {
        candidate.logit = -HUGE_VALF;
      }
    }
    return Status::ok();
  }

private:
  double sigmas;
};

} // namespace

StagePtr makeTopNSigma(float sigmas) {
  return std::make_unique<TopNSigmaStage>(sigmas);
}

} // namespace air::rt
