//===- SamplingOptions.cpp - the sampler on the command line --------------===//
#include "tools/airrun/SamplingOptions.h"

#include "formats/plan/PlanConvert.h"

#include <algorithm>
#include <string>
#include <utility>

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
                    double maximum) {
  return {.name = std::move(name),
          .kind = ValueKind::Integer,
          .valueName = "N",
          .help = std::move(help),
          .defaultText = std::move(byDefault),
          .minimum = 0,
          .maximum = maximum};
}

} // namespace

std::vector<cli::Option> samplingOptions() {
  return {
      number("--temp",
             "Sampling temperature; 0 always takes the most likely token.",
             "the model's recommended value, or 0.8", 0, rt::kMaxTemperature),
      integer("--top-k",
              "Sample from the N most likely tokens; 0 turns this off.",
              "the model's recommended value, or 40", 2147483647),
      number("--top-p",
             "Sample from the smallest set of most likely tokens whose "
             "probabilities sum to X; 1 turns this off.",
             "the model's recommended value, or 0.95", 0, 1),
      number("--min-p",
             "Leave out tokens that are less than X times as likely as the "
             "most likely one; 0 turns this off.",
             "the model's recommended value, or 0.05", 0, 1),
      number("--repeat-penalty",
             "Divide positive logits of recent tokens by X and multiply "
             "negative ones by it. Above 1 this makes repetition less likely; "
             "1 turns it off.",
             "the model's recommended value, or 1", rt::kMinRepeatPenalty,
             rt::kMaxRepeatPenalty),
      number("--presence-penalty",
             "Subtract X from the logit of each recent token.", "0",
             -rt::kMaxPenalty, rt::kMaxPenalty),
      number("--frequency-penalty",
             "Subtract X from a token's logit for each of its occurrences "
             "among the recent tokens (--repeat-last-n).",
             "0", -rt::kMaxPenalty, rt::kMaxPenalty),
      integer(
          "--repeat-last-n",
          "The penalties apply to the last N tokens, which count as recent; "
          "0 turns the penalties off.",
          "the model's recommended value, or 64", rt::kLongestPenaltyWindow),
      integer("--seed", "Seed of the random number generator.", "0",
              9007199254740992.0)};
}

rt::SamplerOptions samplerOptions(const cli::Invocation &invocation,
                                  const rt::Session &session) {
  rt::SamplerOptions options;
  const SamplingDefaults model = fromPlan(session.plan().sampling());
  options.temperature =
      std::min(model.temperature.value_or(options.temperature),
               static_cast<float>(rt::kMaxTemperature));
  options.topK = model.topK.value_or(options.topK);
  options.topP = model.topP.value_or(options.topP);
  options.minP = model.minP.value_or(options.minP);
  options.repeatPenalty =
      std::clamp(model.repeatPenalty.value_or(options.repeatPenalty),
                 static_cast<float>(rt::kMinRepeatPenalty),
                 static_cast<float>(rt::kMaxRepeatPenalty));
  options.repeatLastN = model.repeatLastN.value_or(options.repeatLastN);
  if (options.repeatLastN < 0) {
    options.repeatLastN = static_cast<int32_t>(
        std::min<uint64_t>(session.context(), kMaxRepeatLastN));
  }
  auto set = [&](float &field, const char *name) {
    field = static_cast<float>(invocation.number(name).value_or(field));
  };
  set(options.temperature, "--temp");
  set(options.topP, "--top-p");
  set(options.minP, "--min-p");
  set(options.repeatPenalty, "--repeat-penalty");
  set(options.presencePenalty, "--presence-penalty");
  set(options.frequencyPenalty, "--frequency-penalty");
  options.topK = static_cast<int32_t>(
      invocation.integer("--top-k").value_or(options.topK));
  options.repeatLastN = static_cast<int32_t>(
      invocation.integer("--repeat-last-n").value_or(options.repeatLastN));
  options.seed =
      static_cast<uint64_t>(invocation.integer("--seed").value_or(0));
  return options;
}

} // namespace air
