//===- ChooseTokenTest.cpp - sampling on the emulated GPU -----------------===//
#include "codegen/cuda/ChooseToken.h"
#include "test/codegen/cuda/KernelRun.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace air::codegen::cuda {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr uint32_t kNone = UINT32_MAX;

using Words = std::vector<uint32_t>;

struct Compiled {
  CudaKernel kernel;
  emulator::Library library;
};

Result<Compiled> compile(const ChooseToken &spec) {
  AIR_ASSIGN_OR_RETURN(const std::string intrinsics,
                       emulator::hostIntrinsicsText());
  AIR_ASSIGN_OR_RETURN(
      CudaKernel kernel,
      generateChooseToken(spec, *cudaTarget("sm_90a"), intrinsics));
  AIR_ASSIGN_OR_RETURN(emulator::Library library,
                       emulator::Library::compile({kernel.text}));
  return Compiled{std::move(kernel), std::move(library)};
}

std::vector<float> randomLogits(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(count);
  for (float &logit : logits) {
    logit = normal(random);
  }
  return logits;
}

// The batch has 7 tokens and one token of padding, whose id and positions must
// not change.
TEST(ChooseToken, GreedyChoosesTheLargestLogitWithTheLowestId) {
  ChooseToken spec;
  spec.vocabulary = 501;
  spec.tokens = 8;
  spec.blocks = 3;
  spec.warps = 2;
  spec.advance = true;
  spec.dependentLaunch = true;
  const Result<Compiled> compiled = compile(spec);
  ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
  std::vector<float> logits = randomLogits(1, 8 * 501);
  logits[500] = 100;
  logits[501 + 311] = logits[501 + 312] = logits[501 + 17] = 99;
  std::fill_n(logits.begin() + 2 * 501, 501, -5.0F);
  logits[2 * 501 + 300] = -4;
  logits[3 * 501 + 200] = -std::nanf("");
  logits[4 * 501 + 200] = kInfinity;
  logits[5 * 501 + 7] = -kInfinity;
  // Zeros are equal, whatever their sign.
  std::fill_n(logits.begin() + 6 * 501, 501, -1.0F);
  logits[6 * 501 + 90] = -0.0F;
  logits[6 * 501 + 91] = 0.0F;
  emulator::Buffers buffers = {
      {"logits", emulator::bytesOf(logits)},
      {"token_ids", emulator::bytesOf(Words(8, 77))},
      {"token_count", emulator::bytesOf(Words{7})},
      {"positions", emulator::bytesOf(Words{5, 6, 7, 8, 9, 10, 11, 12})},
      {"rope_positions", emulator::bytesOf(Words{1, 2, 3, 4, 5, 6, 7, 8})},
  };
  const Status status = emulator::launchBothWays(
      compiled->library, compiled->kernel, buffers, "logits");
  ASSERT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("token_ids")),
            (Words{500, 17, 300, kNone, kNone, kNone, 90, 77}));
  EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("positions")),
            (Words{6, 7, 8, 9, 10, 11, 12, 12}));
  EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("rope_positions")),
            (Words{2, 3, 4, 5, 6, 7, 8, 8}));
}

/// The generator as its authors published it: a state that grows by a constant,
/// and a mixing function of the state.
uint64_t splitMix64(uint64_t &state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// The token that a draw must choose, or kNone if the random number is so close
/// to the border of two tokens' intervals that either may be chosen.
uint32_t expectedToken(const std::vector<float> &logits,
                       const SamplingSettings &settings) {
  std::vector<uint32_t> order(logits.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  });
  if (settings.temperature <= 0) {
    return order[0];
  }
  if (settings.topK != 0 && settings.topK < order.size()) {
    order.resize(settings.topK);
  }
  const auto weight = [&](uint32_t id, double temperature) {
    return std::exp((double{logits[id]} - double{logits[order[0]]}) /
                    temperature);
  };
  if (settings.topP < 1) {
    double all = 0;
    for (const uint32_t id : order) {
      all += weight(id, 1);
    }
    double sum = 0;
    size_t kept = 0;
    while (kept < order.size() && sum < double{settings.topP} * all) {
      sum += weight(order[kept++], 1);
    }
    order.resize(kept);
  }
  std::ranges::sort(order.begin(), order.end());
  double all = 0;
  for (const uint32_t id : order) {
    all += std::exp(double{logits[id]} / double{settings.temperature});
  }
  uint64_t state = settings.seed;
  uint64_t bits = 0;
  for (uint32_t i = 0; i <= settings.draws; ++i) {
    bits = splitMix64(state);
  }
  const double place = static_cast<double>(bits) * 0x1p-64;
  double sum = 0;
  for (const uint32_t id : order) {
    const double next =
        sum + std::exp(double{logits[id]} / double{settings.temperature}) / all;
    if (place < next) {
      return place - sum < 1e-5 || next - place < 1e-5 ? kNone : id;
    }
    sum = next;
  }
  return kNone;
}

