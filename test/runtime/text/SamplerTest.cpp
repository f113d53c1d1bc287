//===- SamplerTest.cpp - the sampler against plain definitions --*- C++ -*-===//
#include "runtime/text/Sampler.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>

using namespace air;
using namespace air::rt;
using testing::HasSubstr;

namespace {

/// Options with which every stage is off, so that the sampler draws once from
/// softmax(logits).
SamplerOptions plain() {
  SamplerOptions options;
  options.temperature = 1;
  options.topK = 0;
  options.topP = 1;
  options.minP = 0;
  return options;
}

Sampler make(const SamplerOptions &options, size_t vocabSize) {
  Result<Sampler> sampler =
      Sampler::create(options, static_cast<int32_t>(vocabSize));
  EXPECT_TRUE(sampler.isOk()) << sampler.status().message();
  return *std::move(sampler);
}

int32_t pick(Sampler &sampler, const std::vector<float> &logits) {
  Result<int32_t> id = sampler.sample(logits);
  EXPECT_TRUE(id.isOk()) << id.status().message();
  return id.isOk() ? *id : -1;
}

/// The sampler as its documentation defines it, with full sorts and no
/// shortcuts. Maps each id that may be drawn to its probability.
std::map<int32_t, double> expected(const SamplerOptions &options,
                                   std::vector<float> logits) {
  struct Entry {
    double logit;
    int32_t id;
  };
  std::vector<Entry> entries;
  for (size_t i = 0; i < logits.size(); ++i) {
    entries.push_back({logits[i], static_cast<int32_t>(i)});
  }
  std::sort(entries.begin(), entries.end(), [](Entry a, Entry b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  if (options.topK > 0 && static_cast<size_t>(options.topK) < entries.size()) {
    entries.resize(static_cast<size_t>(options.topK));
  }
  auto softmax = [&](double temperature) {
    std::vector<double> p;
    double sum = 0;
    for (Entry e : entries) {
      p.push_back(std::exp((e.logit - entries[0].logit) / temperature));
      sum += p.back();
    }
    for (double &x : p) {
      x /= sum;
    }
    return p;
  };
  if (options.topP < 1) {
    std::vector<double> p = softmax(1);
    double sum = 0;
    size_t keep = 0;
    while (keep < p.size()) {
      sum += p[keep++];
      if (sum >= options.topP) {
        break;
      }
    }
    entries.resize(keep);
  }
  if (options.minP > 0) {
    std::vector<double> p = softmax(1);
    size_t keep = 0;
    while (keep < p.size() && p[keep] >= p[0] * options.minP) {
      ++keep;
    }
    entries.resize(keep);
  }
  std::vector<double> p = softmax(options.temperature);
  std::map<int32_t, double> result;
  for (size_t i = 0; i < p.size(); ++i) {
    result[entries[i].id] = p[i];
  }
  return result;
}

/// Draws many times, and compares the frequencies with expected() by a
/// chi-square test. If an id is drawn that expected() does not contain, the
/// test fails.
void checkDistribution(const SamplerOptions &options,
                       const std::vector<float> &logits) {
  constexpr int kDraws = 20000;
  Sampler sampler = make(options, logits.size());
  std::map<int32_t, int> counts;
  for (int i = 0; i < kDraws; ++i) {
    ++counts[pick(sampler, logits)];
  }
  std::map<int32_t, double> wanted = expected(options, logits);
  double chiSquare = 0;
  for (const auto &[id, probability] : wanted) {
    double difference = counts[id] - probability * kDraws;
    chiSquare += difference * difference / (probability * kDraws);
    counts.erase(id);
  }
  EXPECT_TRUE(counts.empty()) << "drew token " << counts.begin()->first;
  // A chi-square value for k ids has the mean k - 1 and the standard deviation
  // sqrt(2 (k - 1)). By chance alone, it practically never exceeds the mean by
  // five deviations.
  double freedom = static_cast<double>(wanted.size()) - 1;
  EXPECT_LE(chiSquare, freedom + 5 * std::sqrt(2 * freedom) + 1);
}

const std::vector<float> kLogits = {1.0F,  3.0F, 0.5F, 2.0F, 2.0F,
                                    -1.0F, 2.5F, 0.0F, 1.5F, -0.5F};

TEST(SplitMix64Test, PublishedNumbers) {
  // The expected numbers are the output of SplitMix64's reference program for
  // the seed 1234567.
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317U);
  EXPECT_EQ(random.next(), 3203168211198807973U);
  EXPECT_EQ(random.next(), 9817491932198370423U);
  EXPECT_EQ(random.next(), 4593380528125082431U);
  EXPECT_EQ(random.next(), 16408922859458223821U);
}

TEST(SamplerTest, PlainSoftmax) { checkDistribution(plain(), kLogits); }

TEST(SamplerTest, Temperature) {
  SamplerOptions options = plain();
  for (float temperature : {0.3F, 0.8F, 3.0F}) {
    options.temperature = temperature;
    checkDistribution(options, kLogits);
  }
}

TEST(SamplerTest, TopK) {
  SamplerOptions options = plain();
  for (int32_t k : {1, 3, 4, 10, 50}) {
    options.topK = k;
    checkDistribution(options, kLogits);
  }
}

TEST(SamplerTest, TopP) {
  SamplerOptions options = plain();
  for (float p : {0.0F, 0.3F, 0.55F, 0.9F, 0.99F}) {
    options.topP = p;
    checkDistribution(options, kLogits);
  }
}

TEST(SamplerTest, MinP) {
  SamplerOptions options = plain();
  for (float p : {0.05F, 0.3F, 1.0F}) {
    options.minP = p;
    checkDistribution(options, kLogits);
  }
}

TEST(SamplerTest, AllStagesTogether) {
  SamplerOptions options;
  options.temperature = 1.7F;
  options.topK = 7;
  options.topP = 0.85F;
  options.minP = 0.2F;
  checkDistribution(options, kLogits);
  // Top-p uses the probabilities as they are before the temperature is applied.
  // This temperature makes the distribution so flat that top-p would otherwise
  // keep more than one candidate.
  SamplerOptions hot = plain();
  hot.temperature = 100;
  hot.topP = 0.3F;
  EXPECT_EQ(expected(hot, kLogits).size(), 1U);
  checkDistribution(hot, kLogits);
}

TEST(SamplerTest, KeepsTheRightSetOfLargeVocabularies) {
  // Only the set of candidates is compared, not their probabilities. A high
  // temperature and many draws ensure that more than half of the candidates are
  // drawn.
  std::mt19937 random(3);
  std::vector<float> logits(1500);
  for (float &logit : logits) {
    logit = static_cast<float>(random() % 64) / 32; // many are equal
  }
  for (int32_t k : {0, 400}) {
    for (float p : {0.02F, 0.2F, 0.97F}) {
      SamplerOptions options = plain();
      options.temperature = 50;
      options.topK = k;
      options.topP = p;
      std::map<int32_t, double> wanted = expected(options, logits);
      Sampler sampler = make(options, logits.size());
      std::map<int32_t, int> seen;
      for (int i = 0; i < 3000; ++i) {
        int32_t id = pick(sampler, logits);
        ++seen[id];
        ASSERT_TRUE(wanted.count(id)) << "k " << k << " p " << p;
      }
      EXPECT_GT(seen.size(), wanted.size() / 2 + 1) << "k " << k << " p " << p;
    }
  }
}

TEST(SamplerTest, GreedyTakesTheLowestOfEquals) {
  SamplerOptions options = plain();
  for (float temperature : {0.0F, -1.0F}) {
    options.temperature = temperature;
    Sampler sampler = make(options, 5);
    EXPECT_EQ(pick(sampler, {1, 4, 2, 4, 4}), 1);
    EXPECT_EQ(pick(sampler, {-INFINITY, -5, -INFINITY, -5, -6}), 1);
    EXPECT_EQ(pick(sampler, {0, 0, 0, 0, 0}), 0);
  }
}

TEST(SamplerTest, TiesAtTheEdgeOfTopK) {
  SamplerOptions options = plain();
  options.topK = 2;
  Sampler sampler = make(options, 5);
  for (int i = 0; i < 200; ++i) {
    int32_t id = pick(sampler, {1, 2, 2, 2, 2});
    EXPECT_TRUE(id == 1 || id == 2);
  }
}

TEST(SamplerTest, MaskedTokensAreNeverDrawn) {
  Sampler sampler = make(plain(), 4);
  for (int i = 0; i < 200; ++i) {
    int32_t id = pick(sampler, {-INFINITY, 0, -INFINITY, 1});
    EXPECT_TRUE(id == 1 || id == 3);
  }
}

TEST(PenaltyTest, ArithmeticByHand) {
  // A greedy pick shows which logit is the largest after penalties.
  SamplerOptions options = plain();
  options.temperature = 0;
  options.repeatPenalty = 2;
  {
    Sampler sampler = make(options, 3);
    sampler.accept(0);
    // The repeat penalty makes the first logit 4 / 2 = 2.
    EXPECT_EQ(pick(sampler, {4.0F, 1.99F, 0}), 0);
    EXPECT_EQ(pick(sampler, {4.0F, 2.01F, 0}), 1);
    // The repeat penalty makes the first logit -1 * 2 = -2.
    EXPECT_EQ(pick(sampler, {-1.0F, -1.99F, -9}), 1);
    EXPECT_EQ(pick(sampler, {-1.0F, -2.01F, -9}), 0);
  }
  options = plain();
  options.temperature = 0;
  options.presencePenalty = 0.5F;
  options.frequencyPenalty = 0.25F;
  {
    Sampler sampler = make(options, 3);
    for (int i = 0; i < 3; ++i) {
      sampler.accept(2);
    }
    // Token 2 has occurred three times, so the penalties make its logit
    // 2 - (3 * 0.25 + 0.5) = 0.75.
    EXPECT_EQ(pick(sampler, {0.74F, 0, 2.0F}), 2);
    EXPECT_EQ(pick(sampler, {0.76F, 0, 2.0F}), 0);
    // Sampling again gives the same result: only accept() counts a token for
    // the penalties, not sample().
    EXPECT_EQ(pick(sampler, {0.74F, 0, 2.0F}), 2);
  }
  options.repeatPenalty = 4;
  {
    Sampler sampler = make(options, 3);
    sampler.accept(2);
    // The three penalties make the last logit 2 / 4 - (0.25 + 0.5) = -0.25.
    EXPECT_EQ(pick(sampler, {-0.26F, -1, 2.0F}), 2);
    EXPECT_EQ(pick(sampler, {-0.24F, -1, 2.0F}), 0);
  }
}

TEST(PenaltyTest, TheWindowForgets) {
  SamplerOptions options = plain();
  options.temperature = 0;
  options.presencePenalty = 10;
  options.repeatLastN = 2;
  Sampler sampler = make(options, 3);
  const std::vector<float> logits = {3, 2, 1};
  std::vector<int32_t> ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back(pick(sampler, logits));
    sampler.accept(ids.back());
  }
  EXPECT_THAT(ids, testing::ElementsAre(0, 1, 2, 0, 1, 2));
  sampler.reset();
  EXPECT_EQ(pick(sampler, logits), 0);
}

TEST(PenaltyTest, NoWindowNoPenalty) {
  SamplerOptions options = plain();
  options.temperature = 0;
  options.presencePenalty = 10;
  options.repeatLastN = 0;
  Sampler sampler = make(options, 2);
  sampler.accept(0);
  sampler.accept(-1);
  sampler.accept(2);
  EXPECT_EQ(pick(sampler, {1, 0}), 0);
}

TEST(SamplerTest, TheSeedDecides) {
  SamplerOptions options;
  options.seed = 42;
  auto run = [&] {
    Sampler sampler = make(options, kLogits.size());
    std::vector<int32_t> ids;
    for (int i = 0; i < 100; ++i) {
      ids.push_back(pick(sampler, kLogits));
      sampler.accept(ids.back());
    }
    return ids;
  };
  std::vector<int32_t> first = run();
  EXPECT_EQ(run(), first);
  options.seed = 43;
  EXPECT_NE(run(), first);
}

TEST(SamplerTest, ResetStartsAgain) {
  Sampler sampler = make(plain(), kLogits.size());
  std::vector<int32_t> first;
  for (int i = 0; i < 50; ++i) {
    first.push_back(pick(sampler, kLogits));
  }
  sampler.reset();
  for (int32_t id : first) {
    EXPECT_EQ(pick(sampler, kLogits), id);
  }
}

TEST(SamplerErrorTest, BadLogits) {
  for (float temperature : {0.0F, 1.0F}) {
    SamplerOptions options = plain();
    options.temperature = temperature;
    Sampler sampler = make(options, 3);
    auto error = [&](std::vector<float> logits) {
      Result<int32_t> id = sampler.sample(logits);
      EXPECT_FALSE(id.isOk());
      return id.status();
    };
    EXPECT_EQ(error({0, NAN, 0}).code(), ErrorCode::Internal);
    EXPECT_THAT(error({0, NAN, 0}).message(), HasSubstr("token 1 is NaN"));
    EXPECT_THAT(error({0, 0, INFINITY}).message(),
                HasSubstr("token 2 is infinite"));
    EXPECT_THAT(error({-INFINITY, -INFINITY, -INFINITY}).message(),
                HasSubstr("all 3 logits are -infinity"));
    EXPECT_EQ(error({0, 0}).code(), ErrorCode::Usage);
    EXPECT_THAT(error({0, 0}).message(),
                HasSubstr("2 logits were passed, but the vocabulary has 3"));
  }
}

TEST(SamplerErrorTest, OptionsOutOfRange) {
  auto refused = [](auto change, const char *name) {
    SamplerOptions options;
    change(options);
    Result<Sampler> sampler = Sampler::create(options, 10);
    ASSERT_FALSE(sampler.isOk()) << name;
    EXPECT_EQ(sampler.status().code(), ErrorCode::Usage);
    EXPECT_THAT(sampler.status().message(), HasSubstr(name));
  };
  using O = SamplerOptions;
  refused([](O &o) { o.temperature = NAN; }, "temperature");
  refused([](O &o) { o.temperature = INFINITY; }, "temperature");
  refused([](O &o) { o.topP = 1.1F; }, "top-p");
  refused([](O &o) { o.topP = NAN; }, "top-p");
  refused([](O &o) { o.minP = -0.1F; }, "min-p");
  refused([](O &o) { o.temperature = 1001; }, "must be -1000 to 1000");
  refused([](O &o) { o.repeatPenalty = 0; }, "repeat penalty");
  refused([](O &o) { o.repeatPenalty = 1e-38F; }, "must be 0.01 to 100");
  refused([](O &o) { o.repeatPenalty = 101; }, "repeat penalty");
  refused([](O &o) { o.presencePenalty = -1001; }, "presence penalty");
  refused([](O &o) { o.frequencyPenalty = 1e38F; }, "frequency penalty");
  refused([](O &o) { o.presencePenalty = NAN; }, "presence penalty");
  refused([](O &o) { o.frequencyPenalty = INFINITY; }, "frequency penalty");
  refused([](O &o) { o.repeatLastN = -1; }, "repeat window");
  EXPECT_FALSE(Sampler::create(SamplerOptions(), 0).isOk());
}

TEST(Sampler, NoPenaltyInRangeMakesALogitInfinite) {
  for (float repeat : {0.01F, 100.0F}) {
    for (float sign : {-1.0F, 1.0F}) {
      SamplerOptions options;
      options.temperature = 0;
      options.repeatPenalty = repeat;
      options.presencePenalty = sign * 1000;
      options.frequencyPenalty = sign * 1000;
      options.repeatLastN = 1 << 24;
      Result<Sampler> sampler = Sampler::create(options, 3);
      ASSERT_TRUE(sampler.isOk()) << sampler.status().message();
      for (int i = 0; i < 1 << 24; ++i) {
        sampler->accept(1);
      }
      // 2^100 is larger than the logits of any model. The penalties must not
      // make even such a logit infinite.
      const float large = 0x1p100F;
      EXPECT_TRUE(sampler->sample(std::vector<float>{0, large, 0}).isOk());
      EXPECT_TRUE(sampler->sample(std::vector<float>{0, -large, 0}).isOk());
    }
  }
}

} // namespace
