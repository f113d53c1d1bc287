//===- SamplingOptions.cpp - the options of the samplers ------------------===//
#include "tools/airrun/SamplingOptions.h"

#include "formats/gguf/GgufSampling.h"
#include "formats/support/Printable.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace air {
namespace {

using cli::ValueKind;

cli::Option number(std::string name, std::string help, std::string byDefault,
                   double minimum, double maximum) {
  return {.name = std::move(name),
          .kind = ValueKind::Number,
          .valueName = "X",
          .help = std::move(help),
          .defaultText = std::move(byDefault),
          .minimum = minimum,
          .maximum = maximum};
}

cli::Option integer(std::string name, std::string help, std::string byDefault,
                    double maximum, double minimum = 0) {
  return {.name = std::move(name),
          .kind = ValueKind::Integer,
          .valueName = "N",
          .help = std::move(help),
          .defaultText = std::move(byDefault),
          .minimum = minimum,
          .maximum = maximum};
}

/// Options that only one sampler reads.
constexpr struct {
  const char *option;
  SamplerKind sampler;
} kOwners[] = {
    {"--temp", SamplerKind::Temperature},
    {"--dynatemp-range", SamplerKind::Temperature},
    {"--dynatemp-exp", SamplerKind::Temperature},
    {"--top-k", SamplerKind::TopK},
    {"--top-p", SamplerKind::TopP},
    {"--min-p", SamplerKind::MinP},
    {"--typical-p", SamplerKind::TypicalP},
    {"--top-n-sigma", SamplerKind::TopNSigma},
    {"--xtc-probability", SamplerKind::Xtc},
    {"--xtc-threshold", SamplerKind::Xtc},
    {"--repeat-penalty", SamplerKind::Penalties},
    {"--presence-penalty", SamplerKind::Penalties},
    {"--frequency-penalty", SamplerKind::Penalties},
    {"--repeat-last-n", SamplerKind::Penalties},
    {"--dry-multiplier", SamplerKind::Dry},
    {"--dry-base", SamplerKind::Dry},
    {"--dry-allowed-length", SamplerKind::Dry},
    {"--dry-penalty-last-n", SamplerKind::Dry},
    {"--dry-sequence-breaker", SamplerKind::Dry},
    {"--adaptive-target", SamplerKind::AdaptiveP},
    {"--adaptive-decay", SamplerKind::AdaptiveP},
};

/// Options that a sampler reads only if the option `turnsOn` turns the sampler
/// on.
constexpr struct {
  const char *option;
  const char *turnsOn;
  float rt::SamplerOptions::*value; ///< value of turnsOn; 0 means off
} kDependents[] = {
    {"--dynatemp-exp", "--dynatemp-range", &rt::SamplerOptions::dynatempRange},
    {"--xtc-threshold", "--xtc-probability",
     &rt::SamplerOptions::xtcProbability},
    {"--dry-base", "--dry-multiplier", &rt::SamplerOptions::dryMultiplier},
    {"--dry-allowed-length", "--dry-multiplier",
     &rt::SamplerOptions::dryMultiplier},
    {"--dry-penalty-last-n", "--dry-multiplier",
     &rt::SamplerOptions::dryMultiplier},
    {"--dry-sequence-breaker", "--dry-multiplier",
     &rt::SamplerOptions::dryMultiplier},
};

/// The values that decide whether an option has an effect.
struct Effects {
  const cli::Invocation &invocation;
  const rt::SamplerOptions &options;
  /// Whether the model has been read. Until then, it is not known which
  /// samplers are turned on, because the model may recommend values that do so.
  bool modelIsKnown;

