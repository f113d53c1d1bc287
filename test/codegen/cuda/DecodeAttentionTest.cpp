//===- DecodeAttentionTest.cpp - attention on the emulated GPU ------------===//
#include "codegen/cuda/DecodeAttention.h"
#include "codegen/reference/Reference.h"
#include "test/codegen/cuda/FilledCache.h"
#include "test/codegen/cuda/KernelRun.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace air::codegen::cuda {
namespace {

using reference::Doubles;

struct Case {
  uint32_t heads, kvHeads, headDim, tokens, perSequence, splits, warps;
  /// For each sequence, the position of its last token.
  std::vector<uint32_t> last;
};

const std::vector<Case> kCases = {
    {1, 1, 16, 1, 1, 1, 1, {0}},
    {4, 4, 32, 1, 1, 1, 2, {63}},
    {8, 2, 64, 1, 1, 3, 2, {200}},
    {6, 2, 128, 3, 3, 2, 4, {130}},
    {10, 2, 100, 2, 1, 2, 2, {5, 64}},
    {32, 1, 6, 2, 2, 1, 3, {70}},
    {12, 4, 80, 8, 2, 4, 2, {1, 127, 128, 300}},
    {2, 1, 256, 1, 1, 2, 2, {77}},
};

TEST(DecodeAttention, EqualsTheFormulaInDoublePrecision) {
  const CudaTarget target = *cudaTarget("sm_90a");
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  std::vector<DecodeAttention> specs;
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  for (const Case &one : kCases) {
    DecodeAttention spec;
    spec.queryHeads = one.heads;
    spec.pages = {
        .headDim = one.headDim, .kvHeads = one.kvHeads, .tablePages = 6};
    spec.pages.pageBytes = kvLayerBytes(spec.pages) + 16;
    spec.tokens = one.tokens;
    spec.tokensPerSequence = one.perSequence;
    spec.queryStride = one.heads * one.headDim + 12;
    spec.scale = 1 / std::sqrt(static_cast<float>(one.headDim));
    spec.splits = one.splits;
    spec.warps = one.warps;
    spec.dependentLaunch = true;
    Result<CudaKernel> kernel =
        generateDecodeAttention(spec, target, *intrinsics);
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    texts.push_back(kernel->text);
    kernels.push_back(*std::move(kernel));
    specs.push_back(spec);
  }
  const Result<emulator::Library> library = emulator::Library::compile(texts);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  std::mt19937_64 random(6);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < kCases.size(); ++i) {
    SCOPED_TRACE(kernels[i].name);
    const Case &one = kCases[i];
    const DecodeAttention &spec = specs[i];
    const KvPages &pages = spec.pages;
    const uint32_t width = one.kvHeads * one.headDim;
    std::vector<float> q(uint64_t{one.tokens} * spec.queryStride);
    for (float &value : q) {
      value = 3 * normal(random);
    }
    const FilledCache cache = fillCache(pages, one.last, random);
    std::vector<uint32_t> positions;
    for (const uint32_t last : one.last) {
      for (uint32_t t = 0; t < one.perSequence; ++t) {
        positions.push_back(last + 1 + t - one.perSequence);
      }
    }
    emulator::Buffers buffers = {
        {"q", emulator::bytesOf(q)},
        {"positions", emulator::bytesOf(positions)},
        {"block_tables", emulator::bytesOf(cache.tables)},
        {"kv_cache", cache.bytes},
        {"out", emulator::unwrittenFloats(uint64_t{one.tokens} * one.heads *
                                          one.headDim)},
    };
    const Status status =
        emulator::launchBothWays(*library, kernels[i], buffers, "q");
    ASSERT_TRUE(status.isOk()) << status.message();
    const auto out = emulator::valuesOf<float>(buffers.at("out"));
    KernelSpec formula;
    formula.heads = one.heads;
    formula.kvHeads = one.kvHeads;
    formula.headDim = one.headDim;
    formula.scale = spec.scale;
    double worst = 0;
    for (uint32_t m = 0; m < one.tokens; ++m) {
      const uint32_t s = m / one.perSequence;
      const auto row = std::span(q).subspan(uint64_t{m} * spec.queryStride,
                                            one.heads * one.headDim);
      ASSERT_GE(cache.keys[s].size(), (positions[m] + 1) * width);
      const Doubles expected = reference::attention(
          formula, Doubles(row.begin(), row.end()), cache.keys[s],
          cache.values[s], positions[m] + 1);
      for (size_t at = 0; at < expected.size(); ++at) {
        const double error =
            std::abs(out[m * expected.size() + at] - expected[at]);
        worst = std::max(worst, std::isnan(error) ? 1e9 : error);
      }
    }
    // This bound is for scores with magnitudes of up to about 30, and weighted
    // sums whose terms reach about 3.
    EXPECT_LT(worst, 2e-5);
  }
}

TEST(DecodeAttention, RefusesWhatCannotBe) {
  const CudaTarget hopper = *cudaTarget("sm_90a");
  DecodeAttention good;
  good.queryHeads = 8;
  good.pages = {.headDim = 64, .kvHeads = 2, .tablePages = 4};
  good.pages.pageBytes = kvLayerBytes(good.pages);
  good.queryStride = 768;
  const auto codeOf = [&](const DecodeAttention &spec) {
    return generateDecodeAttention(spec, hopper, "").status().code();
  };
  ASSERT_TRUE(generateDecodeAttention(good, hopper, "").isOk());
  DecodeAttention spec = good;
  spec.queryHeads = 7;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.pages.headDim = 320;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.pages.pageBytes -= 16;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.queryStride = 500;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.tokens = 3;
  spec.tokensPerSequence = 2;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.splits = 65;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.dependentLaunch = true;
  EXPECT_EQ(
      generateDecodeAttention(spec, *cudaTarget("sm_80"), "").status().code(),
      ErrorCode::Unsupported);
  spec = good;
  spec.pages.headDim = 256;
  spec.pages.pageBytes = kvLayerBytes(spec.pages);
  spec.queryStride = 2048;
  spec.warps = 16;
  EXPECT_EQ(
      generateDecodeAttention(spec, *cudaTarget("sm_86"), "").status().code(),
      ErrorCode::DoesNotFit);
}

} // namespace
} // namespace air::codegen::cuda
