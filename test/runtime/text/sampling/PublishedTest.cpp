//===- PublishedTest.cpp - the numbers of llama.cpp's own test ------------===//
//
// The probabilities before and after each sampler are from the file
// tests/test-sampling.cpp of llama.cpp (October 2026), which rounds them to six
// digits. Results that do not add up to 1 there are corrected here.
//
//===----------------------------------------------------------------------===//
#include "SamplingCases.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

/// Maps each id to its probability. Ids whose probability is 0 are left out.
using Probabilities = std::map<int32_t, double>;

void check(const SamplerOptions &options, const std::vector<float> &before,
           const Probabilities &after,
           const std::vector<int32_t> &history = {}) {
  std::vector<float> logits;
  for (float probability : before) {
    logits.push_back(std::log(probability));
  }
  const Probabilities got = distribution(options, logits, history);
  for (size_t i = 0; i < before.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const double wanted = after.contains(id) ? after.at(id) : 0;
    EXPECT_NEAR(got.contains(id) ? got.at(id) : 0, wanted, 1e-5)
        << "token " << id;
  }
}

const std::vector<float> kRising = {0.1F, 0.2F, 0.3F, 0.4F};
const Probabilities kAllRising = {{0, 0.1}, {1, 0.2}, {2, 0.3}, {3, 0.4}};
const Probabilities kThree = {{1, 2 / 9.0}, {2, 3 / 9.0}, {3, 4 / 9.0}};
const Probabilities kTwo = {{2, 3 / 7.0}, {3, 4 / 7.0}};
const Probabilities kOne = {{3, 1}};

template <typename Field>
SamplerOptions with(Field SamplerOptions::*field, Field value) {
  SamplerOptions options = plainSampling();
  options.*field = value;
  return options;
}

TEST(PublishedSampling, Temperature) {
  check(with(&SamplerOptions::temperature, 1.0F), kRising, kAllRising);
  check(with(&SamplerOptions::temperature, 0.0F), kRising, kOne);
}

TEST(PublishedSampling, TopK) {
  check(with(&SamplerOptions::topK, 1), kRising, kOne);
  check(with(&SamplerOptions::topK, 3), kRising, kThree);
  check(with(&SamplerOptions::topK, 4), kRising, kAllRising);
  check(with(&SamplerOptions::topK, 0), kRising, kAllRising);
}

TEST(PublishedSampling, TopP) {
  check(with(&SamplerOptions::topP, 0.0F), kRising, kOne);
  check(with(&SamplerOptions::topP, 0.7F), kRising, kTwo);
  check(with(&SamplerOptions::topP, 0.8F), kRising, kThree);
  check(with(&SamplerOptions::topP, 1.0F), kRising, kAllRising);
}

TEST(PublishedSampling, MinP) {
  const std::vector<std::pair<float, Probabilities>> cases = {
      {0.00F, kAllRising}, {0.24F, kAllRising}, {0.26F, kThree},
      {0.49F, kThree},     {0.51F, kTwo},       {0.74F, kTwo},
      {0.76F, kOne},       {1.00F, kOne}};
  for (const auto &[ratio, after] : cases) {
    check(with(&SamplerOptions::minP, ratio), kRising, after);
  }
}

TEST(PublishedSampling, Xtc) {
  const std::vector<float> falling = {0.4F, 0.3F, 0.2F, 0.1F};
  SamplerOptions options = plainSampling();
  options.xtcProbability = 1;
  options.xtcThreshold = 0.09F;
  check(options, falling, {{3, 1}});
  options.xtcThreshold = 0.19F;
  check(options, falling, {{2, 2 / 3.0}, {3, 1 / 3.0}});
  options.xtcThreshold = 0.29F;
  check(options, falling, {{1, 3 / 6.0}, {2, 2 / 6.0}, {3, 1 / 6.0}});
  options.xtcThreshold = 0.39F;
  check(options, falling, {{0, 0.4}, {1, 0.3}, {2, 0.2}, {3, 0.1}});
}

TEST(PublishedSampling, Typical) {
  const SamplerOptions options = with(&SamplerOptions::typicalP, 0.5F);
  check(options, {0.97F, 0.01F, 0.01F, 0.01F}, {{0, 1}});
  check(options, {0.4F, 0.2F, 0.2F, 0.2F},
        {{1, 1 / 3.0}, {2, 1 / 3.0}, {3, 1 / 3.0}});
}

