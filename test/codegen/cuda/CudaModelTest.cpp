//===- CudaModelTest.cpp - whole models, token by token, emulated ---------===//
//
// test/Inputs/models/tiny holds models with float32 weights, their logits
// computed in float64 by published code, and their greedy tokens. The tests
// round the weights to float16, so that tensor cores multiply them. First they
// show that DenseModel computes the published logits with the weights as they
// are. Then they compare the kernels with DenseModel on the rounded weights,
// within the bound of the CPU's tests (test/e2e/check_tiny.py). DenseModel uses
// the keys and values that the kernels have rounded, because a value that lies
// almost halfway between two float16 numbers may be rounded either way.
//
//===----------------------------------------------------------------------===//
#include "test/codegen/cuda/EmulatedModel.h"

#include "nlohmann/json.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>

namespace air::codegen {
namespace {

constexpr double kBound = 1e-4;

struct Published {
  std::vector<uint32_t> tokens, prompt, greedy;
  std::vector<float> logits;
};

std::string pathOf(const std::string &model, const char *extension) {
  return std::string(AIR_TEST_INPUTS) + "/models/tiny/" + model + extension;
}

Published published(const std::string &model) {
  std::ifstream file(pathOf(model, ".json"));
  const nlohmann::json facts = nlohmann::json::parse(file, nullptr, false);
  Published result;
  result.tokens = facts["tokens"].get<std::vector<uint32_t>>();
  result.prompt = facts["prompt"].get<std::vector<uint32_t>>();
  result.greedy = facts["greedy"].get<std::vector<uint32_t>>();
  std::ifstream binary(pathOf(model, ".logits.f32"), std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(binary), {});
  result.logits.resize(bytes.size() / 4);
  std::memcpy(result.logits.data(), bytes.data(), bytes.size());
  return result;
}

/// The largest difference between two rows of logits, divided by the standard
/// deviation of the row `right`.
template <typename Left, typename Right>
double difference(const Left *left, const Right *right, size_t count) {
  double mean = 0;
  for (size_t i = 0; i < count; ++i) {
    mean += double{right[i]} / static_cast<double>(count);
  }
  double variance = 0;
  double worst = 0;
  for (size_t i = 0; i < count; ++i) {
    variance +=
        std::pow(double{right[i]} - mean, 2) / static_cast<double>(count);
    const double error = std::abs(double{left[i]} - double{right[i]});
    worst = std::max(worst, std::isnan(error) ? 1e9 : error);
  }
  return worst / std::sqrt(variance);
}

/// Returns a function that reads an element of the key or value at `position`
/// from the emulated cache and checks it against the exact value.
KvRounding cacheOf(const EmulatedModel &device, uint32_t sequence,
                   uint32_t position) {
  return [&device, sequence, position](uint32_t layer, bool isValue,
                                       uint32_t element, double exact) {
    const double cached =
        device.cached(layer, sequence, position, isValue, element);
    EXPECT_NEAR(cached, exact, 0x1p-11 * std::abs(exact) + 1e-4);
    return cached;
  };
}

class TinyModel : public ::testing::TestWithParam<const char *> {};

TEST_P(TinyModel, ItsLogitsAreThoseOfTheFormulas) {
  const std::string name = GetParam();
  const Published facts = published(name);
  const Result<DenseModel> exact = readDenseModel(pathOf(name, ".gguf"), false);
  ASSERT_TRUE(exact.isOk()) << exact.status().message();
  const uint64_t width = exact->vocabulary;
  ASSERT_EQ(facts.logits.size(), facts.tokens.size() * width);
  DenseSequence sequence(*exact);
  double worst = 0;
  for (size_t row = 0; row < facts.tokens.size(); ++row) {
    const Doubles theirs = sequence.step(facts.tokens[row]);
    worst =
        std::max(worst, difference(theirs.data(),
                                   facts.logits.data() + row * width, width));
  }
  EXPECT_LT(worst, kBound) << "DenseModel against the published logits";

  const Result<DenseModel> model = readDenseModel(pathOf(name, ".gguf"), true);
  ASSERT_TRUE(model.isOk()) << model.status().message();
  Result<EmulatedModel> device = EmulatedModel::create(*model, {});
  ASSERT_TRUE(device.isOk()) << device.status().message();
  DenseSequence rounded(*model);
  worst = 0;
  double fromPublished = 0;
  for (uint32_t i = 0; i < 12; ++i) {
    device->set({facts.tokens[i]}, {i});
    const Status status = device->step();
    ASSERT_TRUE(status.isOk()) << status.message();
    const std::vector<float> logits = device->logits();
    const Doubles expected =
        rounded.step(facts.tokens[i], cacheOf(*device, 0, i));
    worst = std::max(worst, difference(logits.data(), expected.data(), width));
    fromPublished = std::max(
        fromPublished,
        difference(logits.data(), facts.logits.data() + i * width, width));
    const auto best = std::ranges::max_element(logits);
    EXPECT_EQ(device->ids()[0], best - logits.begin());
  }
  EXPECT_LT(worst, kBound);
  // The logits differ from the published ones because the weights, keys and
  // values are rounded.
  EXPECT_LT(fromPublished, 2e-2);
}

INSTANTIATE_TEST_SUITE_P(Inputs, TinyModel,
                         ::testing::Values("llama3", "mistral", "qwen2",
                                           "qwen3", "heads-of-80",
                                           "heads-of-100", "heads-64-of-1"),
                         [](const auto &one) {
                           std::string name = one.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

class TinyPrompt : public ::testing::TestWithParam<const char *> {};

// The beginnings of two sequences are prefilled together. A second prefill
// continues both, and decode steps on the same cache follow.
TEST_P(TinyPrompt, PrefillsAndThenDecodes) {
  const Result<DenseModel> model =
      readDenseModel(pathOf(GetParam(), ".gguf"), true);
  ASSERT_TRUE(model.isOk()) << model.status().message();
  const BatchShape shape = {.sequences = 2,
                            .maxPrefill = 24,
                            .wgmma = std::string_view(GetParam()) == "qwen3"};
  Result<EmulatedModel> device = EmulatedModel::create(*model, shape);
  ASSERT_TRUE(device.isOk()) << device.status().message();
  const uint64_t width = model->vocabulary;
  const auto tokenAt = [&](uint32_t s, uint32_t i) {
    return static_cast<uint32_t>((i * 37 + s * 11 + i * i) % width);
  };
  std::vector<DenseSequence> expected(2, DenseSequence(*model));
  const uint32_t counts[2][2] = {{13, 9}, {2, 11}};
  uint32_t lengths[2] = {0, 0};
  double worst = 0;
  const auto compare = [&](const float *logits, const PrefillToken &token) {
    const Doubles theirs = expected[token.sequence].step(
        token.id, cacheOf(*device, token.sequence, token.position));
    worst = std::max(worst, difference(logits, theirs.data(), width));
  };
  for (const auto &count : counts) {
    std::vector<PrefillToken> tokens;
    for (const uint32_t s : {1U, 0U}) {
      for (uint32_t i = 0; i < count[s]; ++i) {
        tokens.push_back({tokenAt(s, lengths[s]), s, lengths[s]});
        ++lengths[s];
      }
    }
    const Result<std::vector<float>> logits = device->prefill(tokens);
    ASSERT_TRUE(logits.isOk()) << logits.status().message();
    ASSERT_EQ(logits->size(), tokens.size() * width);
    for (size_t m = 0; m < tokens.size(); ++m) {
      compare(logits->data() + m * width, tokens[m]);
    }
  }
  EXPECT_LT(worst, kBound) << "prefill";
  worst = 0;
  for (uint32_t step = 0; step < 3; ++step) {
    const std::vector<uint32_t> ids = {tokenAt(0, lengths[0]),
                                       tokenAt(1, lengths[1])};
    device->set(ids, {lengths[0], lengths[1]});
    const Status status = device->step();
    ASSERT_TRUE(status.isOk()) << status.message();
    const std::vector<float> logits = device->logits();
    for (const uint32_t s : {0U, 1U}) {
      compare(logits.data() + s * width, {ids[s], s, lengths[s]});
      ++lengths[s];
    }
  }
  EXPECT_LT(worst, kBound) << "decode";
}

INSTANTIATE_TEST_SUITE_P(Inputs, TinyPrompt,
                         ::testing::Values("qwen2", "qwen3", "heads-of-100",
                                           "heads-64-of-1"),
                         [](const auto &one) {
                           std::string name = one.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(CudaModel, FeedsItsOwnTokensAsThePublishedModelDoes) {
  const Published facts = published("qwen3");
  const Result<DenseModel> model =
      readDenseModel(pathOf("qwen3", ".gguf"), true);
  ASSERT_TRUE(model.isOk()) << model.status().message();
  Result<EmulatedModel> device = EmulatedModel::create(*model, {});
  ASSERT_TRUE(device.isOk()) << device.status().message();
  constexpr uint32_t kCount = 10;
  std::vector<uint32_t> ours;
  for (uint32_t i = 0; i < facts.prompt.size() + kCount - 1; ++i) {
    if (i < facts.prompt.size()) {
      device->set({facts.prompt[i]}, {i});
    }
    const Status status = device->step();
    ASSERT_TRUE(status.isOk()) << status.message();
    if (i + 1 >= facts.prompt.size()) {
      ours.push_back(device->ids()[0]);
    }
  }
  EXPECT_EQ(ours, std::vector<uint32_t>(facts.greedy.begin(),
                                        facts.greedy.begin() + kCount));
}

TEST(CudaModel, BatchesOfSequencesGiveTheLogitsOfEachAlone) {
  const Result<DenseModel> model =
      readDenseModel(pathOf("heads-of-100", ".gguf"), true);
  ASSERT_TRUE(model.isOk()) << model.status().message();
  const BatchShape shape = {.sequences = 2, .tokensPerSequence = 4};
  Result<EmulatedModel> device = EmulatedModel::create(*model, shape);
  ASSERT_TRUE(device.isOk()) << device.status().message();
  // Each step adds 4 tokens to each sequence. After 17 steps, a sequence has 68
  // tokens. Its KV cache then extends to a second page, since a page holds 64.
  constexpr uint32_t kSteps = 17;
  const auto tokenAt = [&](uint32_t s, uint32_t i) {
    return (i * 37 + s * 11 + i * i) % model->vocabulary;
  };
  std::vector<DenseSequence> expected(2, DenseSequence(*model));
  const uint64_t width = model->vocabulary;
  double worst = 0;
  for (uint32_t step = 0; step < kSteps; ++step) {
    std::vector<uint32_t> ids;
    std::vector<uint32_t> positions;
    for (uint32_t m = 0; m < 8; ++m) {
      positions.push_back(step * 4 + m % 4);
      ids.push_back(tokenAt(m / 4, positions.back()));
    }
    device->set(ids, positions);
    const Status status = device->step();
    ASSERT_TRUE(status.isOk()) << status.message();
    const std::vector<float> logits = device->logits();
    for (uint32_t m = 0; m < 8; ++m) {
      const Doubles theirs =
          expected[m / 4].step(ids[m], cacheOf(*device, m / 4, positions[m]));
      worst = std::max(
          worst, difference(logits.data() + m * width, theirs.data(), width));
    }
  }
  EXPECT_LT(worst, kBound);
}

} // namespace
} // namespace air::codegen
