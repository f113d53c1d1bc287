//===- SamplerStage.h - one sampler of a chain ------------------*- C++ -*-===//
//
// A stage changes the logits of candidates or their scale, or drops candidates;
// the last stage of a chain chooses one. Each stage itself remembers what it
// needs of earlier tokens. docs/sampling.md has the formula of each stage and
// its source.
//
// Thread-safety: use one object from one thread at a time. Errors of apply():
// Usage if the logit biases exclude all tokens that could be chosen; Internal
// if no candidate can be chosen for another reason, or if a logit becomes
// +infinity.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLING_SAMPLERSTAGE_H
#define AIRPACK_RUNTIME_TEXT_SAMPLING_SAMPLERSTAGE_H

#include "runtime/text/SamplerOptions.h"
#include "runtime/text/Tokenizer.h"
#include "runtime/text/sampling/CandidateSet.h"

#include <memory>
#include <vector>

namespace air::rt {

class SamplerStage {
public:
  virtual ~SamplerStage() = default;

  virtual Status apply(CandidateSet &set) = 0;

  /// Records a token of the prompt or a chosen one. `id` is in the vocabulary.
  virtual void accept(int32_t id) { (void)id; }

  /// Called instead of apply() when a GPU chooses the token. Skips the random
  /// number with which apply() would have chosen it.
  virtual void skipDraw() {}

  virtual void reset() {}

  virtual std::unique_ptr<SamplerStage> clone() const = 0;
};

template <typename Stage> class CopyableStage : public SamplerStage {
public:
  std::unique_ptr<SamplerStage> clone() const override {
    return std::make_unique<Stage>(static_cast<const Stage &>(*this));
  }
};

using StagePtr = std::unique_ptr<SamplerStage>;

/// The stage needs a set that is whole (CandidateSet::isWhole).
StagePtr makeLogitBias(const std::vector<LogitBias> &biases);
StagePtr makePenalties(const SamplerOptions &options, int32_t vocabSize);
/// `tokenizer` may be null if there are no breakers. Otherwise it must outlive
/// the stage and its copies.
StagePtr makeDry(const SamplerOptions &options, int32_t vocabSize,
                 const Tokenizer *tokenizer);
StagePtr makeTopNSigma(float sigmas);
StagePtr makeTopK(int32_t most);
StagePtr makeTypicalP(float mass);
StagePtr makeTopP(float mass);
StagePtr makeMinP(float ratio);
StagePtr makeXtc(float probability, float threshold, uint64_t seed);
StagePtr makeTemperature(const SamplerOptions &options);

// Stages that choose a token.

StagePtr makeDraw(uint64_t seed);
StagePtr makeMirostat(const SamplerOptions &options, int32_t vocabSize);
StagePtr makeMirostat2(const SamplerOptions &options);
StagePtr makeAdaptiveP(const SamplerOptions &options);

/// Returns the stages that `options` turns on, except filters that change
/// nothing because of a temperature of 0. `options` must be valid. Errors:
/// Usage if DRY's breakers need a tokenizer, and there is none.
Result<std::vector<StagePtr>> makeStages(const SamplerOptions &options,
                                         int32_t vocabSize,
                                         const Tokenizer *tokenizer);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLING_SAMPLERSTAGE_H