TEST(PublishedSampling, Penalties) {
  const std::vector<float> equal(5, 0.2F);
  const SamplerOptions repeat = with(&SamplerOptions::repeatPenalty, 50.0F);
  check(repeat, equal, {{1, 0.25}, {2, 0.25}, {3, 0.25}, {4, 0.25}}, {0});
  check(repeat, equal, {{3, 0.5}, {4, 0.5}}, {0, 1, 2});
  check(repeat, equal, {{3, 0.5}, {4, 0.5}}, {0, 1, 2, 0, 0});
  SamplerOptions both = plainSampling();
  both.frequencyPenalty = 5;
  both.presencePenalty = 5;
  check(both, equal,
        {{0, 0.000011},
         {1, 0.249997},
         {2, 0.249997},
         {3, 0.249997},
         {4, 0.249997}},
        {0});
  check(both, equal,
        {{0, 0.000023},
         {1, 0.000023},
         {2, 0.000023},
         {3, 0.499966},
         {4, 0.499966}},
        {0, 1, 2});
  check(both, equal,
        {{1, 0.000023}, {2, 0.000023}, {3, 0.499977}, {4, 0.499977}},
        {0, 1, 2, 0, 0});
}

TEST(PublishedSampling, Dry) {
  SamplerOptions options = plainSampling();
  options.dryMultiplier = 1;
  options.dryBase = 1.1F;
  options.dryLastN = 4;
  const std::vector<float> four(4, 0.25F);
  const std::vector<float> five(5, 0.2F);
  const Probabilities equal = {
      {0, 0.2}, {1, 0.2}, {2, 0.2}, {3, 0.2}, {4, 0.2}};
  check(options, four, {{0, 0.25}, {1, 0.25}, {2, 0.25}, {3, 0.25}}, {0, 1});
  options.dryLastN = 5;
  check(options, four,
        {{0, 0.296923}, {1, 0.296923}, {2, 0.109232}, {3, 0.296923}},
        {0, 1, 2, 0, 1});
  options.dryLastN = 6;
  options.dryBreakers = {"$"}; // the text of token 3
  check(options, five, equal, {0, 1, 3, 4, 0, 1});
  options.dryBreakers = {};
  options.dryLastN = 5;
  options.dryMultiplier = 2;
  check(options, five,
        {{0, 0.241818},
         {1, 0.241818},
         {2, 0.032727},
         {3, 0.241818},
         {4, 0.241818}},
        {0, 1, 2, 0, 1});
  options.dryMultiplier = 1;
  options.dryAllowedLength = 4;
  options.dryLastN = 7;
  check(options, five, equal, {0, 1, 2, 3, 4, 0, 1});
}

TEST(PublishedSampling, TopNSigma) {
  check(with(&SamplerOptions::topNSigma, 1.0F), kRising, kTwo);
  check(with(&SamplerOptions::topNSigma, 0.0F), kRising, kAllRising);
  check(with(&SamplerOptions::topNSigma, 3.0F), kRising, kAllRising);
}

/// Token i has the logit log(i), and so a probability in proportion to i. The
/// samplers keep a range of tokens that ends with the last one.
TEST(PublishedSampling, QueuesOfThree) {
  std::vector<float> logits;
  for (int i = 0; i < 10000; ++i) {
    logits.push_back(std::log(static_cast<float>(i)));
  }
  auto kept = [&](const char *letters, int32_t k, float p, float ratio) {
    SamplerOptions options = plainSampling();
    options.samplers = *parseSamplerLetters(letters);
    options.topK = k;
    options.topP = p;
    options.minP = ratio;
    const Probabilities got = distribution(options, logits);
    EXPECT_EQ(got.rbegin()->first, 9999);
    EXPECT_EQ(got.rbegin()->first - got.begin()->first + 1,
              static_cast<int32_t>(got.size()));
    return got.size();
  };
  EXPECT_EQ(kept("k", 1, 1, 0), 1U);
  EXPECT_EQ(kept("k", 100, 1, 0), 100U);
  EXPECT_EQ(kept("p", 0, 0, 0), 1U);
  // The probability of token 9999 is 9999 / 49995000. This is below 0.0003, so
  // a second token is kept.
  EXPECT_EQ(kept("p", 0, 0.0003F, 0), 2U);
  EXPECT_EQ(kept("m", 0, 1, 1), 1U);
  EXPECT_EQ(kept("m", 0, 1, 0.1F), 9000U);
  EXPECT_EQ(kept("m", 0, 1, 9997.9F / 9999.0F), 2U);
  for (const char *letters : {"kp", "kpm", "kmp", "mkp"}) {
    // The 100 best tokens are about equally likely, so top-p 0.8 keeps 80.
    EXPECT_EQ(kept(letters, 100, 0.8F, 0.1F), 80U) << letters;
  }
  for (const char *letters : {"km", "pk", "mk", "pkm", "pmk", "mpk"}) {
    EXPECT_EQ(kept(letters, 100, 0.8F, 0.1F), 100U) << letters;
  }
}

} // namespace