  /// Whether the value of `option` is final, because the command line gives it,
  /// or because the model, which may recommend a value, has been read.
  bool isDecided(const char *option) const {
    return modelIsKnown || invocation.has(option);
  }
  /// The option that lists the samplers, or nullptr if it was not given.
  const char *listOption() const {
    return invocation.has("--samplers")      ? "--samplers"
           : invocation.has("--sampler-seq") ? "--sampler-seq"
                                             : nullptr;
  }
};

/// Refuses the options of samplers that Mirostat replaces.
Status checkWithMirostat(const Effects &effects) {
  const std::string why =
      effects.invocation.has("--mirostat")
          ? " has no effect with --mirostat, which takes the place of all "
            "samplers but the temperature; leave one of the two out"
          : " has no effect with Mirostat, which the model's file "
            "recommends; add --mirostat 0";
  if (effects.listOption() != nullptr) {
    return usageError(effects.listOption() + why);
  }
  for (const auto &owner : kOwners) {
    if (effects.invocation.has(owner.option) &&
        std::string_view(owner.option) != "--temp") {
      return usageError(owner.option + why);
    }
  }
  return Status::ok();
}

/// Refuses options of samplers that are in the chain, but turned off.
Status checkSwitches(const Effects &effects) {
  const cli::Invocation &invocation = effects.invocation;
  const rt::SamplerOptions &options = effects.options;
  for (const auto &dependent : kDependents) {
    const bool isDecided =
        std::string_view(dependent.turnsOn) != "--xtc-probability" ||
        effects.isDecided(dependent.turnsOn);
    if (invocation.has(dependent.option) && isDecided &&
        options.*dependent.value == 0) {
      return usageError(std::string(dependent.option) +
                        " has no effect without " + dependent.turnsOn +
                        " above 0");
    }
  }
  if (invocation.has("--repeat-last-n") &&
      effects.isDecided("--repeat-penalty") && options.repeatPenalty == 1 &&
      options.presencePenalty == 0 && options.frequencyPenalty == 0) {
    return usageError("--repeat-last-n has no effect without one of "
                      "--repeat-penalty, --presence-penalty and "
                      "--frequency-penalty");
  }
  if (options.adaptiveTarget >= 0) {
    return Status::ok();
  }
  if (invocation.has("--adaptive-decay")) {
    return usageError("--adaptive-decay has no effect without "
                      "--adaptive-target");
  }
  if (const char *list = effects.listOption();
      list != nullptr &&
      std::ranges::find(options.samplers, SamplerKind::AdaptiveP) !=
          options.samplers.end()) {
    return usageError(std::string(list) +
                      ": adaptive_p has no effect without --adaptive-target");
  }
  return Status::ok();
}

/// Refuses an option that was given although nothing would read it.
Status checkEffects(const Effects &effects) {
  const cli::Invocation &invocation = effects.invocation;
  const rt::SamplerOptions &options = effects.options;
  if (options.mirostat != 0) {
    return checkWithMirostat(effects);
  }
  for (const char *option : {"--mirostat-ent", "--mirostat-lr"}) {
    if (invocation.has(option) && effects.isDecided("--mirostat")) {
      return usageError(std::string(option) +
                        " has no effect without --mirostat 1 or 2");
    }
  }
  for (const auto &owner : kOwners) {
    if ((effects.modelIsKnown || effects.listOption() != nullptr) &&
        invocation.has(owner.option) &&
        std::ranges::find(options.samplers, owner.sampler) ==
            options.samplers.end()) {
      return usageError(std::string(owner.option) + " has no effect, because " +
                        std::string(samplerName(owner.sampler)) +
                        " is not among the samplers " +
                        samplerNames(options.samplers) +
                        "; add it to --samplers");
    }
  }
  return checkSwitches(effects);
}

Result<rt::LogitBias> parseBias(const std::string &text) {
  const char *end = text.data() + text.size();
  rt::LogitBias bias = {};
  const auto [sign, idError] = std::from_chars(text.data(), end, bias.id);
  const bool hasSign =
      idError == std::errc() && sign != end && (*sign == '+' || *sign == '-');
  double value = 0;
  bool isNumber = false;
  if (hasSign && std::string_view(sign, end) == "-inf") {
    value = HUGE_VAL;
    isNumber = true;
  } else if (hasSign && sign + 1 != end && sign[1] != '-') {
    const auto [stop, error] = std::from_chars(sign + 1, end, value);
    isNumber = error == std::errc() && stop == end && std::isfinite(value) &&
               value <= rt::kMaxLogitBias;
  }
  if (!isNumber) {
    return usageError("--logit-bias: " + inQuotes(text) +
                      " is not a token id with a bias of at most 1000000, "
                      "such as 42+1.5, 42-2 or 42-inf");
  }
  bias.bias = static_cast<float>(*sign == '-' ? -value : value);
  return bias;
}

/// Sets the options whose values are not single numbers.
Status readLists(const cli::Invocation &invocation,
                 rt::SamplerOptions &options) {
  for (const std::string &text : invocation.list("--logit-bias")) {
    AIR_ASSIGN_OR_RETURN(rt::LogitBias bias, parseBias(text));
    options.logitBias.push_back(bias);
  }
  if (invocation.has("--dry-sequence-breaker")) {
    options.dryBreakers = invocation.list("--dry-sequence-breaker");
    const bool none = std::ranges::find(options.dryBreakers, "none") !=
                      options.dryBreakers.end();
    if (none && options.dryBreakers.size() != 1) {
      return usageError("--dry-sequence-breaker: 'none' cannot be combined "
                        "with other breakers");
    }
    if (none) {
      options.dryBreakers.clear();
    }
  }
  const std::optional<std::string> names = invocation.text("--samplers");
  const std::optional<std::string> letters = invocation.text("--sampler-seq");
  if (names && letters) {
    return usageError("--samplers and --sampler-seq are two forms of the same "
                      "list; give only one of them");
  }
  if (names || letters) {
    Result<std::vector<SamplerKind>> samplers =
        names ? parseSamplerNames(*names) : parseSamplerLetters(*letters);
    if (!samplers) {
      return samplers.status().withContext(names ? "--samplers"
                                                 : "--sampler-seq");
    }
    options.samplers = *std::move(samplers);
  }
  return Status::ok();
}

/// Returns options of which each has the value that the model recommends or, if
/// the model recommends none, the default of the runtime.
rt::SamplerOptions recommended(const SamplingDefaults &model) {
  rt::SamplerOptions options;
  options.temperature =
      std::min(model.temperature.value_or(options.temperature),
               static_cast<float>(rt::kMaxTemperature));
  options.topK = model.topK.value_or(options.topK);
  options.topP = model.topP.value_or(options.topP);
  options.minP = model.minP.value_or(options.minP);
  options.typicalP = model.typicalP.value_or(options.typicalP);
  options.repeatPenalty =
      std::clamp(model.repeatPenalty.value_or(options.repeatPenalty),
                 static_cast<float>(rt::kMinRepeatPenalty),
                 static_cast<float>(rt::kMaxRepeatPenalty));
  options.repeatLastN = model.repeatLastN.value_or(options.repeatLastN);
  options.xtcProbability =
      model.xtcProbability.value_or(options.xtcProbability);
  options.xtcThreshold = model.xtcThreshold.value_or(options.xtcThreshold);
  options.mirostat = model.mirostat.value_or(options.mirostat);
  options.mirostatTau =
      std::min(model.mirostatTau.value_or(options.mirostatTau),
               static_cast<float>(rt::kMaxMirostatTau));
  options.mirostatEta =
      std::min(model.mirostatEta.value_or(options.mirostatEta),
               static_cast<float>(rt::kMaxMirostatEta));
  if (!model.samplers.empty()) {
    options.samplers = model.samplers;
  }
  return options;
}

} // namespace

