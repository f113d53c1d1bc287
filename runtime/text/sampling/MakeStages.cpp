//===- MakeStages.cpp - the chain that options ask for --------------------===//
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace air::rt {
namespace {

/// False if the options turn the sampler off.
bool isOn(SamplerKind kind, const SamplerOptions &options) {
  switch (kind) {
  case SamplerKind::Penalties:
    return options.repeatLastN != 0 &&
           (options.repeatPenalty != 1 || options.presencePenalty != 0 ||
            options.frequencyPenalty != 0);
  case SamplerKind::Dry:
    return options.dryMultiplier != 0 && options.dryLastN != 0;
  case SamplerKind::TopNSigma:
    return options.topNSigma > 0;
  case SamplerKind::TopK:
    return options.topK > 0;
  case SamplerKind::TypicalP:
    return options.typicalP < 1;
  case SamplerKind::TopP:
    return options.topP < 1;
  case SamplerKind::MinP:
    return options.minP > 0;
  case SamplerKind::Xtc:
    // At most one token can reach a threshold above one half, and XTC would
    // not drop it.
    return options.xtcProbability > 0 && options.xtcThreshold <= 0.5F;
  case SamplerKind::Temperature:
    return true;
  case SamplerKind::AdaptiveP:
    return options.adaptiveTarget >= 0;
  }
  return true;
}

/// Returns null if the options turn the sampler off, or if the sampler is one
/// that chooses a token. makeStages() adds the sampler that chooses a token as
/// the last stage.
StagePtr makeStage(SamplerKind kind, const SamplerOptions &options,
                   int32_t vocabSize, const Tokenizer *tokenizer) {
  if (!isOn(kind, options)) {
    return nullptr;
  }
  switch (kind) {
  case SamplerKind::Penalties:
    return makePenalties(options, vocabSize);
  case SamplerKind::Dry:
    return makeDry(options, vocabSize, tokenizer);
  case SamplerKind::TopNSigma:
    return makeTopNSigma(options.topNSigma);
  case SamplerKind::TopK:
    return makeTopK(options.topK);
  case SamplerKind::TypicalP:
    return makeTypicalP(options.typicalP);
  case SamplerKind::TopP:
    return makeTopP(options.topP);
  case SamplerKind::MinP:
    return makeMinP(options.minP);
  case SamplerKind::Xtc:
    return makeXtc(options.xtcProbability, options.xtcThreshold, options.seed);
  case SamplerKind::Temperature:
    return makeTemperature(options);
  case SamplerKind::AdaptiveP:
    break;
  }
  return nullptr;
}

/// True for filters that never drop the best token and remember nothing.
bool keepsTheBest(SamplerKind kind) {
  return kind == SamplerKind::TopNSigma || kind == SamplerKind::TopK ||
         kind == SamplerKind::TopP || kind == SamplerKind::MinP;
}

/// Returns the samplers of `options`, in order, without some that have no
/// effect: if the temperature is 0, the sampler Temperature drops all tokens
/// except the best one. Samplers directly before it for which keepsTheBest() is
/// true then change nothing, so they are left out.
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

bool choosesTheBest(const SamplerOptions &options) {
  if (!options.logitBias.empty() || options.mirostat != 0) {
    return false;
  }
  bool leavesOne = false;
  for (const SamplerKind kind : options.samplers) {
    const bool mayDropTheBest =
        kind != SamplerKind::Temperature && !keepsTheBest(kind);
    if (mayDropTheBest && isOn(kind, options)) {
      return false;
    }
    leavesOne |= (kind == SamplerKind::TopK && options.topK == 1) ||
                 (kind == SamplerKind::Temperature &&
                  options.temperature <= 0 && options.dynatempRange <= 0);
  }
  return leavesOne;
}

std::optional<TokenDraw> drawOnGpu(const SamplerOptions &options,
                                   int32_t vocabSize) {
  TokenDraw draw;
  if (choosesTheBest(options)) {
    return draw;
  }
  if (!options.logitBias.empty() || options.mirostat != 0 ||
      static_cast<uint32_t>(vocabSize) > kMostDrawnTokens) {
    return std::nullopt;
  }
  draw.isBest = 0;
  draw.seed = options.seed;
  draw.minPDistance = -HUGE_VAL;
  constexpr std::array kOrder = {SamplerKind::TopK, SamplerKind::TopP,
                                 SamplerKind::MinP, SamplerKind::Temperature};
  const auto *next = kOrder.begin();
  for (const SamplerKind kind : options.samplers) {
    if (!isOn(kind, options)) {
      continue;
    }
    next = std::find(next, kOrder.end(), kind);
    if (next == kOrder.end()) {
      return std::nullopt;
    }
    ++next;
    if (kind == SamplerKind::TopK) {
      draw.topK = static_cast<uint32_t>(options.topK);
    } else if (kind == SamplerKind::TopP) {
      draw.topP = double{options.topP};
    } else if (kind == SamplerKind::MinP) {
      draw.minPDistance = std::log(double{options.minP});
    } else if (options.dynatempRange > 0) {
      return std::nullopt;
    } else {
      draw.scale = 1.0 / double{options.temperature};
    }
  }
  // The host draws if top-k is off, or if it keeps all tokens or more than
  // kMostKeptTokens.
  if (draw.topK == 0 || draw.topK > kMostKeptTokens ||
      draw.topK >= static_cast<uint32_t>(vocabSize)) {
    return std::nullopt;
  }
  return draw;
}

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
  const bool adapts = has(options, SamplerKind::AdaptiveP) &&
                      isOn(SamplerKind::AdaptiveP, options);
  stages.push_back(adapts ? makeAdaptiveP(options) : makeDraw(options.seed));
  return stages;
}

} // namespace air::rt
