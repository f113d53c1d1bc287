//===- PrefillHeadsTest.cpp - RoPE and KV cache of a prefill, emulated ----===//
#include "codegen/cuda/PrefillHeads.h"
#include "test/codegen/cuda/HeadFormulas.h"
#include "test/codegen/cuda/KernelRun.h"

#include <gtest/gtest.h>
#include <random>

namespace air::codegen::cuda {
namespace {

using reference::Doubles;

struct Case {
  uint32_t queryHeads, keyHeads, valueHeads, headDim;
  RopeKind rope;
  uint32_t ropeDim;
  bool qkNorm;
};

TEST(PrefillHeads, NormalisesRotatesAndAppendsTokensOfSeveralSequences) {
  const std::vector<Case> cases = {
      {4, 2, 2, 32, RopeKind::Norm, 32, false},
      {9, 3, 3, 32, RopeKind::Neox, 32, true},
      {3, 1, 1, 100, RopeKind::Norm, 64, true},
      {8, 1, 1, 6, RopeKind::Neox, 4, false},
      {2, 2, 0, 40, RopeKind::None, 0, true},
      {0, 0, 2, 40, RopeKind::Neox, 40, true},
  };
  const CudaTarget target = *cudaTarget("sm_90a");
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  std::vector<PrefillHeads> specs;
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  for (const Case &one : cases) {
    PrefillHeads spec;
    spec.heads = {.queryHeads = one.queryHeads,
                  .keyHeads = one.keyHeads,
                  .valueHeads = one.valueHeads,
                  .qkNorm = one.qkNorm,
                  .qkEpsilon = 1e-6F,
                  .rope = one.rope,
                  .ropeDim = one.ropeDim,
                  .pages = {.headDim = one.headDim,
                            .kvHeads = std::max(one.keyHeads, one.valueHeads),
                            .tablePages = 3}};
    // Each page is larger than one layer needs, as if another layer also stored
    // keys and values in it.
    spec.heads.pages.pageBytes = kvLayerBytes(spec.heads.pages) + 32;
    spec.maxTokens = 16;
    spec.dependentLaunch = true;
    Result<CudaKernel> kernel = generatePrefillHeads(spec, target, *intrinsics);
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    texts.push_back(kernel->text);
    kernels.push_back(*std::move(kernel));
    specs.push_back(spec);
  }
  const Result<emulator::Library> library = emulator::Library::compile(texts);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  std::mt19937_64 random(8);
  std::uniform_real_distribution<float> between(-1.25, 1.25);
  const auto numbers = [&](uint64_t count, float middle) {
    std::vector<float> values(count);
    for (float &value : values) {
      value = middle + between(random) * 0.5F;
    }
    return values;
  };
  const auto widen = [](const std::vector<float> &values) {
    return Doubles(values.begin(), values.end());
  };
  // Sequence 1 crosses from one page to the next, and pages are out of order.
  const std::vector<uint32_t> sequences = {2, 2, 1, 1, 1, 1, 0, 1, 1, 0, 2};
  const std::vector<uint32_t> positions = {0,  1,  61, 62, 63, 64,
                                           90, 65, 66, 91, 2};
  const std::vector<uint32_t> tables = {4, 7, 0, 8, 2, 5, 1, 3, 6};
  const auto tokens = static_cast<uint32_t>(sequences.size());
  for (size_t i = 0; i < kernels.size(); ++i) {
    SCOPED_TRACE(kernels[i].name);
    const HeadRows &heads = specs[i].heads;
    const uint32_t count = heads.queryHeads + heads.keyHeads + heads.valueHeads;
    const auto rows =
        numbers(uint64_t{tokens} * count * heads.pages.headDim, 0);
    const auto angles = numbers(uint64_t{tokens} * heads.ropeDim, 0);
    const auto qNorm = numbers(heads.pages.headDim, 1);
    const auto kNorm = numbers(heads.pages.headDim, 1);
    const std::vector<uint8_t> untouched(heads.pages.pageBytes * 9, 0x5a);
    emulator::Buffers buffers = {
        {"y", emulator::bytesOf(rows)},
        {"token_count", emulator::bytesOf(std::vector{tokens})},
        {"sequences", emulator::bytesOf(sequences)},
        {"angles", emulator::bytesOf(angles)},
        {"q_norm", emulator::bytesOf(qNorm)},
        {"k_norm", emulator::bytesOf(kNorm)},
        {"positions", emulator::bytesOf(positions)},
        {"block_tables", emulator::bytesOf(tables)},
        {"kv_cache", untouched},
    };
    const Status status =
        emulator::launchBothWays(*library, kernels[i], buffers, "y");
    ASSERT_TRUE(status.isOk()) << status.message();
    const HeadOperands operands = {.rows = widen(rows),
                                   .angles = widen(angles),
                                   .qNorm = widen(qNorm),
                                   .kNorm = widen(kNorm),
                                   .positions = positions,
                                   .sequences = sequences,
                                   .tables = tables};
    std::vector<uint8_t> cache = buffers.at("kv_cache");
    EXPECT_LT(worstHeadShare(heads, operands,
                             emulator::valuesOf<float>(buffers.at("y")), cache,
                             0x5a),
              1)
        << "share of the allowed error";
    EXPECT_EQ(cache, untouched) << "bytes of other positions were written";
  }
}

TEST(PrefillHeads, RefusesWhatCannotBe) {
  const CudaTarget hopper = *cudaTarget("sm_90a");
  PrefillHeads good;
  good.heads.queryHeads = 4;
  good.heads.pages = {.headDim = 64, .kvHeads = 2, .tablePages = 4};
  good.heads.pages.pageBytes = kvLayerBytes(good.heads.pages);
  good.maxTokens = 64;
  const auto codeOf = [&](const PrefillHeads &spec) {
    return generatePrefillHeads(spec, hopper, "").status().code();
  };
  ASSERT_TRUE(generatePrefillHeads(good, hopper, "").isOk());
  PrefillHeads spec = good;
  spec.heads.queryHeads = 0;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported) << "no heads";
  spec = good;
  spec.heads.keyHeads = 1;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.heads.ropeDim = 32;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.maxTokens = kMaxPrefillTokens + 1;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.dependentLaunch = true;
  EXPECT_EQ(
      generatePrefillHeads(spec, *cudaTarget("sm_89"), "").status().code(),
      ErrorCode::Unsupported);
}

} // namespace
} // namespace air::codegen::cuda