std::vector<cli::Option> samplingOptions() {
  return {
      number("--temp",
             "Sampling temperature; 0 always takes the most likely token, "
             "unless --dynatemp-range varies it.",
             "the model's recommended value, or 0.8", 0, rt::kMaxTemperature),
      number("--dynatemp-range",
             "Vary the temperature by up to X in both directions: it is low "
             "where one token is likely, and high where many are; 0 turns this "
             "off.",
             "0", 0, rt::kMaxTemperature),
      number("--dynatemp-exp",
             "The exponent of --dynatemp-range: the entropy, divided by the "
             "largest possible entropy and raised to the power X, sets the "
             "temperature within that range.",
             "1", 0, rt::kMaxDynatempExponent),
      integer("--top-k",
              "Sample from the N most likely tokens; 0 or -1 turns this off.",
              "the model's recommended value, or 40", 2147483647, -1),
      number("--top-p",
             "Sample from the smallest set of most likely tokens whose "
             "probabilities sum to at least X; 1 turns this off.",
             "the model's recommended value, or 0.95", 0, 1),
      number("--min-p",
             "Leave out tokens that are less than X times as likely as the "
             "most likely one; 0 turns this off.",
             "the model's recommended value, or 0.05", 0, 1),
      number("--typical-p",
             "Sample from the tokens whose surprise is nearest to the entropy, "
             "up to a total probability of X; 1 turns this off.",
             "the model's recommended value, or 1", 0, 1),
      number("--top-n-sigma",
             "Leave out tokens whose logit is more than X standard deviations "
             "below the largest; 0 turns this off.",
             "0", 0, rt::kMaxTopNSigma),
      number("--xtc-probability",
             "With probability X, leave out the tokens that reach "
             "--xtc-threshold, except the least likely of them; 0 turns this "
             "off.",
             "the model's recommended value, or 0", 0, 1),
      number("--xtc-threshold",
             "The probability that a token must have for XTC to leave it out; "
             "above 0.5, XTC leaves out none.",
             "the model's recommended value, or 0.1", 0, 1),
      number("--repeat-penalty",
             "Divide positive logits of recent tokens by X and multiply "
             "negative ones by it. Above 1 this makes repetition less likely; "
             "1 turns it off.",
             "the model's recommended value, or 1", rt::kMinRepeatPenalty,
             rt::kMaxRepeatPenalty),
      number("--presence-penalty",
             "Subtract X from the logit of each token that occurs among the "
             "recent tokens (--repeat-last-n).",
             "0", -rt::kMaxPenalty, rt::kMaxPenalty),
      number("--frequency-penalty",
             "Subtract X from a token's logit for each of its occurrences "
             "among the recent tokens (--repeat-last-n).",
             "0", -rt::kMaxPenalty, rt::kMaxPenalty),
      integer("--repeat-last-n",
              "Apply the penalties to the recent tokens, that is, to the last "
              "N; 0 turns the penalties off, and -1 means the context length.",
              "the model's recommended value, or 64", rt::kLongestPenaltyWindow,
              -1),
      number("--dry-multiplier",
             "Subtract X times a power of --dry-base from the logit of a token "
             "that would continue a repetition; 0 turns this off.",
             "0", 0, rt::kMaxDryMultiplier),
      number("--dry-base",
             "The base of the power that DRY subtracts. The exponent is the "
             "length of the repetition in tokens, minus --dry-allowed-length.",
             "1.75", 1, rt::kMaxDryBase),
      integer("--dry-allowed-length",
              "DRY ignores repetitions of fewer than N tokens.", "2",
              rt::kLongestPenaltyWindow),
      integer("--dry-penalty-last-n",
              "DRY looks for repetitions in the last N tokens; 0 turns it off, "
              "and -1 means the context length.",
              "64", rt::kLongestPenaltyWindow, -1),
      {.name = "--dry-sequence-breaker",
       .kind = ValueKind::StringList,
       .valueName = "TEXT",
       .help = "A text at which DRY ends a repetition. Texts that are given "
               "replace the default ones. Give 'none' so that no text ends a "
               "repetition.",
       .defaultText = "a newline, a colon, a double quote, an asterisk"},
      integer("--mirostat",
              "Use Mirostat, version 1 or 2, in place of all samplers but the "
              "temperature. It keeps the surprise of the tokens near the "
              "value of --mirostat-ent; 0 turns it off.",
              "the model's recommended value, or 0", 2),
      number("--mirostat-ent",
             "The surprise that Mirostat aims at (tau), in bits.",
             "the model's recommended value, or 5", 0, rt::kMaxMirostatTau),
      number("--mirostat-lr", "The learning rate of Mirostat (eta).",
             "the model's recommended value, or 0.1", 0, rt::kMaxMirostatEta),
      number("--adaptive-target",
             "Prefer tokens whose probability is near X. This needs the "
             "sampler adaptive_p in --samplers.",
             "no target", 0, 1),
      number("--adaptive-decay",
             "The weight of earlier tokens in the moving average of "
             "probabilities by which adaptive_p corrects its target.",
             "0.9", 0, rt::kMaxAdaptiveDecay),
      {.name = "--logit-bias",
       .kind = ValueKind::StringList,
       .valueName = "ID+X",
       .help = "Add X, which is at most 1000000, to the logit of token ID. "
               "ID-X subtracts it, and ID-inf excludes the token."},
      {.name = "--samplers",
       .kind = ValueKind::String,
       .valueName = "NAMES",
       .help = "The samplers to use, in this order, separated by semicolons or "
               "commas. Besides those that the default lists, there is "
               "adaptive_p.",
       .defaultText = "the model's recommended list, or " +
                      samplerNames(defaultSamplers())},
      {.name = "--sampler-seq",
       .kind = ValueKind::String,
       .valueName = "LETTERS",
       .help = "Like --samplers, with one letter for each: e (penalties), "
               "d (dry), s (top_n_sigma), k (top_k), y (typ_p), p (top_p), m "
               "(min_p), x (xtc), t (temperature), a (adaptive_p).",
       .defaultText = "the model's recommended list, or edskypmxt"},
      integer("--seed", "Seed of the random number generator.", "0",
              9007199254740992.0),
  };
}

