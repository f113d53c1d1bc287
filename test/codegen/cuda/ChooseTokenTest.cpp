//===- ChooseTokenTest.cpp - sampling on the emulated GPU -----------------===//
#include "codegen/cuda/ChooseToken.h"
#include "formats/abi/TokenDraw.h"
#include "runtime/text/Sampler.h"
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
  // The largest logits are -0 and +0. They are equal, so the lower id, 90, is
  // chosen.
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

/// The contents of BatchArray::TokenCount: the number of tokens and, from byte
/// kTokenDrawOffset on, a TokenDraw for each token.
std::vector<uint8_t> countWith(const std::vector<TokenDraw> &draws) {
  std::vector<uint8_t> bytes(kTokenDrawOffset);
  bytes[0] = static_cast<uint8_t>(draws.size());
  const std::vector<uint8_t> records = emulator::bytesOf(draws);
  bytes.insert(bytes.end(), records.begin(), records.end());
  return bytes;
}

std::vector<TokenDraw> drawsOf(const std::vector<uint8_t> &count) {
  return emulator::valuesOf<TokenDraw>(
      {count.begin() + kTokenDrawOffset, count.end()});
}

/// The generator as its authors published it: a state that grows by a constant,
/// and a mixing function of the state.
uint64_t splitMix64(uint64_t &state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// The token that a draw must choose by the formulas of docs/sampling.md, which
/// give each token an interval of random numbers. Returns kNone if the random
/// number is so close to an end of an interval that a rounding error could
/// change the choice.
uint32_t expectedToken(const std::vector<float> &logits,
                       const TokenDraw &draw) {
  std::vector<uint32_t> order(logits.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  });
  if (draw.isBest != 0) {
    return order[0];
  }
  const double best = logits[order[0]];
  order.resize(draw.topK);
  if (draw.topP < 1) {
    double all = 0;
    for (const uint32_t id : order) {
      all += std::exp(logits[id] - best);
    }
    double sum = 0;
    size_t kept = 0;
    while (kept < order.size() && sum < draw.topP * all) {
      sum += std::exp(logits[order[kept++]] - best);
    }
    order.resize(kept);
  }
  std::erase_if(order, [&](uint32_t id) {
    return logits[id] - best < draw.minPDistance;
  });
  double all = 0;
  for (const uint32_t id : order) {
    all += std::exp((logits[id] - best) * draw.scale);
  }
  uint64_t state = draw.seed;
  uint64_t bits = 0;
  for (uint32_t i = 0; i <= draw.draws; ++i) {
    bits = splitMix64(state);
  }
  const double place = static_cast<double>(bits >> 11) * 0x1p-53;
  double sum = 0;
  for (const uint32_t id : order) {
    const double next = sum + std::exp((logits[id] - best) * draw.scale) / all;
    if (place < next) {
      return place - sum < 1e-6 || next - place < 1e-6 ? kNone : id;
    }
    sum = next;
  }
  return kNone;
}

/// Draws tokens with the kernel, from `vocabulary` logits each, and compares
/// them with those of the host's sampler, and with the formulas.
void checkDraws(uint32_t vocabulary, uint32_t rounds,
                const std::vector<int32_t> &topK) {
  ChooseToken spec;
  spec.choice = Choice::Draw;
  spec.vocabulary = vocabulary;
  spec.tokens = 8;
  spec.blocks = 2;
  spec.warps = 3;
  spec.advance = true;
  const Result<Compiled> compiled = compile(spec);
  ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
  uint32_t compared = 0;
  for (uint32_t round = 0; round < rounds; ++round) {
    std::vector<float> logits = randomLogits(20 + round, 8 * vocabulary);
    // Rounding makes many logits equal, so that the cut-offs of top-k and top-p
    // fall between equal logits.
    for (uint32_t i = 0; i < 4 * vocabulary; ++i) {
      logits[i] = std::round(logits[i]);
    }
    std::vector<TokenDraw> draws(8);
    Words expected(8);
    for (uint32_t m = 0; m < 8; ++m) {
      const uint32_t turn = round * 8 + m;
      constexpr float kTopP[] = {1, 0.9F, 0.3F, 0.01F, 1, 0.95F, 0};
      constexpr float kMinP[] = {0, 0.05F, 0.5F};
      constexpr float kTemperatures[] = {0.8F, 1, 0.05F, 2, 1e-30F};
      rt::SamplerOptions options;
      options.topK = topK[turn % topK.size()];
      options.topP = kTopP[turn % 7];
      options.minP = kMinP[turn % 3];
      options.temperature = turn % 11 == 0 ? 0 : kTemperatures[turn % 5];
      options.seed = 0x1234567800000000U * turn + m;
      const std::optional<TokenDraw> draw =
          rt::drawOnGpu(options, static_cast<int32_t>(vocabulary));
      ASSERT_TRUE(draw);
      draws[m] = *draw;
      draws[m].draws = round * 3;
      Result<rt::Sampler> sampler =
          rt::Sampler::create(options, static_cast<int32_t>(vocabulary));
      ASSERT_TRUE(sampler.isOk()) << sampler.status().message();
      for (uint32_t i = 0; i < draws[m].draws; ++i) {
        sampler->skipDraw();
      }
      const Result<int32_t> token = sampler->sample(
          std::span(logits).subspan(m * vocabulary, vocabulary));
      ASSERT_TRUE(token.isOk()) << token.status().message();
      expected[m] = static_cast<uint32_t>(*token);
    }
    emulator::Buffers buffers = {
        {"logits", emulator::bytesOf(logits)},
        {"token_ids", emulator::unwrittenFloats(8)},
        {"token_count", countWith(draws)},
        {"positions", emulator::bytesOf(Words(8, 3))},
        {"rope_positions", emulator::bytesOf(Words(8, 3))},
    };
    const Status status =
        emulator::launchBothWays(compiled->library, compiled->kernel, buffers);
    ASSERT_TRUE(status.isOk()) << status.message();
    const auto ids = emulator::valuesOf<uint32_t>(buffers.at("token_ids"));
    EXPECT_EQ(ids, expected) << round;
    EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("positions")),
              Words(8, 4));
    const std::vector<TokenDraw> after = drawsOf(buffers.at("token_count"));
    for (uint32_t m = 0; m < 8; ++m) {
      const std::vector<float> row(logits.begin() + m * vocabulary,
                                   logits.begin() + (m + 1) * vocabulary);
      const uint32_t byFormula = expectedToken(row, draws[m]);
      if (byFormula != kNone) {
        EXPECT_EQ(ids[m], byFormula) << "round " << round << ", token " << m;
        ++compared;
      }
      draws[m].draws += draws[m].isBest == 0 ? 1 : 0;
      EXPECT_EQ(after[m], draws[m]);
    }
  }
  EXPECT_GE(compared, rounds * 7);
}

