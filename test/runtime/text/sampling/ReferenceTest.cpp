//===- ReferenceTest.cpp - every sampler against the one in Python --------===//
//
// test/Inputs/sampling/make_cases.py computes the distributions, the tokens
// that are drawn, and the limits of the chi-square tests.
//
//===----------------------------------------------------------------------===//
#include "SamplingCases.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

std::map<int32_t, double> expectedOf(const nlohmann::json &row) {
  std::map<int32_t, double> expected;
  for (size_t i = 0; i < row.at("ids").size(); ++i) {
    expected[row.at("ids").at(i).get<int32_t>()] =
        row.at("p").at(i).get<double>();
  }
  return expected;
}

/// The samplers change logits in single precision, the reference in double.
void expectNear(const std::map<int32_t, double> &got,
                const std::map<int32_t, double> &wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (const auto &[id, probability] : wanted) {
    ASSERT_TRUE(got.contains(id)) << "token " << id << " is missing";
    EXPECT_NEAR(got.at(id), probability, 1e-9 + 2e-5 * probability)
        << "token " << id;
  }
}

TEST(SamplingReference, DistributionsAndTokens) {
  size_t checked = 0;
  for (const nlohmann::json &row : readCases("cases.json")) {
    SCOPED_TRACE(row.at("name").get<std::string>());
    const SamplerOptions options = optionsOf(row.at("options"));
    const nlohmann::json &steps = row.at("steps");
    std::vector<float> logits = logitsOf(steps.at(0).at("logits"));
    const auto vocabulary = static_cast<int32_t>(logits.size());
    Result<std::vector<StagePtr>> stages =
        makeStages(options, vocabulary, &letterTokenizer());
    ASSERT_TRUE(stages.isOk()) << stages.status().message();
    Result<Sampler> sampler =
        Sampler::create(options, vocabulary, &letterTokenizer());
    ASSERT_TRUE(sampler.isOk()) << sampler.status().message();
    auto accept = [&](int32_t id) {
      sampler->accept(id);
      for (const StagePtr &stage : *stages) {
        stage->accept(id);
      }
    };
    for (int32_t id : row.at("prompt")) {
      accept(id);
    }
    CandidateSet set(vocabulary);
    for (const nlohmann::json &step : steps) {
      if (step.contains("logits")) {
        logits = logitsOf(step.at("logits"));
      }
      ASSERT_TRUE(set.load(logits).isOk());
      for (const StagePtr &stage : *stages) {
        ASSERT_TRUE(stage->apply(set).isOk());
      }
      expectNear(probabilitiesOf(set, options), expectedOf(step));
      const auto token = step.at("token").get<int32_t>();
      EXPECT_EQ(set.candidates()[set.chosen()].id, token);
      Result<int32_t> sampled = sampler->sample(logits);
      ASSERT_TRUE(sampled.isOk()) << sampled.status().message();
      EXPECT_EQ(*sampled, token);
      accept(token);
      ++checked;
    }
  }
  EXPECT_GE(checked, 200U);
}

TEST(SamplingReference, LargeVocabularies) {
  size_t checked = 0;
  for (const nlohmann::json &row : readCases("large.json")) {
    SCOPED_TRACE(row.at("name").get<std::string>());
    const SamplerOptions options = optionsOf(row.at("options"));
    SplitMix64 random(row.at("logitSeed").get<uint64_t>());
    std::vector<float> logits(row.at("count").get<size_t>());
    for (float &logit : logits) {
      const double unit = random.nextUnit();
      logit = static_cast<float>(32 * (unit * unit * unit) - 16);
    }
    const auto got = distribution(options, logits);
    double squares = 0;
    for (const auto &[id, probability] : got) {
      squares += probability * probability;
    }
    EXPECT_EQ(got.size(), row.at("kept").get<size_t>());
    const auto wanted = row.at("squares").get<double>();
    EXPECT_NEAR(squares, wanted, 1e-10 * wanted);
    Result<Sampler> sampler =
        Sampler::create(options, static_cast<int32_t>(logits.size()));
    ASSERT_TRUE(sampler.isOk()) << sampler.status().message();
    EXPECT_EQ(*sampler->sample(logits), row.at("token").get<int32_t>());
    ++checked;
  }
  EXPECT_GE(checked, 14U);
}

class ListFilter : public TokenFilter {
public:
  explicit ListFilter(std::vector<int32_t> ids) : allowed(std::move(ids)) {}
  bool allows(int32_t id) override {
    return std::ranges::find(allowed, id) != allowed.end();
  }
  void mask(std::span<float> logits) override {
    for (size_t i = 0; i < logits.size(); ++i) {
      logits[i] = allows(static_cast<int32_t>(i)) ? logits[i] : -HUGE_VALF;
    }
  }
  Status accept(int32_t) override { return Status::ok(); }

private:
  std::vector<int32_t> allowed;
};

TEST(SamplingReference, AMillionDraws) {
  const nlohmann::json rows = readCases("draws.json");
  EXPECT_GE(rows.size(), 4U);
  for (const nlohmann::json &row : rows) {
    SCOPED_TRACE(row.at("name").get<std::string>());
    const std::vector<float> logits = logitsOf(row.at("logits"));
    Result<Sampler> sampler = Sampler::create(
        optionsOf(row.at("options")), static_cast<int32_t>(logits.size()));
    ASSERT_TRUE(sampler.isOk()) << sampler.status().message();
    std::optional<ListFilter> filter;
    if (row.contains("allowed")) {
      filter.emplace(row.at("allowed").get<std::vector<int32_t>>());
    }
    std::vector<double> counts(logits.size());
    const auto draws = row.at("draws").get<int>();
    for (int i = 0; i < draws; ++i) {
      Result<int32_t> id = sampler->sample(logits, filter ? &*filter : nullptr);
      ASSERT_TRUE(id.isOk()) << id.status().message();
      ++counts[static_cast<size_t>(*id)];
    }
    double chiSquare = 0;
    double seen = 0;
    for (const auto &[id, probability] : expectedOf(row)) {
      const double wanted = probability * draws;
      const double count = counts[static_cast<size_t>(id)];
      chiSquare += (count - wanted) * (count - wanted) / wanted;
      seen += count;
    }
    EXPECT_EQ(seen, draws) << "tokens were drawn that have no probability";
    EXPECT_LT(chiSquare, row.at("limit").get<double>());
  }
}

} // namespace