namespace {

Status readOptions(const cli::Invocation &invocation,
                   rt::SamplerOptions &options) {
  auto set = [&](float &field, const char *name) {
    field = static_cast<float>(invocation.number(name).value_or(field));
  };
  auto setWhole = [&](int32_t &field, const char *name) {
    field = static_cast<int32_t>(invocation.integer(name).value_or(field));
  };
  set(options.temperature, "--temp");
  set(options.dynatempRange, "--dynatemp-range");
  set(options.dynatempExponent, "--dynatemp-exp");
  setWhole(options.topK, "--top-k");
  set(options.topP, "--top-p");
  set(options.minP, "--min-p");
  set(options.typicalP, "--typical-p");
  set(options.topNSigma, "--top-n-sigma");
  set(options.xtcProbability, "--xtc-probability");
  set(options.xtcThreshold, "--xtc-threshold");
  set(options.repeatPenalty, "--repeat-penalty");
  set(options.presencePenalty, "--presence-penalty");
  set(options.frequencyPenalty, "--frequency-penalty");
  setWhole(options.repeatLastN, "--repeat-last-n");
  set(options.dryMultiplier, "--dry-multiplier");
  set(options.dryBase, "--dry-base");
  setWhole(options.dryAllowedLength, "--dry-allowed-length");
  setWhole(options.dryLastN, "--dry-penalty-last-n");
  setWhole(options.mirostat, "--mirostat");
  set(options.mirostatTau, "--mirostat-ent");
  set(options.mirostatEta, "--mirostat-lr");
  set(options.adaptiveTarget, "--adaptive-target");
  set(options.adaptiveDecay, "--adaptive-decay");
  options.seed =
      static_cast<uint64_t>(invocation.integer("--seed").value_or(0));
  return readLists(invocation, options);
}

} // namespace

