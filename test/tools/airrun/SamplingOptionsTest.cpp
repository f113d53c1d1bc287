//===- SamplingOptionsTest.cpp - from the command line to samplers --------===//
#include "tools/airrun/SamplingOptions.h"

#include <cmath>
#include <gmock/gmock.h>

using namespace air;
using testing::HasSubstr;

namespace {

Result<cli::Invocation> parsed(const std::vector<std::string> &args) {
  static const cli::Tool tool = [] {
    cli::Command command;
    command.options = samplingOptions();
    cli::Tool made;
    made.name = "tool";
    made.commands = {command};
    return made;
  }();
  return cli::parse(tool, args);
}

Result<rt::SamplerOptions> read(const std::vector<std::string> &args,
                                const SamplingDefaults &model = {}) {
  AIR_ASSIGN_OR_RETURN(cli::Invocation invocation, parsed(args));
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
      {"--top-p", &O::topP},
      {"--min-p", &O::minP},
      {"--typical-p", &O::typicalP},
      {"--top-n-sigma", &O::topNSigma},
      {"--xtc-probability", &O::xtcProbability},
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
  Result<O> more =
      read({"--dry-multiplier",     "0.5", "--dry-base",           "3",
            "--dry-allowed-length", "1",   "--dry-penalty-last-n", "5",
            "--repeat-penalty",     "1.5", "--repeat-last-n",      "7",
            "--xtc-probability",    "0.5", "--xtc-threshold",      "0.25",
            "--dynatemp-range",     "0.5", "--dynatemp-exp",       "2"});
  ASSERT_TRUE(more) << more.status().message();
  EXPECT_EQ(more->dryBase, 3);
  EXPECT_EQ(more->dryAllowedLength, 1);
  EXPECT_EQ(more->dryLastN, 5);
  EXPECT_EQ(more->repeatLastN, 7);
  EXPECT_EQ(more->xtcThreshold, 0.25F);
  EXPECT_EQ(more->dynatempExponent, 2);
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
  EXPECT_EQ(read({"--dry-multiplier", "1", "--dry-sequence-breaker", "a",
                  "--dry-sequence-breaker", "b"})
                ->dryBreakers,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(read({"--dry-multiplier", "1", "--dry-sequence-breaker", "none"})
                  ->dryBreakers.empty());
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

TEST(SamplingOptions, OptionsOfASamplerThatIsOffAreRefused) {
  EXPECT_EQ(refusal({"--dry-base", "2"}),
            "--dry-base has no effect without --dry-multiplier above 0");
  for (const char *option : {"--dry-allowed-length", "--dry-penalty-last-n",
                             "--dry-sequence-breaker"}) {
    EXPECT_EQ(refusal({option, "3"}),
              option + std::string(
                           " has no effect without --dry-multiplier above 0"));
  }
  EXPECT_EQ(refusal({"--xtc-threshold", "0.2"}),
            "--xtc-threshold has no effect without --xtc-probability above 0");
  EXPECT_EQ(refusal({"--dynatemp-exp", "2"}),
            "--dynatemp-exp has no effect without --dynatemp-range above 0");
  EXPECT_EQ(refusal({"--repeat-last-n", "5"}),
            "--repeat-last-n has no effect without one of --repeat-penalty, "
            "--presence-penalty and --frequency-penalty");
  EXPECT_TRUE(read({"--repeat-last-n", "5", "--presence-penalty", "1"}));
  EXPECT_EQ(refusal({"--samplers", "top_k;adaptive_p"}),
            "--samplers: adaptive_p has no effect without --adaptive-target");
  EXPECT_EQ(refusal({"--sampler-seq", "ka"}),
            "--sampler-seq: adaptive_p has no effect without "
            "--adaptive-target");
  EXPECT_EQ(refusal({"--samplers", "adaptive_p", "--adaptive-decay", "0.5"}),
            "--adaptive-decay has no effect without --adaptive-target");
}

TEST(SamplingOptions, OnlyWhatNoModelAllowsIsRefusedBeforeTheModelIsRead) {
  const std::vector<std::string> dependOnTheModel[] = {
      {"--xtc-threshold", "0.2"},
      {"--repeat-last-n", "5"},
      {"--mirostat-lr", "0.5"},
      {"--adaptive-target", "0.5"}};
  for (const std::vector<std::string> &args : dependOnTheModel) {
    EXPECT_TRUE(checkSamplingOptions(*parsed(args)).isOk()) << args[0];
    refusal(args);
  }
  const std::vector<std::string> neverAllowed[] = {
      {"--xtc-threshold", "0.2", "--xtc-probability", "0"},
      {"--mirostat-lr", "0.5", "--mirostat", "0"},
      {"--adaptive-target", "0.5", "--samplers", "top_k"},
      {"--mirostat", "1", "--top-k", "3"},
      {"--dry-base", "2"},
      {"--samplers", "adaptive_p"},
      {"--logit-bias", "x"}};
  for (const std::vector<std::string> &args : neverAllowed) {
    EXPECT_EQ(checkSamplingOptions(*parsed(args)).message(), refusal(args));
  }
}

TEST(SamplingOptions, TheModelRecommendsAndTheCommandLineDecides) {
  const SamplingDefaults model = {.temperature = 0.25F, .repeatLastN = -1};
  EXPECT_EQ(read({}, model)->temperature, 0.25F);
  EXPECT_EQ(read({}, model)->repeatLastN, 4096);
  EXPECT_EQ(read({"--temp", "2"}, model)->temperature, 2);
  // What a model may recommend may be typed, too.
  EXPECT_EQ(read({"--top-k", "-1"})->topK, -1);
  EXPECT_EQ(
      read({"--repeat-last-n", "-1", "--repeat-penalty", "2"})->repeatLastN,
      4096);
  EXPECT_EQ(
      read({"--dry-penalty-last-n", "-1", "--dry-multiplier", "1"})->dryLastN,
      4096);
  EXPECT_EQ(read({"--repeat-last-n", "5", "--repeat-penalty", "2"}, model)
                ->repeatLastN,
            5);
  EXPECT_EQ(
      read({"--repeat-last-n", "5"}, {.repeatPenalty = 1.1F})->repeatLastN, 5);
  const SamplingDefaults more = {
      .xtcProbability = 0.5F,
      .xtcThreshold = 0.25F,
      .samplers = {SamplerKind::Xtc, SamplerKind::TopK}};
  Result<rt::SamplerOptions> options = read({}, more);
  ASSERT_TRUE(options) << options.status().message();
  EXPECT_EQ(options->xtcProbability, 0.5F);
  EXPECT_EQ(options->xtcThreshold, 0.25F);
  EXPECT_EQ(options->samplers, more.samplers);
  EXPECT_EQ(read({"--sampler-seq", "k"}, more)->samplers,
            std::vector<SamplerKind>{SamplerKind::TopK});
  EXPECT_THAT(refusal({"--temp", "0"}, more),
              HasSubstr("temperature is not among the samplers xtc;top_k"));
  EXPECT_EQ(read({}, {.typicalP = 0.5F})->typicalP, 0.5F);
  EXPECT_EQ(read({"--typical-p", "1"}, {.typicalP = 0.5F})->typicalP, 1.0F);
  const SamplingDefaults mirostat = {
      .mirostat = 1, .mirostatTau = 3.0F, .mirostatEta = 1e9F};
  options = read({}, mirostat);
  ASSERT_TRUE(options) << options.status().message();
  EXPECT_EQ(options->mirostat, 1);
  EXPECT_EQ(options->mirostatTau, 3);
  EXPECT_EQ(options->mirostatEta, 100);
  EXPECT_THAT(refusal({"--top-k", "5"}, mirostat),
              HasSubstr("which the model's file recommends; add --mirostat 0"));
  EXPECT_EQ(read({"--top-k", "5", "--mirostat", "0"}, mirostat)->topK, 5);
}

} // namespace
