//===- Penalties.cpp - repeat, frequency and presence penalty -------------===//
#include "runtime/text/sampling/RecentTokens.h"
#include "runtime/text/sampling/SamplerStage.h"

#include <cmath>

namespace air::rt {
namespace {

class PenaltiesStage : public CopyableStage<PenaltiesStage> {
public:
  PenaltiesStage(const SamplerOptions &options, int32_t vocabSize)
      : repeat(options.repeatPenalty), presence(options.presencePenalty),
        frequency(options.frequencyPenalty),
        recent(static_cast<size_t>(options.repeatLastN)),
        counts(static_cast<size_t>(vocabSize)) {}

  Status apply(CandidateSet &set) override {
    set.applyScale();
    std::span<Candidate> candidates = set.edit();
    bool isFinite = true;
    if (set.isWhole()) {
      // Visits the recent tokens, because only these are penalised, and there
      // are fewer of them than candidates. A token may be among the recent ones
      // several times, so its count is negated after it has been penalised, and
      // a token with a negative count is not penalised again.
      for (size_t i = 0; i < recent.size(); ++i) {
        const auto id = static_cast<size_t>(recent.fromLast(i));
        if (counts[id] > 0) {
          isFinite &= penalize(candidates[id], counts[id]);
          counts[id] = -counts[id];
        }
      }
      for (size_t i = 0; i < recent.size(); ++i) {
        int32_t &count = counts[static_cast<size_t>(recent.fromLast(i))];
        count = count < 0 ? -count : count;
      }
    } else {
      for (Candidate &candidate : candidates) {
        if (int32_t count = counts[static_cast<size_t>(candidate.id)];
            count != 0) {
          isFinite &= penalize(candidate, count);
        }
      }
    }
    return isFinite ? Status::ok() : infinite(candidates);
  }

  void accept(int32_t id) override {
    ++counts[static_cast<size_t>(id)];
    if (std::optional<int32_t> oldest = recent.push(id)) {
      --counts[static_cast<size_t>(*oldest)];
    }
  }

  void reset() override {
    recent.clear();
    std::fill(counts.begin(), counts.end(), 0);
  }

private:
  /// Returns false if the logit becomes +infinity.
  bool penalize(Candidate &candidate, int32_t count) const {
    float &logit = candidate.logit;
    if (logit > 0) {
      logit /= repeat;
    } else {
      logit *= repeat;
    }
    logit -= static_cast<float>(count) * frequency + presence;
    return logit != HUGE_VALF;
  }

  static Status infinite(std::span<const Candidate> candidates) {
    int32_t id = -1;
    for (const Candidate &candidate : candidates) {
      id = candidate.logit == HUGE_VALF ? candidate.id : id;
    }
    return internalError("sampler: the logit of token " + std::to_string(id) +
                         " became infinite when the penalties were applied");
  }

  float repeat;
  float presence;
  float frequency;
  RecentTokens recent;
  std::vector<int32_t> counts; ///< per id: occurrences among the recent tokens
};

} // namespace

StagePtr makePenalties(const SamplerOptions &options, int32_t vocabSize) {
  return std::make_unique<PenaltiesStage>(options, vocabSize);
}

} // namespace air::rt
