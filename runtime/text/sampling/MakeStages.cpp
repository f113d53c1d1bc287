//===- MakeStages.cpp - the chain that options ask for --------------------===//
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>

namespace air::rt {
namespace {

/// Returns null if the options turn the sampler off.
StagePtr makeStage(SamplerKind kind, const SamplerOptions &options,
                   int32_t vocabSize, const Tokenizer *tokenizer) {
  switch (kind) {
  case SamplerKind::Penalties:
    if (options.repeatLastN != 0 &&
        (options.repeatPenalty != 1 || options.presencePenalty != 0 ||
         options.frequencyPenalty != 0)) {
      return makePenalties(options, vocabSize);
    }
    break;
  case SamplerKind::Dry:
    if (options.dryMultiplier != 0 && options.dryLastN != 0) {
      return makeDry(options, vocabSize, tokenizer);
    }
    break;
  case SamplerKind::TopNSigma:
    if (options.topNSigma > 0) {
      return makeTopNSigma(options.topNSigma);
    }
    break;
  case SamplerKind::TopK:
    if (options.topK > 0) {
      return makeTopK(options.topK);
    }
    break;
  case SamplerKind::TypicalP:
    if (options.typicalP < 1) {
      return makeTypicalP(options.typicalP);
    }
    break;
  case SamplerKind::TopP:
    if (options.topP < 1) {
      return makeTopP(options.topP);
    }
    break;
  case SamplerKind::MinP:
    if (options.minP > 0) {
      return makeMinP(options.minP);
    }
    break;
  case SamplerKind::Xtc:
    // At most one token can reach a threshold above one half, and XTC would
    // not drop it.
    if (options.xtcProbability > 0 && options.xtcThreshold <= 0.5F) {
      return makeXtc(options.xtcProbability, options.xtcThreshold,
                     options.seed);
    }
    break;
  case SamplerKind::Temperature:
    return makeTemperature(options);
  case SamplerKind::AdaptiveP:
    break;
  }
  return nullptr;
}

/// True for samplers that never drop the best token and remember nothing.
bool keepsTheBest(SamplerKind kind) {
  return kind == SamplerKind::TopNSigma || kind == SamplerKind::TopK ||
         kind == SamplerKind::TopP || kind == SamplerKind::MinP;
}

/// Leaves out the samplers whose work is lost because a temperature of 0
/// follows at once and leaves only the best token.
std::vector<SamplerKind> usefulSamplers(const SamplerOptions &options) {
  std::vector<SamplerKind> useful;
  for (SamplerKind kind : options.samplers) {
    if (kind == SamplerKind::Temperature && options.temperature <= 0 &&
        options.dynatempRange <= 0) {
      while (!useful.empty() && keepsTheBest(useful.back())) {
        useful.pop_back();
      }
    }
    useful.push_back(kind);
  }
  return useful;
}

bool has(const SamplerOptions &options, SamplerKind kind) {
  return std::ranges::find(options.samplers, kind) != options.samplers.end();
}

} // namespace

Result<std::vector<StagePtr>> makeStages(const SamplerOptions &options,
                                         int32_t vocabSize,
                                         const Tokenizer *tokenizer) {
  if (needsTokenTexts(options) && tokenizer == nullptr) {
    return usageError("sampler: the sequence breakers of DRY need the texts of "
                      "tokens, but there is no vocabulary; turn them off "
                      "(--dry-sequence-breaker none)");
  }
  std::vector<StagePtr> stages;
  if (!options.logitBias.empty()) {
    stages.push_back(makeLogitBias(options.logitBias));
  }
  if (options.mirostat != 0) {
    SamplerOptions fixed = options;
    fixed.dynatempRange = 0;
    stages.push_back(makeTemperature(fixed));
    stages.push_back(options.mirostat == 1 ? makeMirostat(options, vocabSize)
                                           : makeMirostat2(options));
    return stages;
  }
  for (SamplerKind kind : usefulSamplers(options)) {
    if (StagePtr stage = makeStage(kind, options, vocabSize, tokenizer)) {
      stages.push_back(std::move(stage));
    }
  }
  const bool adapts =
      has(options, SamplerKind::AdaptiveP) && options.adaptiveTarget >= 0;
  stages.push_back(adapts ? makeAdaptiveP(options) : makeDraw(options.seed));
  return stages;
}

} // namespace air::rt
