//===- SamplerOptions.h - what a sampler is told to do ----------*- C++ -*-===//
//
// docs/sampling.md has the formula of each sampler. The defaults are those of
// llama.cpp (common/common.h of October 2026), except for the seed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLEROPTIONS_H
#define AIRPACK_RUNTIME_TEXT_SAMPLEROPTIONS_H

#include "formats/abi/TokenDraw.h"
#include "formats/model/SamplerKind.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace air::rt {

/// The permitted ranges of the options. Within them, penalties cannot make a
/// logit infinite: the logits of a model are far below 2^100, and a frequency
/// penalty is subtracted at most kLongestPenaltyWindow times.
inline constexpr double kMaxTemperature = 1000; ///< largest |temperature|
inline constexpr double kMinRepeatPenalty = 0.01;
inline constexpr double kMaxRepeatPenalty = 100;
/// The largest magnitude of a presence or frequency penalty.
inline constexpr double kMaxPenalty = 1000;
inline constexpr int32_t kLongestPenaltyWindow = 1 << 24;
inline constexpr double kMaxDynatempExponent = 100;
inline constexpr double kMaxTopNSigma = 1000;
inline constexpr double kMaxDryMultiplier = 1000;
inline constexpr double kMaxDryBase = 1000;
inline constexpr double kMaxMirostatTau = 1000;
inline constexpr double kMaxMirostatEta = 100;
inline constexpr double kMaxAdaptiveDecay = 0.99;
/// The largest magnitude of a logit bias that is not -infinity.
inline constexpr double kMaxLogitBias = 1e6;

struct LogitBias {
  int32_t id;
  float bias; ///< added to the logit; -infinity excludes the token
};

struct SamplerOptions {
  float temperature = 0.8F; ///< 0 or less: choose the best token
  /// The actual temperature is at most this far from `temperature`, and rises
  /// with the entropy of the distribution. 0 keeps it fixed.
  float dynatempRange = 0.0F;
  float dynatempExponent = 1.0F;
  int32_t topK = 40; ///< number of tokens to keep; 0 or less keeps all
  /// Keeps the smallest set of most probable tokens whose probabilities add up
  /// to at least topP. 1 keeps all tokens.
  float topP = 0.95F;
  /// Drops tokens whose probability is below minP times that of the best token.
  /// 0 drops none.
  float minP = 0.05F;
  /// Keeps the tokens whose surprise is nearest to the entropy, until their
  /// probabilities add up to more than typicalP. 1 keeps all tokens.
  float typicalP = 1.0F;
  /// Excludes the tokens whose logit is more than this number of standard
  /// deviations below the largest. 0 excludes none.
  float topNSigma = 0.0F;
  /// With this probability, all tokens whose probability is at least
  /// xtcThreshold are dropped, except the least probable of them. 0 drops none.
  float xtcProbability = 0.0F;
  float xtcThreshold = 0.1F; ///< above 0.5 nothing is dropped
  /// The logits of recent tokens are divided by this number if they are
  /// positive, and multiplied by it otherwise.
  float repeatPenalty = 1.0F;
  /// The number of most recent tokens that are penalised. 0 turns all penalties
  /// but DRY off.
  int32_t repeatLastN = 64;
  float presencePenalty = 0.0F; ///< subtracted from a recent token's logit
  /// Subtracted from a token's logit once per recent occurrence of the token.
  float frequencyPenalty = 0.0F;
  /// The DRY penalty of a token that would continue a repetition of n tokens is
  /// dryMultiplier * dryBase ^ (n - dryAllowedLength), unless n is smaller than
  /// dryAllowedLength. A multiplier of 0 turns DRY off.
  float dryMultiplier = 0.0F;
  float dryBase = 1.75F;
  int32_t dryAllowedLength = 2;
  int32_t dryLastN = 64; ///< number of most recent tokens searched
  /// The n tokens of a repetition are counted from the end of the text back to
  /// the last occurrence of one of these texts, and no further. None of the
  /// texts may be empty.
  std::vector<std::string> dryBreakers = {"\n", ":", "\"", "*"};
  /// 1 or 2: Mirostat of that version takes the place of all samplers but the
  /// temperature. 0: off.
  int32_t mirostat = 0;
  float mirostatTau = 5.0F; ///< the surprise to aim at, in bits
  float mirostatEta = 0.1F; ///< the learning rate
  /// The probability near which SamplerKind::AdaptiveP chooses tokens. Negative
  /// numbers turn it off.
  float adaptiveTarget = -1.0F;
  float adaptiveDecay = 0.9F; ///< weight of the past in the moving average
  std::vector<LogitBias> logitBias; ///< applied before all samplers
  std::vector<SamplerKind> samplers = defaultSamplers();
  uint64_t seed = 0;
};

/// True if DRY is on and searches the texts of tokens for breakers.
bool needsTokenTexts(const SamplerOptions &options);

/// If true, a sampler with these options always chooses the token with the
/// largest logit, and of several such tokens the one with the lowest id. If
/// false, the sampler may still do so.
bool choosesTheBest(const SamplerOptions &options);

/// Returns the parameters with which a GPU chooses the same token as the first
/// draw of a sampler with these options, or nothing if a GPU cannot do this.
/// If choosesTheBest(options), it always can. Otherwise, all of the following
/// must hold:
/// - There are no logit biases, and Mirostat is off.
/// - No samplers are on but top-k, top-p, min-p and temperature. These come in
///   this order, and the temperature is fixed (dynatempRange is 0).
/// - The vocabulary has at most kMostDrawnTokens tokens.
/// - Top-k is on. It keeps at most kMostKeptTokens tokens, and fewer than
///   `vocabSize`.
std::optional<TokenDraw> drawOnGpu(const SamplerOptions &options,
                                   int32_t vocabSize);

/// Errors: Usage if an option is out of range for a vocabulary of `vocabSize`
/// tokens (the message names the option), or if `vocabSize` is not positive.
Status checkSamplerOptions(const SamplerOptions &options, int32_t vocabSize);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLEROPTIONS_H
