//===- FusedMatMulTest.cpp - matmuls with norms and outputs, emulated -----===//
#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/reference/Reference.h"
#include "formats/dtype/Half.h"
#include "formats/plan/T16.h"
#include "test/codegen/cuda/KernelRun.h"
#include "tools/air-gpu-bench/Operands.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace air::codegen::cuda {
namespace {

using reference::Doubles;

std::vector<float> randomFloats(std::mt19937_64 &random, uint64_t count,
                                double low, double high) {
  std::uniform_real_distribution<double> between(low, high);
  std::vector<float> values(count);
  for (float &value : values) {
    value = static_cast<float>(between(random));
  }
  return values;
}

Doubles widen(std::span<const float> values) {
  return {values.begin(), values.end()};
}

/// The dequantised weights of a matrix in layout T16, row by row.
Doubles weightsOf(DType dtype, uint64_t rows, uint64_t columns,
                  std::span<const uint8_t> packed) {
  const DTypeInfo &type = info(dtype);
  const uint64_t rowBytes = columns / type.blockElements * type.blockBytes;
  std::vector<uint8_t> source(rows * rowBytes);
  unpackT16(dtype, rows, columns, packed, source);
  std::vector<float> row(columns);
  Doubles weights;
  for (uint64_t i = 0; i < rows; ++i) {
    dequantize(dtype, source.data() + i * rowBytes, row.data(), columns);
    weights.insert(weights.end(), row.begin(), row.end());
  }
  return weights;
}

Doubles normalised(const DecodeMatMul &spec, const Doubles &x,
                   const Doubles &weight, const Doubles &bias) {
  Doubles y = x;
  const uint64_t k = spec.columns;
  for (uint64_t row = 0; row < y.size(); row += k) {
    double mean = 0;
    for (uint64_t i = 0; i < k; ++i) {
      mean += y[row + i] / static_cast<double>(k);
    }
    if (spec.input != MatMulInput::LayerNorm) {
      mean = 0;
    }
    double variance = 0;
    for (uint64_t i = 0; i < k; ++i) {
      variance += std::pow(y[row + i] - mean, 2) / static_cast<double>(k);
    }
    for (uint64_t i = 0; i < k; ++i) {
      double &value = y[row + i];
      value = (value - mean) / std::sqrt(variance + spec.epsilon) * weight[i];
      value += spec.input == MatMulInput::LayerNorm ? bias[i] : 0;
    }
  }
  return y;
}

double geluTanh(double x) {
  return x / 2 *
         (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/// The expected results of a kernel and the largest errors from rounding.
struct Expected {
  Doubles y;
  Doubles allowed;
};

Expected expectedOf(const DecodeMatMul &spec, const Doubles &x,
                    const Doubles &w, const Doubles &bias,
                    const Doubles &before) {
  // The relative error of an activation: a sum of two float16, a sum of two
  // bfloat16, or one float16. Sums are float32.
  const double unit = spec.splitActivations       ? 0x1p-18
                      : spec.dtype == DType::BF16 ? 0x1p-15
                                                  : 0x1p-11 + 0x1p-18;
  const bool glu = spec.output == MatMulOutput::SiluGlu ||
                   spec.output == MatMulOutput::GeluGlu;
  const uint64_t k = spec.columns;
  Expected expected;
  for (uint64_t m = 0; m < spec.tokens; ++m) {
    const auto dot = [&](uint64_t row, uint64_t biasAt, double &magnitude) {
      double sum = bias.empty() ? 0 : bias[biasAt];
      magnitude = std::abs(sum) * 0x1p-13;
      for (uint64_t i = 0; i < k; ++i) {
        const double term = w[row * k + i] * x[m * k + i];
        sum += term;
        magnitude += std::abs(term);
      }
      return sum;
    };
    for (uint64_t row = 0; row < spec.rows; ++row) {
      double size = 0;
      double otherSize = 0;
      const double first = dot(glu ? gluRow(row, false) : row, row, size);
      double value = first;
      double error = size * unit;
      if (glu) {
        const double up = dot(gluRow(row, true), spec.rows + row, otherSize);
        const double gate = spec.output == MatMulOutput::SiluGlu
                                ? reference::silu(first)
                                : geluTanh(first);
        // The slopes of SiLU and GELU are at most 1.2.
        error = unit * (1.2 * size * std::abs(up) + std::abs(gate) * otherSize +
                        1.2 * size * otherSize * unit) +
                0x1p-18 * std::abs(gate * up);
        value = gate * up;
      } else if (spec.output == MatMulOutput::Add) {
        value += before[m * spec.rows + row];
        error += 0x1p-23 * std::abs(value);
      }
      expected.y.push_back(value);
      expected.allowed.push_back(error + 1e-30);
    }
  }
  return expected;
}

struct Operation {
  DType dtype;
  uint32_t rows, columns, tokens;
  MatMulInput input;
  MatMulOutput output;
  bool bias, split;
  DecodeTiling tiling;
  double size = 1; ///< magnitude of the activations
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
  };
}

DecodeMatMul specOf(const Operation &operation) {
  DecodeMatMul spec;
  spec.dtype = operation.dtype;
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
    const gpubench::Operands matrix =
        gpubench::makeOperands(spec.dtype, rows, spec.columns, 1, 7 + i);
    ASSERT_EQ(matrix.packed.size(), kernels[i].weightBytes);
    // The activations of a token are a multiple of those of the token before.
    std::vector<float> x = randomFloats(random, spec.tokens * k, -1, 1);
    for (size_t at = 0; at < x.size(); ++at) {
      x[at] *= static_cast<float>(operation.size *
                                  std::pow(3.0, static_cast<double>(at / k)));
    }
    const std::vector<float> weight = randomFloats(random, k, 0.5, 1.5);
    const std::vector<float> normBias = randomFloats(random, k, -1, 1);
    const std::vector<float> bias =
        randomFloats(random, glu ? 2 * spec.rows : spec.rows, -2, 2);
    const std::vector<float> before =
        randomFloats(random, uint64_t{spec.tokens} * spec.rows, -10, 10);
    emulator::Buffers buffers = {
        {"weights", matrix.packed},
        {"x", emulator::bytesOf(x)},
        {"norm_weight", emulator::bytesOf(weight)},
        {"norm_bias", emulator::bytesOf(normBias)},
        {"bias", emulator::bytesOf(bias)},
        {"y", spec.output == MatMulOutput::Add
                  ? emulator::bytesOf(before)
                  : emulator::unwrittenFloats(before.size())},
    };
    const Status status =
        emulator::launchBothWays(*library, kernels[i], buffers, "x");
    ASSERT_TRUE(status.isOk()) << status.message();
    const bool normed = spec.input == MatMulInput::RmsNorm ||
                        spec.input == MatMulInput::LayerNorm;
    const Expected expected = expectedOf(
        spec,
        normed ? normalised(spec, widen(x), widen(weight), widen(normBias))
               : widen(x),
        weightsOf(spec.dtype, rows, k, matrix.packed),
        spec.hasBias ? widen(bias) : Doubles(), widen(before));
    const auto y = emulator::valuesOf<float>(buffers.at("y"));
    double worst = 0;
    for (size_t at = 0; at < y.size(); ++at) {
      const double share =
          std::abs(double{y[at]} - expected.y[at]) / expected.allowed[at];
      worst = std::max(worst, std::isnan(share) ? 1e9 : share);
    }
    EXPECT_LT(worst, 1) << "share of the allowed error";
  }
}

/// A matmul that normalises and rotates heads and stores keys and values.
struct HeadCase {
  uint32_t queryHeads, keyHeads, valueHeads, headDim, tokens, perSequence;
  RopeKind rope;
  uint32_t ropeDim;
  bool qkNorm;
  DecodeTiling tiling;
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
  };
}

