//===- RopeFrequenciesTest.cpp - frequencies against transformers ---------===//
#include "compiler/emit/RopeFrequencies.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>

namespace air::compiler {
namespace {

// Compares with values that test/Inputs/rope/make_frequencies.py computed with
// Hugging Face transformers.
TEST(RopeFrequencies, AreThoseOfTransformers) {
  std::ifstream file(AIR_TEST_INPUTS "/rope/frequencies.txt");
  std::string line;
  int cases = 0;
  while (std::getline(file, line)) {
    std::istringstream numbers(line);
    std::string kind;
    RopeShape shape;
    YarnShape yarn;
    double factor = 0;
    double ignored = 0;
    numbers >> kind >> shape.dim >> shape.base >> factor >>
        yarn.originalContext >> yarn.betaFast >> yarn.betaSlow;
    // The next three numbers of the line (attention_factor, mscale_all_dim and
    // the magnitude) do not affect the frequencies.
    for (int i = 0; i < 3; ++i) {
      numbers >> ignored;
    }
    if (kind == "yarn") {
      yarn.factor = factor;
      shape.yarn = yarn;
    } else {
      shape.linearFactor = factor;
    }
    const std::vector<double> frequencies = ropeFrequencies(shape);
    ASSERT_EQ(frequencies.size(), shape.dim / 2);
    for (double frequency : frequencies) {
      double expected = 0;
      numbers >> expected;
      ASSERT_TRUE(numbers) << line;
      EXPECT_NEAR(frequency / expected, 1, 1e-13) << line;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 9);
}

// According to YaRN (Peng et al., 2023), pairs that rotate fast keep their
// frequency, and slow pairs are interpolated, which divides their frequency by
// the factor.
TEST(RopeFrequencies, YarnKeepsFastPairsAndSlowsOthers) {
  RopeShape shape;
  shape.dim = 128;
  shape.base = 10000;
  const std::vector<double> plain = ropeFrequencies(shape);
  shape.yarn = YarnShape{.factor = 16, .originalContext = 4096};
  const std::vector<double> stretched = ropeFrequencies(shape);
  for (size_t i = 0; i < plain.size(); ++i) {
    const double turns = 4096 * plain[i] / (2 * std::numbers::pi);
    EXPECT_LE(stretched[i], plain[i]);
    EXPECT_GE(stretched[i], plain[i] / 16);
    // Over the original context, fast pairs make more than 32 turns, and slow
    // ones less than 1. YaRN rounds these bounds outwards to whole pairs, so
    // pairs near them are not checked. The turns of neighbouring pairs differ
    // by a factor of less than 1.2.
    if (turns > 32 * 1.2) {
      EXPECT_DOUBLE_EQ(stretched[i], plain[i]);
    }
    if (turns < 1 / 1.2) {
      EXPECT_DOUBLE_EQ(stretched[i], plain[i] / 16);
    }
  }
}

// `mix` corresponds to llama.cpp's yarn_ext_factor. With a mix of 0, every pair
// is interpolated.
TEST(RopeFrequencies, WithoutTheMixEveryPairIsSlowed) {
  RopeShape shape;
  shape.dim = 64;
  shape.base = 10000;
  shape.linearFactor = 4;
  const std::vector<double> linear = ropeFrequencies(shape);
  shape.linearFactor = 1;
  shape.yarn = YarnShape{.factor = 4, .originalContext = 2048, .mix = 0};
  const std::vector<double> stretched = ropeFrequencies(shape);
  for (size_t i = 0; i < linear.size(); ++i) {
    EXPECT_DOUBLE_EQ(stretched[i], linear[i]);
  }
}

} // namespace
} // namespace air::compiler
