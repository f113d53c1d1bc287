//===- PrefillAttentionTest.cpp - attention of many tokens, emulated ------===//
#include "codegen/cuda/PrefillAttention.h"
#include "test/codegen/cuda/FilledCache.h"
#include "test/codegen/cuda/KernelRun.h"

#include <cmath>
#include <gtest/gtest.h>

namespace air::codegen::cuda {
namespace {

using reference::Doubles;

/// Consecutive tokens of a sequence.
struct Tokens {
  uint32_t first, count;
};

struct Case {
  uint32_t heads, kvHeads, headDim;
  AttentionTiling tiling;
  bool split;
  const char *target;
  std::vector<Tokens> runs; ///< one for each sequence
};

const std::vector<Case> kCases = {
    {1, 1, 16, {16, 64, 2}, true, "sm_80", {{0, 1}}},
    {4, 4, 32, {16, 16, 3}, true, "sm_90a", {{0, 33}, {60, 9}}},
    {8, 2, 64, {5, 32, 2}, true, "sm_86", {{100, 12}, {0, 3}, {63, 2}}},
    {6, 2, 128, {8, 64, 1}, false, "sm_75", {{120, 17}}},
    {10, 2, 100, {7, 32, 4}, true, "sm_120", {{0, 40}}},
    {40, 1, 6, {1, 64, 2}, true, "sm_90a", {{70, 3}}},
    {2, 1, 256, {16, 32, 2}, true, "sm_90a", {{50, 20}}},
    {4, 2, 80, {16, 64, 2}, false, "sm_89", {{0, 20}, {130, 10}}},
};

TEST(PrefillAttention, EqualsTheFormulaInDoublePrecision) {
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  std::vector<PrefillAttention> specs;
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  for (const Case &one : kCases) {
    const CudaTarget target = *cudaTarget(one.target);
    PrefillAttention spec;
    spec.queryHeads = one.heads;
    spec.pages = {
        .headDim = one.headDim, .kvHeads = one.kvHeads, .tablePages = 4};
    spec.pages.pageBytes = kvLayerBytes(spec.pages) + 16;
    spec.maxTiles = 8;
    spec.queryStride = one.heads * one.headDim + 12;
    spec.scale = 1 / std::sqrt(static_cast<float>(one.headDim));
    spec.splitOperands = one.split;
    spec.dependentLaunch = target.hasDependentLaunch;
    spec.tiling = one.tiling;
    Result<CudaKernel> kernel =
        generatePrefillAttention(spec, target, *intrinsics);
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    texts.push_back(kernel->text);
    kernels.push_back(*std::move(kernel));
    specs.push_back(spec);
  }
  const Result<emulator::Library> library = emulator::Library::compile(texts);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  std::mt19937_64 random(16);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < kCases.size(); ++i) {
    SCOPED_TRACE(kernels[i].name);
    const Case &one = kCases[i];
    const PrefillAttention &spec = specs[i];
    std::vector<uint32_t> last;
    std::vector<uint32_t> positions;
    std::vector<uint32_t> sequences;
    std::vector<uint32_t> tiles;
    for (uint32_t s = 0; s < one.runs.size(); ++s) {
      const Tokens &run = one.runs[s];
      last.push_back(run.first + run.count - 1);
      for (uint32_t t = 0; t < run.count; t += one.tiling.tileTokens) {
        const uint32_t count = std::min(one.tiling.tileTokens, run.count - t);
        tiles.push_back(static_cast<uint32_t>(positions.size()) + t);
        tiles.push_back(count);
        tiles.push_back(s);
      }
      for (uint32_t t = 0; t < run.count; ++t) {
        positions.push_back(run.first + t);
        sequences.push_back(s);
      }
    }
    const auto tileCount = static_cast<uint32_t>(tiles.size() / 3);
    ASSERT_LE(tileCount, spec.maxTiles);
    const FilledCache cache = fillCache(spec.pages, last, random);
    std::vector<float> q(positions.size() * spec.queryStride);
    for (float &value : q) {
      value = 3 * normal(random);
    }
    const uint64_t width = uint64_t{one.heads} * one.headDim;
    emulator::Buffers buffers = {
        {"q", emulator::bytesOf(q)},
        {"positions", emulator::bytesOf(positions)},
        {"block_tables", emulator::bytesOf(cache.tables)},
        {"kv_cache", cache.bytes},
        {"out", emulator::unwrittenFloats(positions.size() * width)},
        {"tile_count", emulator::bytesOf(std::vector{tileCount})},
        {"tiles", emulator::bytesOf(tiles)},
    };
    const Status status = emulator::launchBothWays(
        *library, kernels[i], buffers, spec.dependentLaunch ? "q" : "");
    ASSERT_TRUE(status.isOk()) << status.message();
    const auto out = emulator::valuesOf<float>(buffers.at("out"));
    KernelSpec formula;
    formula.heads = one.heads;
    formula.kvHeads = one.kvHeads;
    formula.headDim = one.headDim;
    formula.scale = spec.scale;
    double worst = 0;
    for (uint32_t m = 0; m < positions.size(); ++m) {
      const auto row =
          std::span(q).subspan(uint64_t{m} * spec.queryStride, width);
      const Doubles expected = reference::attention(
          formula, Doubles(row.begin(), row.end()), cache.keys[sequences[m]],
          cache.values[sequences[m]], positions[m] + 1);
      for (size_t at = 0; at < width; ++at) {
        const double error = std::abs(out[m * width + at] - expected[at]);
        worst = std::max(worst, std::isnan(error) ? 1e9 : error);
      }
    }
    // Scores reach magnitudes of about 30, and the terms of the weighted sums
    // about 3. The allowed error is larger if the operands are not split,
    // because a score's error is then up to 2^-11 times the sum of the
    // magnitudes of its terms.
    EXPECT_LT(worst, one.split ? 2e-5 : 2e-2);
    if (!one.split) {
      EXPECT_GT(worst, 2e-5) << "the operands are not split";
    }
  }
}

TEST(PrefillAttention, RefusesWhatCannotBe) {
  const CudaTarget hopper = *cudaTarget("sm_90a");
  PrefillAttention good;
  good.queryHeads = 8;
  good.pages = {.headDim = 64, .kvHeads = 2, .tablePages = 4};
  good.pages.pageBytes = kvLayerBytes(good.pages);
  good.queryStride = 768;
  good.maxTiles = 32;
  const auto codeOf = [&](const PrefillAttention &spec,
                          const CudaTarget &target) {
    return generatePrefillAttention(spec, target, "").status().code();
  };
  ASSERT_TRUE(generatePrefillAttention(good, hopper, "").isOk());
  PrefillAttention spec = good;
  spec.queryHeads = 7;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported);
  spec = good;
  spec.maxTiles = 0;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported);
  spec = good;
  spec.tiling.positions = 48;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported);
  spec = good;
  spec.tiling.tileTokens = 65;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported) << "260 rows";
  spec = good;
  spec.dependentLaunch = true;
  EXPECT_EQ(codeOf(spec, *cudaTarget("sm_80")), ErrorCode::Unsupported);
  spec = good;
  spec.tiling.tileTokens = 64;
  spec.tiling.stages = 4;
  EXPECT_EQ(codeOf(spec, *cudaTarget("sm_75")), ErrorCode::DoesNotFit);
}

} // namespace
} // namespace air::codegen::cuda