TEST(FusedMatMul, FinishesHeadsAndAppendsThemToTheCache) {
  const CudaTarget target = *cudaTarget("sm_90a");
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  constexpr uint32_t kColumns = 128;
  std::vector<DecodeMatMul> specs;
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  for (const HeadCase &one : headCases()) {
    DecodeMatMul spec;
    spec.dtype = DType::F16;
    spec.columns = kColumns;
    spec.tokens = one.tokens;
    spec.multiprocessors = 2;
    spec.input = MatMulInput::Float;
    spec.splitActivations = true;
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
    // Another layer's part follows in the page.
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
    const gpubench::Operands matrix =
        gpubench::makeOperands(spec.dtype, spec.rows, kColumns, 1, 70 + i);
    const auto x =
        randomFloats(random, uint64_t{spec.tokens} * kColumns, -1, 1);
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

    const Doubles w = weightsOf(spec.dtype, spec.rows, kColumns, matrix.packed);
    const Doubles rows =
        reference::matMul(widen(x), w, widen(bias), spec.rows, kColumns);
    const Doubles wideAngles = widen(angles);
    const auto y = emulator::valuesOf<float>(buffers.at("y"));
    std::vector<uint8_t> cache = buffers.at("kv_cache");
    double worst = 0;
    for (uint32_t m = 0; m < spec.tokens; ++m) {
      const uint32_t page =
          tables[m / heads.tokensPerSequence * pages.tablePages +
                 positions[m] / 64];
      for (uint32_t h = 0; h < spec.rows / d; ++h) {
        const bool query = h < heads.queryHeads;
        const bool key = !query && h < heads.queryHeads + heads.keyHeads;
        // The reference computes each head as a separate row with one query
        // head.
        KernelSpec row;
        row.heads = 1;
        row.headDim = d;
        row.ropeDim = heads.ropeDim;
        row.rope = query || key ? heads.rope : RopeKind::None;
        row.qkNorm = heads.qkNorm && (query || key);
        row.epsilon = heads.qkEpsilon;
        const Doubles expected =
            reference::ropeAppend(
                row,
                std::span(rows).subspan(uint64_t{m} * spec.rows + h * d, d),
                std::span(wideAngles)
                    .subspan(uint64_t{m} * heads.ropeDim, heads.ropeDim),
                widen(query ? qNorm : kNorm), {})
                .q;
        double largest = 0;
        for (const double value : expected) {
          largest = std::max(largest, std::abs(value));
        }
        const uint32_t kvHead =
            key ? h - heads.queryHeads : h - heads.queryHeads - heads.keyHeads;
        for (uint32_t e = 0; e < d; ++e) {
          double value = y[uint64_t{m} * spec.rows + h * d + e];
          double allowed = 0x1p-16 * largest;
          if (!query) {
            const uint64_t at =
                page * pages.pageBytes +
                (key ? keyOffset(pages, kvHead, positions[m] % 64, e)
                     : valueOffset(pages, kvHead, positions[m] % 64, e));
            uint16_t half = 0;
            std::memcpy(&half, cache.data() + at, 2);
            value = halfToFloat(half);
            allowed += 0x1p-11 * std::abs(value);
            std::memset(cache.data() + at, 0x5a, 2);
          }
          const double share = std::abs(value - expected[e]) / allowed;
          worst = std::max(worst, std::isnan(share) ? 1e9 : share);
        }
        for (uint32_t e = d; key && e < paddedHeadDim(d); ++e) {
          const uint64_t at = page * pages.pageBytes +
                              keyOffset(pages, kvHead, positions[m] % 64, e);
          EXPECT_EQ(cache[at] | cache[at + 1], 0) << "padding of a key";
          std::memset(cache.data() + at, 0x5a, 2);
        }
      }
    }
    EXPECT_LT(worst, 1) << "share of the allowed error";
    EXPECT_EQ(cache, untouched) << "bytes of other positions were written";
  }
}

} // namespace
} // namespace air::codegen::cuda
