//===- SamplingCases.cpp - reads the cases of test/Inputs/sampling --------===//
#include "SamplingCases.h"
#include "test/runtime/text/Vocabularies.h"

#include <cmath>

namespace air::rt {

nlohmann::json readCases(const std::string &name) {
  nlohmann::json cases =
      nlohmann::json::parse(slurp(inputs("sampling/" + name)), nullptr, false);
  EXPECT_FALSE(cases.is_discarded()) << name;
  return cases;
}

SamplerOptions plainSampling() {
  SamplerOptions options;
  options.temperature = 1;
  options.topK = 0;
  options.topP = 1;
  options.minP = 0;
  options.dryBreakers = {};
  return options;
}

SamplerOptions optionsOf(const nlohmann::json &given) {
  SamplerOptions options;
  size_t used = 0;
  auto set = [&](const char *name, auto &field) {
    if (given.contains(name)) {
      given.at(name).get_to(field);
      ++used;
    }
  };
  set("temperature", options.temperature);
  set("dynatempRange", options.dynatempRange);
  set("dynatempExponent", options.dynatempExponent);
  set("topK", options.topK);
  set("topP", options.topP);
  set("minP", options.minP);
  set("typicalP", options.typicalP);
  set("topNSigma", options.topNSigma);
  set("xtcProbability", options.xtcProbability);
  set("xtcThreshold", options.xtcThreshold);
  set("repeatPenalty", options.repeatPenalty);
  set("repeatLastN", options.repeatLastN);
  set("presencePenalty", options.presencePenalty);
  set("frequencyPenalty", options.frequencyPenalty);
  set("dryMultiplier", options.dryMultiplier);
  set("dryBase", options.dryBase);
  set("dryAllowedLength", options.dryAllowedLength);
  set("dryLastN", options.dryLastN);
  set("dryBreakers", options.dryBreakers);
  set("mirostat", options.mirostat);
  set("mirostatTau", options.mirostatTau);
  set("mirostatEta", options.mirostatEta);
  set("adaptiveTarget", options.adaptiveTarget);
  set("adaptiveDecay", options.adaptiveDecay);
  set("seed", options.seed);
  if (given.contains("samplers")) {
    Result<std::vector<SamplerKind>> samplers =
        parseSamplerNames(given.at("samplers").get<std::string>());
    EXPECT_TRUE(samplers.isOk()) << samplers.status().message();
    options.samplers = *samplers;
    ++used;
  }
  if (given.contains("logitBias")) {
    for (const nlohmann::json &pair : given.at("logitBias")) {
      options.logitBias.push_back(
          {pair.at(0).get<int32_t>(),
           logitsOf(nlohmann::json::array({pair.at(1)})).front()});
    }
    ++used;
  }
  EXPECT_EQ(used, given.size()) << given.dump();
  return options;
}

std::vector<float> logitsOf(const nlohmann::json &numbers) {
  std::vector<float> logits;
  for (const nlohmann::json &number : numbers) {
    logits.push_back(number.is_null() ? -HUGE_VALF : number.get<float>());
  }
  return logits;
}

const Tokenizer &letterTokenizer() {
  static const Tokenizer tokenizer = tokenizerOf(smallBpe({}));
  return tokenizer;
}

std::map<int32_t, double> probabilitiesOf(CandidateSet &set,
                                          const SamplerOptions &options) {
  if (options.mirostat == 0 && options.adaptiveTarget < 0) {
    // Drawing has rounded the weights (DrawWeights.h), so the exact ones are
    // computed again.
    set.computeWeights();
  }
  double total = 0;
  for (double weight : set.weights()) {
    total += weight;
  }
  std::map<int32_t, double> probabilities;
  for (size_t i = 0; i < set.size(); ++i) {
    if (const double p = set.weights()[i] / total; p > 1e-300) {
      probabilities[set.candidates()[i].id] = p;
    }
  }
  return probabilities;
}

std::map<int32_t, double> distribution(const SamplerOptions &options,
                                       const std::vector<float> &logits,
                                       const std::vector<int32_t> &history) {
  const auto vocabulary = static_cast<int32_t>(logits.size());
  Result<std::vector<StagePtr>> stages =
      makeStages(options, vocabulary, &letterTokenizer());
  EXPECT_TRUE(stages.isOk()) << stages.status().message();
  for (int32_t id : history) {
    for (const StagePtr &stage : *stages) {
      stage->accept(id);
    }
  }
  CandidateSet set(vocabulary);
  EXPECT_TRUE(set.load(logits).isOk());
  for (const StagePtr &stage : *stages) {
    Status status = stage->apply(set);
    EXPECT_TRUE(status.isOk()) << status.message();
  }
  return probabilitiesOf(set, options);
}

} // namespace air::rt
