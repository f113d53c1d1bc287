//===- SamplingOptionsTest.cpp - from the command line to samplers --------===//
#include "tools/airrun/SamplingOptions.h"

#include <cmath>
#include <gmock/gmock.h>

using namespace air;
using testing::HasSubstr;

namespace {

Result<rt::SamplerOptions> read(const std::vector<std::string> &args,
                                const SamplingDefaults &model = {}) {
  static const cli::Tool tool = [] {
    cli::Command command;
    command.options = samplingOptions();
    cli::Tool made;
    made.name = "tool";
    made.commands = {command};
    return made;
  }();
  AIR_ASSIGN_OR_RETURN(cli::Invocation invocation, cli::parse(tool, args));
  return samplerOptions(invocation, model, 4096);
}

std::string refusal(const std::vector<std::string> &args,
                    const SamplingDefaults &model = {}) {
  Result<rt::SamplerOptions> options = read(args, model);
  EXPECT_FALSE(options.isOk()) << args[0];
  EXPECT_EQ(options.status().code(), ErrorCode::Usage);
  return options.status().message();
}

TEST(SamplingOptions, EveryNumberReachesItsField) {
  using O = rt::SamplerOptions;
  const std::vector<std::pair<const char *, float O::*>> numbers = {
      {"--temp", &O::temperature},
      {"--dynatemp-range", &O::dynatempRange},
      {"--dynatemp-exp", &O::dynatempExponent},
      {"--top-p", &O::topP},
      {"--min-p", &O::minP},
      {"--typical-p", &O::typicalP},
      {"--top-n-sigma", &O::topNSigma},
      {"--xtc-probability", &O::xtcProbability},
      {"--xtc-threshold", &O::xtcThreshold},
      {"--repeat-penalty", &O::repeatPenalty},
      {"--presence-penalty", &O::presencePenalty},
      {"--frequency-penalty", &O::frequencyPenalty},
      {"--dry-multiplier", &O::dryMultiplier},
  };
  for (const auto &[name, field] : numbers) {
    Result<O> options = read({name, "0.625"});
    ASSERT_TRUE(options) << options.status().message();
    EXPECT_EQ(*options.*field, 0.625F) << name;
    EXPECT_NE(O().*field, 0.625F) << name;
  }
  const std::vector<std::pair<const char *, int32_t O::*>> wholes = {
      {"--top-k", &O::topK},
      {"--repeat-last-n", &O::repeatLastN},
      {"--dry-allowed-length", &O::dryAllowedLength},
      {"--dry-penalty-last-n", &O::dryLastN},
      {"--mirostat", &O::mirostat},
  };
  for (const auto &[name, field] : wholes) {
    Result<O> options = read({name, "1"});
    ASSERT_TRUE(options) << options.status().message();
    EXPECT_EQ(*options.*field, 1) << name;
    EXPECT_NE(O().*field, 1) << name;
  }
  Result<O> rest = read({"--samplers", "adaptive_p", "--adaptive-target", "0.5",
                         "--adaptive-decay", "0.25", "--seed", "9"});
  ASSERT_TRUE(rest) << rest.status().message();
  EXPECT_EQ(rest->adaptiveTarget, 0.5F);
  EXPECT_EQ(rest->adaptiveDecay, 0.25F);
  EXPECT_EQ(rest->seed, 9U);
  EXPECT_EQ(read({"--dry-base", "3"})->dryBase, 3);
  Result<O> mirostat =
      read({"--mirostat", "2", "--mirostat-ent", "3", "--mirostat-lr", "0.5"});
  ASSERT_TRUE(mirostat) << mirostat.status().message();
  EXPECT_EQ(mirostat->mirostatTau, 3);
  EXPECT_EQ(mirostat->mirostatEta, 0.5F);
}

TEST(SamplingOptions, BothFormsOfTheListOfSamplers) {
  const std::vector<SamplerKind> expected = {SamplerKind::Temperature,
                                             SamplerKind::TopK};
  EXPECT_EQ(read({"--samplers", "temperature;top_k"})->samplers, expected);
  EXPECT_EQ(read({"--sampler-seq", "tk"})->samplers, expected);
  EXPECT_EQ(read({})->samplers, defaultSamplers());
  EXPECT_THAT(refusal({"--samplers", "xtc", "--sampler-seq", "x"}),
              HasSubstr("two forms of the same list"));
  EXPECT_THAT(refusal({"--sampler-seq", "kq"}),
              HasSubstr("--sampler-seq: letter 2 of 'kq' is not a sampler; the "
                        "samplers are e (penalties), d (dry),"));
}

TEST(SamplingOptions, BreakersAndBiases) {
  EXPECT_EQ(read({"--dry-sequence-breaker", "a", "--dry-sequence-breaker", "b"})
                ->dryBreakers,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(read({"--dry-sequence-breaker", "none"})->dryBreakers.empty());
  EXPECT_THAT(refusal({"--dry-sequence-breaker", "a", "--dry-sequence-breaker",
                       "none"}),
              HasSubstr("cannot be combined"));
  Result<rt::SamplerOptions> biased =
      read({"--logit-bias", "3+1.5", "--logit-bias", "7-2e1", "--logit-bias",
            "0-inf"});
  ASSERT_TRUE(biased) << biased.status().message();
  ASSERT_EQ(biased->logitBias.size(), 3U);
  EXPECT_EQ(biased->logitBias[0].id, 3);
  EXPECT_EQ(biased->logitBias[0].bias, 1.5F);
  EXPECT_EQ(biased->logitBias[1].bias, -20);
  EXPECT_EQ(biased->logitBias[2].bias, -HUGE_VALF);
  for (const char *bad :
       {"", "3", "+1", "3+", "3*1", "3+x", "3+1x", "3+inf", "3-nan", "3--1",
        "3+-1", "3++1", "x+1", "1.5+1", "3+2e6", "99999999999+1"}) {
    EXPECT_THAT(refusal({std::string("--logit-bias=") + bad}),
                HasSubstr("--logit-bias: '" + std::string(bad) + "' is not"));
  }
}

TEST(SamplingOptions, WhatHasNoEffectIsRefused) {
  EXPECT_THAT(refusal({"--temp", "0", "--samplers", "top_k;min_p"}),
              HasSubstr("--temp has no effect, because temperature is not "
                        "among the samplers top_k;min_p"));
  EXPECT_THAT(refusal({"--adaptive-target", "0.5"}),
              HasSubstr("adaptive_p is not among the samplers"));
  EXPECT_THAT(refusal({"--mirostat-lr", "0.5"}),
              HasSubstr("--mirostat-lr has no effect without --mirostat"));
  EXPECT_THAT(refusal({"--mirostat", "1", "--min-p", "0"}),
              HasSubstr("--min-p has no effect with --mirostat"));
  EXPECT_THAT(refusal({"--mirostat", "1", "--samplers", "min_p"}),
              HasSubstr("--samplers has no effect with --mirostat"));
  EXPECT_THAT(refusal({"--mirostat", "1", "--dynatemp-range", "1"}),
              HasSubstr("--dynatemp-range has no effect"));
  EXPECT_TRUE(read({"--mirostat", "1", "--temp", "0.5", "--logit-bias", "1+1",
                    "--seed", "3"}));
}

TEST(SamplingOptions, TheModelRecommendsAndTheCommandLineDecides) {
  const SamplingDefaults model = {.temperature = 0.25F, .repeatLastN = -1};
  EXPECT_EQ(read({}, model)->temperature, 0.25F);
  EXPECT_EQ(read({}, model)->repeatLastN, 4096);
  EXPECT_EQ(read({"--temp", "2"}, model)->temperature, 2);
  EXPECT_EQ(read({"--repeat-last-n", "5"}, model)->repeatLastN, 5);
}

} // namespace
