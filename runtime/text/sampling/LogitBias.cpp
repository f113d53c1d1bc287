//===- LogitBias.cpp - adds numbers to the logits of tokens ---------------===//
#include "runtime/text/sampling/SamplerStage.h"

#include <cassert>
#include <cmath>

namespace air::rt {
namespace {

class LogitBiasStage : public CopyableStage<LogitBiasStage> {
public:
  explicit LogitBiasStage(const std::vector<LogitBias> &biases)
      : biases(biases) {}

  Status apply(CandidateSet &set) override {
    assert(set.isWhole());
    std::span<Candidate> candidates = set.edit();
    for (const LogitBias &bias : biases) {
      candidates[static_cast<size_t>(bias.id)].logit += bias.bias;
    }
    if (set.largestLogit() == -HUGE_VALF) {
      return usageError("sampler: the logit biases exclude all tokens that "
                        "could be chosen");
    }
    return Status::ok();
  }

private:
  std::vector<LogitBias> biases;
};

} // namespace

StagePtr makeLogitBias(const std::vector<LogitBias> &biases) {
  return std::make_unique<LogitBiasStage>(biases);
}

} // namespace air::rt
