//===- ExponentialsTest.cpp - against the C library's long double ---------===//
#include "runtime/text/sampling/Exponentials.h"
#include "runtime/text/sampling/DrawWeights.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace air::rt;

namespace {

TEST(Exponentials, AreAsExactAsTheirArgument) {
  std::mt19937 random(9);
  std::uniform_real_distribution<float> uniform(-30, 12);
  for (double scale : {1.0, 0.3, 7.0, 16.0}) {
    // Divided by 4, the number of elements in a vector, these counts leave the
    // remainders 0, 1, 2 and 3.
    for (size_t count : {1, 2, 3, 5, 1000, 1001}) {
      std::vector<Candidate> candidates(count);
      for (Candidate &candidate : candidates) {
        candidate = {uniform(random), 0};
      }
      std::vector<double> weights(count);
      computeExponentials(candidates, 12.0, scale, weights);
      for (size_t i = 0; i < count; ++i) {
        const double argument = (candidates[i].logit - 12.0) * scale;
        const long double exact = std::exp(static_cast<long double>(argument));
        EXPECT_NEAR(static_cast<double>(weights[i] / exact), 1, 1e-15)
            << argument;
      }
    }
  }
}

TEST(Exponentials, TheEndsOfTheRange) {
  const std::vector<Candidate> candidates = {
      {5, 0}, {-HUGE_VALF, 1}, {-695, 2}, {-696, 3}, {-3e38F, 4}};
  std::vector<double> weights(candidates.size());
  computeExponentials(candidates, 5, 1, weights);
  EXPECT_EQ(weights[0], 1);
  EXPECT_EQ(weights[1], 0);
  EXPECT_NEAR(weights[2] / std::exp(-700.0), 1, 1e-12);
  EXPECT_EQ(weights[3], 0);
  EXPECT_EQ(weights[4], 0);
}

// The weights of the draw are integers. computeDrawWeights() computes the same
// weights as drawWeight().
TEST(DrawWeights, AreRoundedProbabilities) {
  std::vector<Candidate> candidates;
  for (int32_t i = 0; i < 1001; ++i) {
    candidates.push_back({5 - 0.03F * static_cast<float>(i), i});
  }
  candidates.push_back({-HUGE_VALF, 1001});
  candidates.push_back({-3e38F, 1002});
  for (const double scale : {1.0, 0.25, 3.7, 1e30}) {
    std::vector<double> weights(candidates.size());
    computeDrawWeights(candidates, 5, scale, weights);
    EXPECT_EQ(weights[0], 0x1p32);
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double logit = candidates[i].logit;
      EXPECT_EQ(weights[i], drawWeight(candidates[i].logit, 5, scale));
      EXPECT_EQ(weights[i], std::round(weights[i]));
      EXPECT_NEAR(weights[i], 0x1p32 * std::exp((logit - 5) * scale), 0.51)
          << i << ' ' << scale;
    }
  }
}

TEST(Exponentials, SumsOfAnyLength) {
  std::vector<double> numbers;
  for (int count = 0; count < 30; ++count) {
    EXPECT_EQ(sumOf(numbers), count * (count + 1) / 2);
    numbers.push_back(count + 1);
  }
}

} // namespace
