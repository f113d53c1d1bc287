//===- ChainTest.cpp - whole chains: state, filters, refusals -------------===//
#include "SamplingCases.h"
#include "test/runtime/text/Vocabularies.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <random>

using namespace air;
using namespace air::rt;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

Sampler make(const SamplerOptions &options, size_t vocabulary) {
  Result<Sampler> sampler = Sampler::create(
      options, static_cast<int32_t>(vocabulary), &letterTokenizer());
  EXPECT_TRUE(sampler.isOk()) << sampler.status().message();
  return *std::move(sampler);
}

std::vector<float> randomLogits(std::mt19937 &random, size_t count) {
  // All logits are multiples of 1/64, so adding a whole number to one of them
  // needs no rounding.
  std::vector<float> logits(count);
  for (float &logit : logits) {
    logit = static_cast<float>(random() % 512) / 64;
  }
  return logits;
}

/// Chains with every sampler that has a state, and with several that have none.
std::vector<SamplerOptions> chainsWithState() {
  SamplerOptions all = plainSampling();
  all.repeatPenalty = 1.3F;
  all.dryMultiplier = 1;
  all.xtcProbability = 0.5F;
  all.topK = 20;
  all.seed = 11;
  SamplerOptions first = plainSampling();
  first.mirostat = 1;
  first.mirostatTau = 2;
  SamplerOptions second = first;
  second.mirostat = 2;
  SamplerOptions adaptive = plainSampling();
  adaptive.samplers = {SamplerKind::MinP, SamplerKind::AdaptiveP};
  adaptive.adaptiveTarget = 0.2F;
  return {all, first, second, adaptive};
}

std::vector<int32_t> run(Sampler &sampler, const std::vector<float> &logits,
                         int count) {
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i) {
    Result<int32_t> id = sampler.sample(logits);
    EXPECT_TRUE(id.isOk()) << id.status().message();
    ids.push_back(*id);
    sampler.accept(*id);
  }
  return ids;
}

TEST(SamplerChain, ACopyContinuesAndAResetBeginsAgain) {
  std::mt19937 random(1);
  const std::vector<float> logits = randomLogits(random, 40);
  for (const SamplerOptions &options : chainsWithState()) {
    Sampler sampler = make(options, logits.size());
    const std::vector<int32_t> first = run(sampler, logits, 50);
    Sampler copy = sampler;
    const std::vector<int32_t> rest = run(sampler, logits, 50);
    EXPECT_EQ(run(copy, logits, 50), rest);
    EXPECT_NE(first, rest);
    sampler.reset();
    EXPECT_EQ(run(sampler, logits, 50), first);
    copy = sampler;
    EXPECT_EQ(run(copy, logits, 50), rest);
  }
}

TEST(SamplerChain, AShiftOfAllLogitsChangesNothing) {
  std::mt19937 random(2);
  for (const SamplerOptions &options : chainsWithState()) {
    if (options.repeatPenalty != 1) {
      continue; // the effect of this penalty depends on a logit's sign
    }
    std::vector<float> logits = randomLogits(random, 60);
    const auto before = distribution(options, logits);
    for (float &logit : logits) {
      logit -= 32;
    }
    EXPECT_EQ(distribution(options, logits), before);
  }
}

TEST(SamplerChain, FiltersKeepTheBestAndALargerLimitKeepsMore) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    const std::vector<float> logits = randomLogits(random, 1 + random() % 300);
    const auto best =
        static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
    size_t sizes[4] = {};
    for (int step = 1; step <= 8; ++step) {
      SamplerOptions options[4];
      options[0].topK = step * step;
      options[1].topP = static_cast<float>(step) / 9;
      options[2].minP = std::exp2(static_cast<float>(-step));
      options[3].topNSigma = static_cast<float>(step) / 4;
      for (int i = 0; i < 4; ++i) {
        SamplerOptions only = plainSampling();
        only.topK = i == 0 ? options[0].topK : only.topK;
        only.topP = i == 1 ? options[1].topP : only.topP;
        only.minP = i == 2 ? options[2].minP : only.minP;
        only.topNSigma = i == 3 ? options[3].topNSigma : only.topNSigma;
        const auto kept = distribution(only, logits);
        EXPECT_TRUE(kept.contains(best)) << i;
        EXPECT_GE(kept.size(), sizes[i]) << i;
        sizes[i] = kept.size();
      }
    }
  }
}

