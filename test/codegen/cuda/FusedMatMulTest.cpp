//===- FusedMatMulTest.cpp - matmuls with norms and outputs, emulated -----===//
#include "formats/dtype/Half.h"
#include "test/codegen/cuda/HeadFormulas.h"
#include "test/codegen/cuda/KernelRun.h"
#include "test/codegen/cuda/MatMulFormulas.h"
#include "tools/air-gpu-bench/Operands.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace air::codegen::cuda {
namespace {

struct Operation {
  DType dtype;
  uint32_t rows, columns, tokens;
  MatMulInput input;
  MatMulOutput output;
  bool bias, split;
  DecodeTiling tiling;
  double size = 1; ///< magnitude of the activations
  bool rowScales = false;
  Layout layout = Layout::T16;
};

std::vector<Operation> operations() {
  using enum MatMulInput;
  using enum MatMulOutput;
  using enum WeightFetch;
  const DecodeTiling one = {.fetch = Registers, .warps = 2, .stages = 1};
  const DecodeTiling ring = {.fetch = AsyncCopy, .warps = 3, .groupUnits = 2};
  const DecodeTiling parts = {.fetch = BulkCopy,
                              .warps = 2,
                              .stages = 2,
                              .splits = 2,
                              .reduceTiles = 2};
  return {
      {DType::F16, 37, 328, 1, Float, Store, false, true, one},
      {DType::F16, 53, 96, 5, RmsNorm, Store, true, true, parts},
      {DType::F16, 40, 192, 8, LayerNorm, Add, true, true, ring},
      {DType::F16, 21, 328, 2, RmsNorm, SiluGlu, false, false, parts},
      {DType::F16, 16, 64, 1, Float, Add, false, true, one, 1e30},
      {DType::F16, 16, 64, 3, Float, Store, false, true, one, 1e-30},
      {DType::BF16, 33, 200, 5, RmsNorm, GeluGlu, true, false, ring},
      {DType::BF16, 48, 136, 2, Float, Add, false, false, parts},
      {DType::Q8_0, 50, 384, 8, LayerNorm, Store, false, false, parts},
      {DType::Q4_0, 19, 256, 1, RmsNorm, SiluGlu, true, false, ring},
      {DType::Q4_K, 37, 768, 5, RmsNorm, GeluGlu, false, false, one},
      {DType::Q5_K, 40, 512, 1, Float, Add, true, false, parts, 1e5},
      {DType::Q6_K, 33, 768, 8, RmsNorm, Add, false, false, ring},
      {DType::MXFP4, 20, 256, 2, Float, SiluGlu, false, false, parts},
      {DType::F32, 37, 328, 5, RmsNorm, SiluGlu, true, false, parts},
      {DType::F32, 40, 192, 1, Float, SiluUp, false, false, ring, 1e20},
      {DType::NVFP4, 24, 256, 3, RmsNorm, SiluUp, true, false, parts, 1, true},
      {DType::NVFP4, 21, 192, 2, RmsNorm, SiluGlu, true, false, one, 1, true},
      // The codebook comes last in shared memory. Its offset is larger in
      // matmuls with float32 activations, which have one more array before it.
      {DType::IQ2_XS, 20, 512, 3, RmsNorm, SiluGlu, false, false, parts, 1,
       false, Layout::T16Indices},
      {DType::IQ1_S, 53, 768, 8, Float, Add, true, false, ring, 1, false,
       Layout::T16Indices},
  };
}

DecodeMatMul specOf(const Operation &operation) {
  DecodeMatMul spec;
  spec.dtype = operation.dtype;
  spec.layout = operation.layout;
  spec.rows = operation.rows;
  spec.columns = operation.columns;
  spec.tokens = operation.tokens;
  spec.multiprocessors = 2;
  spec.dependentLaunch = true;
  spec.input = operation.input;
  spec.epsilon = 1e-5F;
  spec.splitActivations = operation.split;
  spec.output = operation.output;
  spec.hasBias = operation.bias;
  spec.hasRowScales = operation.rowScales;
  spec.tiling = operation.tiling;
  return spec;
}

TEST(FusedMatMul, EqualsTheFormulasInDoublePrecision) {
  const CudaTarget target = *cudaTarget("sm_90a");
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  for (const Operation &operation : operations()) {
    Result<CudaKernel> kernel =
        generateDecodeMatMul(specOf(operation), target, *intrinsics);
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    texts.push_back(kernel->text);
    kernels.push_back(*std::move(kernel));
  }
  const Result<emulator::Library> library = emulator::Library::compile(texts);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  std::mt19937_64 random(4);
  for (size_t i = 0; i < kernels.size(); ++i) {
    const Operation operation = operations()[i];
    const DecodeMatMul spec = specOf(operation);
    SCOPED_TRACE(kernels[i].name);
    const bool glu = spec.output == MatMulOutput::SiluGlu ||
                     spec.output == MatMulOutput::GeluGlu;
    const uint32_t rows = glu ? (spec.rows + 7) / 8 * 16 : spec.rows;
    const uint64_t k = spec.columns;
    const gpubench::Operands matrix = gpubench::makeOperands(
        spec.dtype, spec.layout, rows, spec.columns, 1, 7 + i);
    ASSERT_EQ(matrix.packed.size(), kernels[i].weightBytes);
    // The range of the activations grows by a factor of 3 per token.
    std::vector<float> x = randomFloats(random, spec.tokens * k, -1, 1);
    for (size_t at = 0; at < x.size(); ++at) {
      x[at] *= static_cast<float>(operation.size *
                                  std::pow(3.0, static_cast<double>(at / k)));
    }
    const std::vector<float> weight = randomFloats(random, k, 0.5, 1.5);
    const std::vector<float> normBias = randomFloats(random, k, -1, 1);
    const std::vector<float> bias =
        randomFloats(random, glu ? 2 * spec.rows : spec.rows, -2, 2);
    const std::vector<float> scales = randomFloats(random, bias.size(), 0.5, 2);
    const std::vector<float> before =
        randomFloats(random, uint64_t{spec.tokens} * spec.rows, -10, 10);
    emulator::Buffers buffers = {
        {"weights", matrix.packed},
        {"x", emulator::bytesOf(x)},
        {"norm_weight", emulator::bytesOf(weight)},
        {"norm_bias", emulator::bytesOf(normBias)},
        {"bias", emulator::bytesOf(bias)},
        {"row_scales", emulator::bytesOf(scales)},
        {"y", readsResult(spec.output)
                  ? emulator::bytesOf(before)
                  : emulator::unwrittenFloats(before.size())},
    };
    const Status status =
        emulator::launchBothWays(*library, kernels[i], buffers, "x");
    ASSERT_TRUE(status.isOk()) << status.message();
    const bool normed = spec.input == MatMulInput::RmsNorm ||
                        spec.input == MatMulInput::LayerNorm;
    Doubles weights =
        weightsOf(spec.dtype, spec.layout, rows, k, matrix.packed);
    if (spec.hasRowScales) {
      scaleRows(weights, spec, scales);
    }
    const Expected expected = expectedOf(
        spec,
        normed ? normalised(spec, widen(x), widen(weight), widen(normBias))
               : widen(x),
        weights, spec.hasBias ? widen(bias) : Doubles(), widen(before));
    const auto y = emulator::valuesOf<float>(buffers.at("y"));
    EXPECT_LT(worstShare(y, expected), 1) << "share of the allowed error";
  }
}

/// A matmul that normalises and rotates heads and stores keys and values.
struct HeadCase {
  uint32_t queryHeads, keyHeads, valueHeads, headDim, tokens, perSequence;
  RopeKind rope;
  uint32_t ropeDim;
  bool qkNorm;
  DecodeTiling tiling;
  DType dtype = DType::F16;
  Layout layout = Layout::T16;
  uint32_t columns = 128;
};

std::vector<HeadCase> headCases() {
  using enum WeightFetch;
  const DecodeTiling one = {.fetch = Registers, .warps = 2, .stages = 1};
  const DecodeTiling ring = {
      .fetch = AsyncCopy, .warps = 1, .groupUnits = 2, .reduceTiles = 3};
  const DecodeTiling parts = {.fetch = BulkCopy,
                              .warps = 2,
                              .stages = 2,
                              .splits = 2,
                              .reduceTiles = 2};
  return {
      {4, 2, 2, 32, 1, 1, RopeKind::Norm, 32, false, one},
      {6, 2, 2, 32, 5, 5, RopeKind::Neox, 32, true, parts},
      {3, 1, 1, 100, 2, 1, RopeKind::Norm, 64, true, ring},
      {8, 1, 1, 6, 8, 2, RopeKind::Neox, 4, false, parts},
      {2, 2, 0, 40, 4, 2, RopeKind::None, 0, true, ring},
      {0, 0, 2, 40, 4, 2, RopeKind::Neox, 40, true, one},
      {3, 1, 1, 32, 5, 5, RopeKind::Neox, 32, true, parts, DType::IQ2_S,
       Layout::T16Indices, 512},
  };
}

TEST(FusedMatMul, FinishesHeadsAndAppendsThemToTheCache) {
  const CudaTarget target = *cudaTarget("sm_90a");
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  std::vector<DecodeMatMul> specs;
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  for (const HeadCase &one : headCases()) {
    DecodeMatMul spec;
    spec.dtype = one.dtype;
    spec.layout = one.layout;
    spec.columns = one.columns;
    spec.tokens = one.tokens;
    spec.multiprocessors = 2;
    spec.input = MatMulInput::Float;
    spec.splitActivations = one.dtype == DType::F16;
    spec.output = MatMulOutput::Heads;
    spec.hasBias = true;
    spec.tiling = one.tiling;
    spec.heads = {.queryHeads = one.queryHeads,
                  .keyHeads = one.keyHeads,
                  .valueHeads = one.valueHeads,
                  .qkNorm = one.qkNorm,
                  .qkEpsilon = 1e-6F,
                  .rope = one.rope,
                  .ropeDim = one.ropeDim,
                  .tokensPerSequence = one.perSequence,
                  .pages = {.headDim = one.headDim,
                            .kvHeads = std::max(one.keyHeads, one.valueHeads),
                            .tablePages = 3}};
    // Each page is larger than one layer needs, as if another layer also stored
    // keys and values in it.
    spec.heads.pages.pageBytes = kvLayerBytes(spec.heads.pages) + 32;
    spec.rows = (one.queryHeads + one.keyHeads + one.valueHeads) * one.headDim;
    Result<CudaKernel> kernel = generateDecodeMatMul(spec, target, *intrinsics);
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    texts.push_back(kernel->text);
    kernels.push_back(*std::move(kernel));
    specs.push_back(spec);
  }
  const Result<emulator::Library> library = emulator::Library::compile(texts);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  std::mt19937_64 random(5);
  for (size_t i = 0; i < kernels.size(); ++i) {
    SCOPED_TRACE(kernels[i].name);
    const DecodeMatMul &spec = specs[i];
    const HeadRows &heads = spec.heads;
    const KvPages &pages = heads.pages;
    const uint32_t d = pages.headDim;
    const gpubench::Operands matrix = gpubench::makeOperands(
        spec.dtype, spec.layout, spec.rows, spec.columns, 1, 70 + i);
    auto x = randomFloats(random, uint64_t{spec.tokens} * spec.columns, -1, 1);
    if (!spec.splitActivations) {
      // The kernel rounds the activations to float16, but the formulas do not.
      // The test therefore uses numbers that float16 represents exactly.
      for (float &value : x) {
        value = halfToFloat(floatToHalf(value));
      }
    }
    const auto bias = randomFloats(random, spec.rows, -1, 1);
    const auto qNorm = randomFloats(random, d, 0.5, 1.5);
    const auto kNorm = randomFloats(random, d, 0.5, 1.5);
    const auto angles = randomFloats(
        random, uint64_t{spec.tokens} * heads.ropeDim, -1.25, 1.25);
    // Positions cross from one page to the next, and pages are out of order.
    std::vector<uint32_t> positions;
    std::vector<uint32_t> tables;
    const uint32_t sequences = spec.tokens / heads.tokensPerSequence;
    for (uint32_t s = 0; s < sequences; ++s) {
      for (uint32_t t = 0; t < heads.tokensPerSequence; ++t) {
        positions.push_back(62 + 3 * s + t);
      }
      for (uint32_t p = 0; p < pages.tablePages; ++p) {
        tables.push_back((p * 5 + s * 3 + 2) % (3 * sequences));
      }
    }
    const std::vector<uint8_t> untouched(pages.pageBytes * 3 * sequences, 0x5a);
    emulator::Buffers buffers = {
        {"weights", matrix.packed},
        {"x", emulator::bytesOf(x)},
        {"y", emulator::unwrittenFloats(uint64_t{spec.tokens} * spec.rows)},
        {"bias", emulator::bytesOf(bias)},
        {"angles", emulator::bytesOf(angles)},
        {"q_norm", emulator::bytesOf(qNorm)},
        {"k_norm", emulator::bytesOf(kNorm)},
        {"positions", emulator::bytesOf(positions)},
        {"block_tables", emulator::bytesOf(tables)},
        {"kv_cache", untouched},
    };
    const Status status =
        emulator::launchBothWays(*library, kernels[i], buffers);
    ASSERT_TRUE(status.isOk()) << status.message();

    const Doubles w = weightsOf(spec.dtype, spec.layout, spec.rows,
                                spec.columns, matrix.packed);
    const Doubles rows =
        reference::matMul(widen(x), w, widen(bias), spec.rows, spec.columns);
    HeadOperands operands = {.rows = rows,
                             .angles = widen(angles),
                             .qNorm = widen(qNorm),
                             .kNorm = widen(kNorm),
                             .positions = positions,
                             .tables = tables};
    for (uint32_t m = 0; m < spec.tokens; ++m) {
      operands.sequences.push_back(m / heads.tokensPerSequence);
    }
    std::vector<uint8_t> cache = buffers.at("kv_cache");
    const double worst =
        worstHeadShare(heads, operands,
                       emulator::valuesOf<float>(buffers.at("y")), cache, 0x5a);
    EXPECT_LT(worst, 1) << "share of the allowed error";
    EXPECT_EQ(cache, untouched) << "bytes of other positions were written";
  }
}

} // namespace
} // namespace air::codegen::cuda
