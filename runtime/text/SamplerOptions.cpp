//===- SamplerOptions.cpp - the ranges of the sampler's options -----------===//
#include "runtime/text/SamplerOptions.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace air::rt {
namespace {

/// Returns Usage unless `value` is in [least, most]. NaN is in no range. The
/// bounds are rounded to float, as the value was, so that the bounds themselves
/// are valid.
Status checkRange(const char *name, double value, double least, double most) {
  if (value >= static_cast<double>(static_cast<float>(least)) &&
      value <= static_cast<double>(static_cast<float>(most))) {
    return Status::ok();
  }
  char text[128];
  std::snprintf(text, sizeof text, "sampler: %s is %g, but must be %g to %g",
                name, value, least, most);
  return usageError(text);
}

bool usesDry(const SamplerOptions &options) {
  return options.mirostat == 0 && options.dryMultiplier != 0 &&
         options.dryLastN != 0 &&
         std::ranges::find(options.samplers, SamplerKind::Dry) !=
             options.samplers.end();
}

Status checkBias(const LogitBias &bias, int32_t vocabSize) {
  if (bias.id < 0 || bias.id >= vocabSize) {
    return usageError("sampler: the logit bias is for token " +
                      std::to_string(bias.id) +
                      ", but the vocabulary has only the tokens 0 to " +
                      std::to_string(vocabSize - 1));
  }
  if (bias.bias == -HUGE_VALF) {
    return Status::ok();
  }
  return checkRange("logit bias", bias.bias, -kMaxLogitBias, kMaxLogitBias);
}

} // namespace

bool needsTokenTexts(const SamplerOptions &options) {
  return usesDry(options) && !options.dryBreakers.empty();
}

Status checkSamplerOptions(const SamplerOptions &options, int32_t vocabSize) {
  if (vocabSize <= 0) {
    return usageError("sampler: the vocabulary has " +
                      countOf(vocabSize, "token") +
                      ", but must have at least 1");
  }
  const struct {
    const char *name;
    double value;
    double least;
    double most;
  } ranges[] = {
      {"temperature", options.temperature, -kMaxTemperature, kMaxTemperature},
      {"dynamic temperature range", options.dynatempRange, 0, kMaxTemperature},
      {"dynamic temperature exponent", options.dynatempExponent, 0,
       kMaxDynatempExponent},
      {"top-p", options.topP, 0, 1},
      {"min-p", options.minP, 0, 1},
      {"typical-p", options.typicalP, 0, 1},
      {"top-n-sigma", options.topNSigma, 0, kMaxTopNSigma},
      {"XTC probability", options.xtcProbability, 0, 1},
      {"XTC threshold", options.xtcThreshold, 0, 1},
      {"repeat penalty", options.repeatPenalty, kMinRepeatPenalty,
       kMaxRepeatPenalty},
      {"presence penalty", options.presencePenalty, -kMaxPenalty, kMaxPenalty},
      {"frequency penalty", options.frequencyPenalty, -kMaxPenalty,
       kMaxPenalty},
      {"repeat window", double(options.repeatLastN), 0, kLongestPenaltyWindow},
      {"DRY multiplier", options.dryMultiplier, 0, kMaxDryMultiplier},
      {"DRY base", options.dryBase, 1, kMaxDryBase},
      {"DRY allowed length", double(options.dryAllowedLength), 0,
       kLongestPenaltyWindow},
      {"DRY window", double(options.dryLastN), 0, kLongestPenaltyWindow},
      {"Mirostat version", double(options.mirostat), 0, 2},
      {"Mirostat tau", options.mirostatTau, 0, kMaxMirostatTau},
      {"Mirostat eta", options.mirostatEta, 0, kMaxMirostatEta},
      {"adaptive target", options.adaptiveTarget, -1, 1},
      {"adaptive decay", options.adaptiveDecay, 0, kMaxAdaptiveDecay},
  };
  for (const auto &range : ranges) {
    AIR_RETURN_IF_ERROR(
        checkRange(range.name, range.value, range.least, range.most));
  }
  for (const LogitBias &bias : options.logitBias) {
    AIR_RETURN_IF_ERROR(checkBias(bias, vocabSize));
  }
  if (std::ranges::find(options.dryBreakers, "") != options.dryBreakers.end()) {
    return usageError("sampler: a DRY sequence breaker is empty");
  }
  return Status::ok();
}

} // namespace air::rt