TEST(SamplerChain, MaskedTokensAreNeverChosen) {
  std::mt19937 random(4);
  std::vector<float> logits = randomLogits(random, 40);
  for (size_t i = 0; i < logits.size(); i += 2) {
    logits[i] = -HUGE_VALF;
  }
  for (const SamplerOptions &options : chainsWithState()) {
    Sampler sampler = make(options, logits.size());
    for (int32_t id : run(sampler, logits, 300)) {
      EXPECT_EQ(id % 2, 1);
    }
  }
}

TEST(SamplerChain, BadLogitsAreRefusedByEveryChain) {
  for (const SamplerOptions &options : chainsWithState()) {
    Sampler sampler = make(options, 3);
    const float inf = HUGE_VALF;
    auto message = [&](std::vector<float> logits) {
      return sampler.sample(logits).status().message();
    };
    EXPECT_THAT(message({0, NAN, 0}), HasSubstr("token 1 is NaN"));
    EXPECT_THAT(message({0, 0, inf}), HasSubstr("token 2 is infinite"));
    EXPECT_THAT(message({-inf, -inf, -inf}), HasSubstr("all 3 logits"));
  }
}

TEST(SamplerChain, WhatGreedySamplingLeavesOut) {
  // XTC comes before the temperature. Here, it removes the best token, so the
  // second best is chosen.
  SamplerOptions options = plainSampling();
  options.temperature = 0;
  options.xtcProbability = 1;
  options.topK = 3;
  const std::vector<float> logits = {1, 3, 2.5F, 0};
  EXPECT_THAT(distribution(options, logits), ElementsAre(testing::Pair(2, 1)));
  options.xtcProbability = 0;
  EXPECT_THAT(distribution(options, logits), ElementsAre(testing::Pair(1, 1)));
  // If the samplers do not include "temperature", the temperature is 1.
  options.samplers = {SamplerKind::TopK};
  EXPECT_EQ(distribution(options, logits).size(), 3U);
}

// The options are random, and many logits are equal.
TEST(SamplerChain, WhatAlwaysChoosesTheBestDoes) {
  std::mt19937 random(17);
  int always = 0;
  for (int round = 0; round < 400; ++round) {
    SamplerOptions options;
    options.seed = random();
    options.temperature = random() % 2 == 0 ? 0 : 1.5F;
    options.dynatempRange = random() % 4 == 0 ? 0.5F : 0;
    options.topK = static_cast<int32_t>(random() % 3);
    options.topP = random() % 2 == 0 ? 0.1F : 1;
    options.typicalP = random() % 4 == 0 ? 0.3F : 1;
    options.topNSigma = random() % 2 == 0 ? 0.5F : 0;
    options.xtcProbability = random() % 4 == 0 ? 1 : 0;
    options.repeatPenalty = random() % 4 == 0 ? 2 : 1;
    options.dryMultiplier = random() % 4 == 0 ? 5 : 0;
    options.mirostat = random() % 8 == 0 ? 2 : 0;
    options.adaptiveTarget = random() % 4 == 0 ? 0.3F : -1;
    if (random() % 8 == 0) {
      options.logitBias = {{3, 8}};
    }
    if (random() % 4 == 0) {
      options.samplers.emplace_back(SamplerKind::AdaptiveP);
    }
    std::ranges::shuffle(options.samplers, random);
    options.samplers.resize(1 + random() % options.samplers.size());
    if (!choosesTheBest(options)) {
      continue;
    }
    ++always;
    Sampler sampler = make(options, 30);
    for (int i = 0; i < 8; ++i) {
      std::vector<float> logits(30);
      for (float &logit : logits) {
        logit = static_cast<float>(random() % 4) - 2;
      }
      const auto best = std::ranges::max_element(logits);
      const Result<int32_t> chosen = sampler.sample(logits);
      ASSERT_TRUE(chosen.isOk()) << chosen.status().message();
      ASSERT_EQ(*chosen, best - logits.begin()) << round;
      sampler.accept(*chosen);
    }
  }
  EXPECT_GT(always, 20);
  // The options that users give for greedy answers always choose the best
  // token. The defaults do not.
  SamplerOptions options;
  EXPECT_FALSE(choosesTheBest(options));
  options.temperature = 0;
  EXPECT_TRUE(choosesTheBest(options));
  options.temperature = 0.8F;
  options.topK = 1;
  EXPECT_TRUE(choosesTheBest(options));
}