Result<rt::SamplerOptions> samplerOptions(const cli::Invocation &invocation,
                                          const SamplingDefaults &model,
                                          uint64_t context) {
  rt::SamplerOptions options = recommended(model);
  AIR_RETURN_IF_ERROR(readOptions(invocation, options));
  for (int32_t *window : {&options.repeatLastN, &options.dryLastN}) {
    if (*window < 0) {
      *window = static_cast<int32_t>(
          std::min<uint64_t>(context, rt::kLongestPenaltyWindow));
    }
  }
  AIR_RETURN_IF_ERROR(checkEffects({invocation, options, true}));
  return options;
}

Status checkSamplingOptions(const cli::Invocation &invocation) {
  rt::SamplerOptions options;
  AIR_RETURN_IF_ERROR(readOptions(invocation, options));
  return checkEffects({invocation, options, false});
}

Status checkSamplingOfModel(const cli::Invocation &invocation,
                            const ModelSource &source) {
  const uint64_t tokens = tokensOfModel(source);
  if (tokens == 0 || tokens > INT32_MAX) {
    // The table of token embeddings is missing, or has too many rows for token
    // ids of type int32_t. airpack reports this when it makes the plan.
    return Status::ok();
  }
  std::vector<std::string> ignored;
  AIR_ASSIGN_OR_RETURN(
      const rt::SamplerOptions options,
      samplerOptions(invocation, readGgufSampling(source, ignored), 1));
  return rt::checkSamplerOptions(options, static_cast<int32_t>(tokens));
}

} // namespace air