TEST(ChooseToken, RandomDrawsFromTheTokensThatAreKept) {
  ChooseToken spec;
  spec.choice = Choice::Random;
  spec.vocabulary = 301;
  spec.tokens = 8;
  spec.warps = 3;
  spec.advance = true;
  const Result<Compiled> compiled = compile(spec);
  ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
  uint32_t compared = 0;
  for (uint32_t round = 0; round < 6; ++round) {
    std::vector<float> logits = randomLogits(20 + round, 8 * 301);
    // Rounding makes many logits equal, so that the cut-offs of top-k and top-p
    // fall between equal logits.
    for (uint32_t i = 0; i < 4 * 301; ++i) {
      logits[i] = std::round(logits[i]);
    }
    std::vector<SamplingSettings> settings(8);
    for (uint32_t m = 0; m < 8; ++m) {
      settings[m] = {.temperature = m == 0 ? 0 : 0.5F + 0.25F * m,
                     .topP = m % 3 == 1 ? 1 : 0.3F + 0.1F * m,
                     .topK = m % 2 == 0 ? 0 : 5 + 20 * m,
                     .draws = round * 3,
                     .seed = 0x1234567800000000U + m};
    }
    emulator::Buffers buffers = {
        {"logits", emulator::bytesOf(logits)},
        {"token_ids", emulator::unwrittenFloats(8)},
        {"sampling", emulator::bytesOf(settings)},
        {"token_count", emulator::bytesOf(Words{8})},
        {"positions", emulator::bytesOf(std::vector<uint32_t>(8, 3))},
        {"rope_positions", emulator::bytesOf(std::vector<uint32_t>(8, 3))},
    };
    const Status status =
        emulator::launchBothWays(compiled->library, compiled->kernel, buffers);
    ASSERT_TRUE(status.isOk()) << status.message();
    const auto ids = emulator::valuesOf<uint32_t>(buffers.at("token_ids"));
    const auto after =
        emulator::valuesOf<SamplingSettings>(buffers.at("sampling"));
    EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("positions")),
              std::vector<uint32_t>(8, 4));
    for (uint32_t m = 0; m < 8; ++m) {
      const std::vector<float> row(logits.begin() + m * 301,
                                   logits.begin() + (m + 1) * 301);
      const uint32_t expected = expectedToken(row, settings[m]);
      EXPECT_EQ(after[m].draws, settings[m].draws + (m == 0 ? 0 : 1));
      if (expected != kNone) {
        EXPECT_EQ(ids[m], expected) << "round " << round << ", token " << m;
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 40U);
}

TEST(ChooseToken, RandomChoosesNothingFromInvalidLogits) {
  ChooseToken spec;
  spec.choice = Choice::Random;
  spec.vocabulary = 40;
  spec.tokens = 2;
  spec.warps = 1;
  const Result<Compiled> compiled = compile(spec);
  ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
  std::vector<float> logits = randomLogits(3, 80);
  logits[39] = std::nanf("");
  std::fill_n(logits.begin() + 40, 40, -kInfinity);
  emulator::Buffers buffers = {
      {"logits", emulator::bytesOf(logits)},
      {"token_ids", emulator::bytesOf(std::vector<uint32_t>{1, 1})},
      {"sampling", emulator::bytesOf(std::vector<SamplingSettings>(2))},
  };
  const Status status =
      emulator::launchBothWays(compiled->library, compiled->kernel, buffers);
  ASSERT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("token_ids")),
            (std::vector<uint32_t>{kNone, kNone}));
}

TEST(ChooseToken, RefusesWhatCannotBe) {
  const CudaTarget target = *cudaTarget("sm_80");
  const auto codeOf = [&](const ChooseToken &spec) {
    return generateChooseToken(spec, target, "").status().code();
  };
  ChooseToken good;
  good.vocabulary = 100;
  ASSERT_TRUE(generateChooseToken(good, target, "").isOk());
  ChooseToken spec = good;
  spec.vocabulary = 0;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.choice = Choice::Random;
  spec.blocks = 2;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.warps = 33;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.dependentLaunch = true;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
}

} // namespace
} // namespace air::codegen::cuda