// A GPU has the stages of the default chain, but no others, and in no other
// order.
TEST(SamplerChain, WhatAGpuDraws) {
  SamplerOptions options;
  options.seed = 9;
  std::optional<TokenDraw> draw = drawOnGpu(options, 1000);
  ASSERT_TRUE(draw);
  EXPECT_EQ(draw->isBest, 0U);
  EXPECT_EQ(draw->seed, 9U);
  EXPECT_EQ(draw->topK, 40U);
  EXPECT_EQ(draw->topP, double{0.95F});
  EXPECT_EQ(draw->minPDistance, std::log(double{0.05F}));
  EXPECT_EQ(draw->scale, 1.0 / double{0.8F});
  EXPECT_EQ(draw->draws, 0U);
  // Top-k keeps 40 tokens. If that is the whole vocabulary, top-k does nothing,
  // and the host draws.
  EXPECT_FALSE(drawOnGpu(options, 40));
  EXPECT_TRUE(drawOnGpu(options, 41));
  EXPECT_FALSE(drawOnGpu(options, (1 << 21) + 1));
  const auto changed = [&](const auto &change) {
    SamplerOptions other = options;
    change(other);
    return drawOnGpu(other, 2000);
  };
  using O = SamplerOptions;
  draw = changed([](O &o) {
    o.topK = 1024;
    o.topP = 1;
    o.minP = 0;
    o.samplers = {SamplerKind::TopK, SamplerKind::MinP};
  });
  ASSERT_TRUE(draw);
  EXPECT_EQ(draw->topK, 1024U);
  EXPECT_EQ(draw->topP, 1);
  EXPECT_EQ(draw->minPDistance, -HUGE_VAL);
  EXPECT_EQ(draw->scale, 1);
  EXPECT_FALSE(changed([](O &o) { o.topK = 0; }));
  EXPECT_FALSE(changed([](O &o) { o.topK = 1025; }));
  EXPECT_FALSE(changed([](O &o) { o.samplers = {SamplerKind::TopP}; }));
  EXPECT_EQ(changed([](O &o) { o.temperature = 0; })->isBest, 1U);
  EXPECT_EQ(changed([](O &o) { o.temperature = o.topK = 0; })->isBest, 1U);
  EXPECT_FALSE(changed([](O &o) { o.repeatPenalty = 1.1F; }));
  EXPECT_TRUE(changed([](O &o) {
    o.repeatPenalty = 1.1F;
    o.repeatLastN = 0; // turns the penalties off
  }));
  EXPECT_FALSE(changed([](O &o) { o.dryMultiplier = 1; }));
  EXPECT_FALSE(changed([](O &o) { o.topNSigma = 2; }));
  EXPECT_FALSE(changed([](O &o) { o.typicalP = 0.9F; }));
  EXPECT_FALSE(changed([](O &o) { o.xtcProbability = 0.5F; }));
  EXPECT_FALSE(changed([](O &o) { o.dynatempRange = 0.5F; }));
  EXPECT_FALSE(changed([](O &o) { o.mirostat = 2; }));
  EXPECT_FALSE(changed([](O &o) { o.logitBias = {{3, 1.0F}}; }));
  EXPECT_FALSE(changed([](O &o) {
    o.samplers = {SamplerKind::Temperature, SamplerKind::TopK};
  }));
  EXPECT_FALSE(changed(
      [](O &o) { o.samplers = {SamplerKind::TopK, SamplerKind::TopK}; }));
  EXPECT_FALSE(changed([](O &o) {
    o.adaptiveTarget = 0.5F;
    o.samplers.push_back(SamplerKind::AdaptiveP);
  }));
}

TEST(SamplerChain, ThePromptDoesNotTeachAdaptiveSamplers) {
  std::mt19937 random(5);
  const std::vector<float> logits = randomLogits(random, 40);
  for (const SamplerOptions &options : chainsWithState()) {
    if (options.repeatPenalty != 1) {
      // Unlike the other samplers, penalties count the tokens of the prompt.
      continue;
    }
    EXPECT_EQ(distribution(options, logits, {1, 2, 3, 4, 5}),
              distribution(options, logits));
  }
}