TEST(ChooseToken, DrawsTheTokensOfTheHost) {
  checkDraws(301, 20, {1, 5, 25, 40, 200, 300});
}

TEST(ChooseToken, DrawsTheTokensOfTheHostFromLargeVocabularies) {
  checkDraws(5003, 3, {40, 1024, 1000, 300});
}

// The runtime refuses such records. If the kernel gets them nevertheless, it
// must choose no token and must not access memory out of bounds.
TEST(ChooseToken, NothingIsDrawnByInvalidRecords) {
  ChooseToken spec;
  spec.choice = Choice::Draw;
  spec.vocabulary = 40;
  spec.tokens = 5;
  spec.warps = 2;
  spec.advance = true;
  const Result<Compiled> compiled = compile(spec);
  ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
  std::vector<TokenDraw> draws(5);
  for (TokenDraw &draw : draws) {
    draw.isBest = 0;
    draw.topK = 7;
  }
  draws[0].topK = 0;
  draws[1].topK = 1025;
  draws[2].minPDistance = 0.5;
  draws[3].minPDistance = std::nan("");
  draws[4].topK = 1;
  emulator::Buffers buffers = {
      {"logits", emulator::bytesOf(std::vector<float>(5 * 40, 2.0F))},
      {"token_ids", emulator::bytesOf(Words(5, 1))},
      {"token_count", countWith(draws)},
      {"positions", emulator::bytesOf(Words(5, 3))},
      {"rope_positions", emulator::bytesOf(Words(5, 3))},
  };
  const Status status =
      emulator::launchBothWays(compiled->library, compiled->kernel, buffers);
  ASSERT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("token_ids")),
            (Words{kNone, kNone, kNone, kNone, 0}));
  draws[4].draws = 1;
  EXPECT_EQ(buffers.at("token_count"), countWith(draws));
}

TEST(ChooseToken, NothingIsDrawnFromInvalidLogits) {
  ChooseToken spec;
  spec.choice = Choice::Draw;
  spec.vocabulary = 40;
  spec.tokens = 2;
  spec.warps = 1;
  spec.advance = true;
  const Result<Compiled> compiled = compile(spec);
  ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
  std::vector<float> logits = randomLogits(3, 80);
  logits[39] = std::nanf("");
  std::fill_n(logits.begin() + 40, 40, -kInfinity);
  TokenDraw draw;
  draw.isBest = 0;
  emulator::Buffers buffers = {
      {"logits", emulator::bytesOf(logits)},
      {"token_ids", emulator::bytesOf(std::vector<uint32_t>{1, 1})},
      {"token_count", countWith({draw, draw})},
      {"positions", emulator::bytesOf(Words(2, 3))},
      {"rope_positions", emulator::bytesOf(Words(2, 3))},
  };
  const Status status =
      emulator::launchBothWays(compiled->library, compiled->kernel, buffers);
  ASSERT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(emulator::valuesOf<uint32_t>(buffers.at("token_ids")),
            (std::vector<uint32_t>{kNone, kNone}));
  EXPECT_EQ(drawsOf(buffers.at("token_count")),
            (std::vector<TokenDraw>{draw, draw}));
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
  // Choice::Draw requires that spec.advance is true.
  spec.choice = Choice::Draw;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.choice = Choice::Draw;
  spec.advance = true;
  ASSERT_TRUE(generateChooseToken(spec, target, "").isOk());
  spec.vocabulary = kMostDrawnTokens + 1;
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
