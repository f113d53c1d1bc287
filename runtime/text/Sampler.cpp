//===- Sampler.cpp - chooses the next token from logits ---------*- C++ -*-===//
#include "runtime/text/Sampler.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <cmath>

namespace air::rt {

Result<Sampler> Sampler::create(const SamplerOptions &options,
                                int32_t vocabSize, const Tokenizer *tokenizer) {
  AIR_RETURN_IF_ERROR(checkSamplerOptions(options, vocabSize));
  AIR_ASSIGN_OR_RETURN(std::vector<StagePtr> stages,
                       makeStages(options, vocabSize, tokenizer));
  return Sampler(vocabSize, std::move(stages));
}

Sampler::Sampler(const Sampler &other)
    : set(other.set), vocabulary(other.vocabulary), drawn(other.drawn),
      masked(other.masked) {
  for (const StagePtr &stage : other.stages) {
    stages.push_back(stage->clone());
  }
}

Sampler &Sampler::operator=(const Sampler &other) {
  if (this != &other) {
    *this = Sampler(other);
  }
  return *this;
}

void Sampler::accept(int32_t id) {
  if (id < 0 || id >= vocabulary) {
    return;
  }
  for (const StagePtr &stage : stages) {
    stage->accept(id);
  }
}

void Sampler::skipDraw() {
  ++drawn;
  for (const StagePtr &stage : stages) {
    stage->skipDraw();
  }
}

void Sampler::reset() {
  drawn = 0;
  for (const StagePtr &stage : stages) {
    stage->reset();
  }
}

Result<int32_t> Sampler::choose(std::span<const float> logits) {
  AIR_RETURN_IF_ERROR(set.load(logits));
  ++drawn;
  for (const StagePtr &stage : stages) {
    AIR_RETURN_IF_ERROR(stage->apply(set));
  }
  return set.candidates()[set.chosen()].id;
}

Result<int32_t> Sampler::sample(std::span<const float> logits,
                                TokenFilter *filter) {
  if (logits.size() != static_cast<size_t>(vocabulary)) {
    return usageError("sampler: " + std::to_string(logits.size()) +
                      " logits were passed, but the vocabulary has " +
                      countOf(vocabulary, "token"));
  }
  AIR_ASSIGN_OR_RETURN(int32_t id, choose(logits));
  if (filter == nullptr || filter->allows(id)) {
    return id;
  }
  masked.assign(logits.begin(), logits.end());
  filter->mask(masked);
  if (std::ranges::all_of(masked, [](float l) { return l == -HUGE_VALF; })) {
    return internalError("sampler: the token filter allows none of the " +
                         countOf(vocabulary, "token"));
  }
  AIR_ASSIGN_OR_RETURN(id, choose(masked));
  return id;
}

} // namespace air::rt