TEST(LogitBias, AddsAndExcludes) {
  SamplerOptions options = plainSampling();
  // Biases of the same token add up: log(4) = 2 * log(2).
  const float log2 = std::log(2.0F);
  options.logitBias = {{0, log2}, {2, -HUGE_VALF}, {0, log2}};
  const auto got = distribution(options, {0, 0, 5});
  ASSERT_EQ(got.size(), 2U);
  EXPECT_NEAR(got.at(0), 0.8, 1e-6);
  EXPECT_NEAR(got.at(1), 0.2, 1e-6);
  options.logitBias = {{0, -HUGE_VALF}, {1, -HUGE_VALF}};
  Sampler sampler = make(options, 2);
  Result<int32_t> id = sampler.sample(std::vector<float>{1, 1});
  EXPECT_EQ(id.status().code(), ErrorCode::Usage);
  EXPECT_THAT(id.status().message(), HasSubstr("biases exclude all tokens"));
}

/// Allows only one token, and counts the calls of allows() and of mask().
class OnlyFilter : public TokenFilter {
public:
  explicit OnlyFilter(int32_t only) : only(only) {}
  bool allows(int32_t id) override {
    ++tests;
    return id == only;
  }
  void mask(std::span<float> logits) override {
    ++masks;
    for (size_t i = 0; i < logits.size(); ++i) {
      logits[i] = static_cast<int32_t>(i) == only ? logits[i] : -HUGE_VALF;
    }
  }
  Status accept(int32_t) override { return Status::ok(); }

  int32_t only;
  int tests = 0;
  int masks = 0;
};

TEST(TokenFilter, IsAskedForItsMaskOnlyIfItRefusesTheChoice) {
  SamplerOptions options = plainSampling();
  options.temperature = 0;
  Sampler sampler = make(options, 3);
  const std::vector<float> logits = {1, 2, 3};
  OnlyFilter best(2);
  EXPECT_EQ(*sampler.sample(logits, &best), 2);
  EXPECT_EQ(best.masks, 0);
  OnlyFilter other(0);
  EXPECT_EQ(*sampler.sample(logits, &other), 0);
  EXPECT_EQ(other.masks, 1);
  EXPECT_EQ(other.tests, 1);
  OnlyFilter none(7);
  Result<int32_t> id = sampler.sample(logits, &none);
  EXPECT_EQ(id.status().code(), ErrorCode::Internal);
  EXPECT_THAT(id.status().message(), HasSubstr("allows none of the 3 tokens"));
}

TEST(TokenFilter, ARefusedChoiceTeachesNothing) {
  // The filter refuses token 0, which is drawn first. Token 1 is then chosen,
  // because it alone is allowed. Both have a surprise of 0 bits, since each is
  // the only candidate that is left when it is drawn. Only the accepted token
  // may change Mirostat's bound.
  SamplerOptions options = plainSampling();
  options.mirostat = 2;
  options.mirostatTau = 0.25F;
  options.mirostatEta = 1;
  const std::vector<float> logits = {0, 0};
  Sampler free = make(options, 2);
  ASSERT_EQ(*free.sample(logits), 0)
      << "the bound is 0.5: only the best is kept";
  Sampler filtered = make(options, 2);
  OnlyFilter filter(1);
  ASSERT_EQ(*filtered.sample(logits, &filter), 1);
  filtered.accept(1);
  // Each token with a surprise of 0 bits raises Mirostat's bound by 0.25, here
  // to 0.75 and then to 1. After that, both tokens are possible.
  ASSERT_EQ(*filtered.sample(logits), 0);
  filtered.accept(0);
  bool sawBoth = false;
  for (int i = 0; i < 64; ++i) {
    sawBoth |= *filtered.sample(logits) == 1;
  }
  EXPECT_TRUE(sawBoth);
}

TEST(Dry, ABreakerMaySpanTokensAndLieInsideOne) {
  SamplerOptions options = plainSampling();
  options.dryMultiplier = 1;
  const std::vector<float> logits(8, 0.0F);
  const std::vector<int32_t> repeats = {0, 1, 2, 3, 0, 1};
  EXPECT_LT(distribution(options, logits, repeats).at(2), 0.1);
  // Tokens 3 and 0 spell the breaker "$!". Only one token follows the breaker,
  // and a single token is too short to count as a repetition.
  options.dryBreakers = {"$!"};
  EXPECT_EQ(distribution(options, logits, repeats).at(2), 0.125);
  // The two tokens after the '!' must count as a repetition of the first two.
  // DRY keeps the last five bytes of the text, because they may contain the
  // beginning of "abcdef". When the two tokens arrive, the '!' is still among
  // these bytes, but DRY must not find it again.
  options.dryBreakers = {"!", "abcdef"};
  const std::vector<int32_t> after = {1, 2, 3, 0, 1, 2};
  EXPECT_LT(distribution(options, logits, after).at(3), 0.1);
  // The text of token 256 is "$!".
  const Tokenizer merged = tokenizerOf(smallBpe({"$ !"}));
  options.dryBreakers = {"!"};
  std::vector<int32_t> history = {4, 1, 2, 5, 256, 4, 1};
  for (bool isBreaker : {true, false}) {
    history[2] = isBreaker ? 256 : 2;
    Result<Sampler> sampler = Sampler::create(options, 257, &merged);
    ASSERT_TRUE(sampler.isOk()) << sampler.status().message();
    for (int32_t id : history) {
      sampler->accept(id);
    }
    // After tokens 4 and 1, history[2] would continue a repetition. DRY lowers
    // its logit by 1 unless the text of this token contains a breaker.
    std::vector<float> two(257, -HUGE_VALF);
    two[static_cast<size_t>(history[2])] = 0.5F;
    two[7] = 0;
    SamplerOptions greedy = options;
    greedy.temperature = 0;
    sampler = Sampler::create(greedy, 257, &merged);
    ASSERT_TRUE(sampler.isOk());
    for (int32_t id : history) {
      sampler->accept(id);
    }
    EXPECT_EQ(*sampler->sample(two), isBreaker ? 256 : 7);
  }
}

TEST(Dry, BreakersNeedAVocabulary) {
  SamplerOptions options;
  options.dryMultiplier = 1;
  Result<Sampler> sampler = Sampler::create(options, 8, nullptr);
  EXPECT_EQ(sampler.status().code(), ErrorCode::Usage);
  EXPECT_THAT(sampler.status().message(), HasSubstr("there is no vocabulary"));
  // With Mirostat, DRY has no part in the choice.
  options.mirostat = 2;
  EXPECT_TRUE(Sampler::create(options, 8, nullptr).isOk());
  options.mirostat = 0;
  options.dryBreakers = {};
  EXPECT_TRUE(Sampler::create(options, 8, nullptr).isOk());
}

TEST(SamplerOptionsTest, OutOfRange) {
  auto refused = [](auto change, const char *name) {
    SamplerOptions options;
    change(options);
    Status status = checkSamplerOptions(options, 10);
    EXPECT_EQ(status.code(), ErrorCode::Usage) << name;
    EXPECT_THAT(status.message(), HasSubstr(name));
  };
  using O = SamplerOptions;
  refused([](O &o) { o.dynatempRange = -0.1F; }, "dynamic temperature range");
  refused([](O &o) { o.dynatempExponent = NAN; },
          "temperature exponent is nan");
  refused([](O &o) { o.typicalP = 1.5F; }, "typical-p is 1.5");
  refused([](O &o) { o.topNSigma = -1; }, "top-n-sigma is -1");
  refused([](O &o) { o.xtcProbability = 2; }, "XTC probability is 2");
  refused([](O &o) { o.xtcThreshold = -1; }, "XTC threshold is -1");
  refused([](O &o) { o.dryMultiplier = -1; }, "DRY multiplier is -1");
  refused([](O &o) { o.dryBase = 0.5F; }, "DRY base is 0.5");
  refused([](O &o) { o.dryAllowedLength = -2; }, "DRY allowed length is -2");
  refused([](O &o) { o.dryLastN = -1; }, "DRY window is -1");
  refused([](O &o) { o.dryBreakers = {"x", ""}; }, "sequence breaker is empty");
  refused([](O &o) { o.mirostat = 3; }, "Mirostat version is 3");
  refused([](O &o) { o.mirostatTau = -1; }, "Mirostat tau is -1");
  refused([](O &o) { o.mirostatEta = INFINITY; }, "Mirostat eta is inf");
  refused([](O &o) { o.adaptiveTarget = 1.5F; }, "adaptive target is 1.5");
  refused([](O &o) { o.adaptiveDecay = 1; }, "adaptive decay is 1");
  refused([](O &o) { o.logitBias = {{10, 1}}; }, "token 10, but");
  refused([](O &o) { o.logitBias = {{-1, 1}}; }, "token -1, but");
  refused([](O &o) { o.logitBias = {{0, INFINITY}}; }, "logit bias is inf");
  refused([](O &o) { o.logitBias = {{0, NAN}}; }, "logit bias is nan");
}

} // namespace
