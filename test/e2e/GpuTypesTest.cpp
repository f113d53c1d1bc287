//===- GpuTypesTest.cpp - matrices of unusual types on a GPU --------------===//
//
// In nvfp4.gguf, some matrices are float32. The gate matrix and the up matrix
// have different types, and only one of them has a scale. make_shapes.py, which
// is in the same folder as nvfp4.gguf, has computed the model's logits in
// float64. The fake driver's GPU has compute capability 9.0, which is that of
// an H100.
//
// Another model has matrices of IQ1, IQ2 and IQ3. On a GPU of each layout for
// them, its logits and tokens are those of the CPU.
//
//===----------------------------------------------------------------------===//
#include "EmulatedGpu.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"
#include "test/compiler/driver/GpuModel.h"
#include "test/formats/gguf/GgufBuilder.h"

#include "nlohmann/json.hpp"

#include <cmath>
#include <cstring>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

namespace air {
namespace {

using compiler::CompileOptions;
using compiler::GpuModel;
using rt::SequenceId;
using rt::Session;
using test::airrun;
using test::greedy;
using test::numberAfter;
using test::Rows;
using test::runBoth;
using testing::HasSubstr;

std::string inputs(const char *extension) {
  return std::string(AIR_TEST_INPUTS) + "/models/tiny/nvfp4" + extension;
}

/// The folder that all tests share.
const GpuModel &folder() {
  static const GpuModel made;
  return made;
}

class GpuTypesTest : public testing::Test {
protected:
  /// Packs the model as `name`, without its weights if `weightless` is true.
  /// Returns the plan's path.
  static std::string pack(const std::string &name, bool weightless) {
    CompileOptions options;
    options.model = inputs(".gguf");
    options.target = "h100";
    options.cuda = test::emulatorCompiler();
    options.threads = 2;
    options.weightless = weightless;
    const Status packed = packModel(options, folder().path(name)).status();
    EXPECT_TRUE(packed.isOk()) << packed.message();
    return folder().path(name);
  }
};

/// The tokens of nvfp4.json, and a row of logits for each of them. The logits
/// are those that make_shapes.py has computed.
struct Published {
  std::vector<int32_t> tokens;
  Rows rows;
};

Published published() {
  std::ifstream file(inputs(".json"));
  const nlohmann::json facts = nlohmann::json::parse(file, nullptr, false);
  Published result;
  result.tokens = facts["tokens"].get<std::vector<int32_t>>();
  std::ifstream binary(inputs(".logits.f32"), std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(binary), {});
  const size_t width = bytes.size() / sizeof(float) / result.tokens.size();
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    result.rows.emplace_back(width);
    std::memcpy(result.rows[i].data(), bytes.data() + i * width * sizeof(float),
                width * sizeof(float));
  }
  return result;
}

/// The largest difference between two rows of logits, divided by the standard
/// deviation of `right`.
double difference(const std::vector<float> &left,
                  const std::vector<float> &right) {
  const auto count = static_cast<double>(right.size());
  const double mean = std::accumulate(right.begin(), right.end(), 0.0) / count;
  double variance = 0;
  double worst = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    variance += std::pow(double{right[i]} - mean, 2) / count;
    const double error = std::abs(double{left[i]} - double{right[i]});
    worst = std::max(worst, std::isnan(error) ? 1e9 : error);
  }
  return worst / std::sqrt(variance);
}

// A pass of 40 tokens runs a program for prefill. Passes of 1 and of 5 tokens
// run the two programs for decoding: one is for a single token, and the other
// one for 2 to 8 tokens. Keys, values, and the activations of the NVFP4 matrix
// are rounded to float16, so the logits are not exactly the published ones.
TEST_F(GpuTypesTest, LogitsAreThePublishedOnes) {
  const std::string plan = pack("nvfp4.air", /*weightless=*/false);
  const Published facts = published();
  rt::SessionOptions options;
  options.gpu = test::openGpu;
  {
    Result<Session> session = Session::open(plan, options);
    ASSERT_TRUE(session) << session.status().message();
    double worst = 0;
    for (const std::vector<size_t> &passes :
         {std::vector<size_t>{40}, std::vector<size_t>{1, 5, 1}}) {
      const SequenceId sequence = *session->newSequence();
      size_t first = 0;
      for (const size_t count : passes) {
        const auto begin = facts.tokens.begin() + static_cast<ptrdiff_t>(first);
        std::vector<uint32_t> outputs(count);
        std::iota(outputs.begin(), outputs.end(), 0);
        const Rows rows =
            test::run(*session, {begin, begin + static_cast<ptrdiff_t>(count)},
                      std::vector(count, sequence), outputs);
        ASSERT_EQ(rows.size(), count);
        for (size_t i = 0; i < count; ++i) {
          worst = std::max(worst, difference(rows[i], facts.rows[first + i]));
        }
        first += count;
      }
      session->endSequence(sequence);
    }
    EXPECT_LT(worst, 2e-3);
  }
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
}

TEST_F(GpuTypesTest, BenchRunsAWeightlessPlanWithRandomWeights) {
  const std::string plan = pack("weightless.air", /*weightless=*/true);
  const std::string bench = "bench " + plan + " -p 12 -n 2 --rounds 1 --json ";
  const std::string report = airrun(bench + "--random-weights");
  EXPECT_THAT(report, HasSubstr("\"gpu\": \"h100\""));
  EXPECT_GT(numberAfter(report, "\"tok_s\": ", "\"decode\": "), 0);
  EXPECT_THAT(airrun(bench + "2>&1", 4), HasSubstr("the plan is weightless"));
  const std::string full = pack("full.air", /*weightless=*/false);
  EXPECT_THAT(airrun("bench " + full + " --random-weights 2>&1", 2),
              HasSubstr("--random-weights is for weightless plans"));
}

/// The scale of a block, called d in GGUF, with which random indices decode to
/// weights with a standard deviation of about 0.02.
float scaleOf(DType dtype) {
  switch (dtype) {
  case DType::IQ1_S:
  case DType::IQ1_M:
    return 0.02F / (8 * 0.8F);
  case DType::IQ3_XXS:
    return 0.02F / (4 * 33);
  case DType::IQ3_S:
    return 0.02F / (16 * 9);
  default: // IQ2
    return 0.02F / (2 * 27);
  }
}

/// Blocks of IQ1, IQ2 or IQ3 with random indices, signs and scales.
test::Bytes randomBlocks(DType dtype, size_t bytes, std::mt19937 &random) {
  test::Bytes blocks(bytes);
  for (uint8_t &byte : blocks) {
    byte = static_cast<uint8_t>(random());
  }
  const auto half = static_cast<_Float16>(scaleOf(dtype));
  uint16_t d;
  std::memcpy(&d, &half, sizeof d);
  for (size_t at = 0; at < bytes; at += info(dtype).blockBytes) {
    if (dtype == DType::IQ1_M) {
      // The upper 4 bits of each of the last four words hold 4 bits of d.
      for (int word = 0; word < 4; ++word) {
        uint8_t &byte = blocks[at + 49 + 2 * word];
        byte = static_cast<uint8_t>((byte & 15) | (d >> (4 * word) & 15) << 4);
      }
    } else {
      std::memcpy(&blocks[at], &d, sizeof d);
    }
  }
  return blocks;
}

/// A model of one layer. Its matrices have all dtypes of IQ1, IQ2 and IQ3.
test::Bytes modelOfIndices() {
  constexpr uint64_t kWidth = 256;
  constexpr uint64_t kVocabulary = 300;
  std::mt19937 random(7);
  test::GgufBuilder builder;
  builder.text("general.architecture", "llama")
      .value<uint32_t>("llama.block_count", 1)
      .value<uint32_t>("llama.context_length", 256)
      .value<uint32_t>("llama.embedding_length", kWidth)
      .value<uint32_t>("llama.feed_forward_length", kWidth)
      .value<uint32_t>("llama.attention.head_count", 8)
      .value<uint32_t>("llama.attention.head_count_kv", 2)
      .value<float>("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  for (const char *norm :
       {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"}) {
    test::Bytes ones(kWidth * sizeof(float));
    for (uint64_t i = 0; i < kWidth; ++i) {
      const float one = 1;
      std::memcpy(&ones[i * sizeof one], &one, sizeof one);
    }
    builder.tensor({norm + std::string(".weight"),
                    {kWidth},
                    static_cast<uint32_t>(DType::F32),
                    ones});
  }
  const struct {
    const char *name;
    DType dtype;
    uint64_t rows;
  } matrices[] = {{"token_embd", DType::IQ1_S, kVocabulary},
                  {"output", DType::IQ3_XXS, kVocabulary},
                  {"blk.0.attn_q", DType::IQ2_XXS, kWidth},
                  {"blk.0.attn_k", DType::IQ2_XXS, 64},
                  {"blk.0.attn_v", DType::IQ2_S, 64},
                  {"blk.0.attn_output", DType::IQ1_S, kWidth},
                  {"blk.0.ffn_gate", DType::IQ3_S, kWidth},
                  {"blk.0.ffn_up", DType::IQ2_XS, kWidth},
                  {"blk.0.ffn_down", DType::IQ1_M, kWidth}};
  for (const auto &matrix : matrices) {
    const uint64_t bytes = matrix.rows * *rowBytes(matrix.dtype, kWidth);
    builder.tensor({matrix.name + std::string(".weight"),
                    {kWidth, matrix.rows},
                    static_cast<uint32_t>(matrix.dtype),
                    randomBlocks(matrix.dtype, bytes, random)});
  }
  return builder.build();
}

struct IndexTarget {
  const char *name;
  int capability; ///< of the fake driver's GPU
  Layout layout;  ///< the one that airpack chooses for IQ1, IQ2 and IQ3
};

class GpuIndexTypesTest : public testing::TestWithParam<IndexTarget> {
protected:
  /// Makes the model, and packs it for this CPU.
  static void SetUpTestSuite() {
    const test::Bytes bytes = modelOfIndices();
    std::ofstream(folder().model(), std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    CompileOptions options;
    options.model = folder().model();
    options.threads = 2;
    options.activations = "f32";
    options.kvType = "f16";
    const Status packed = packModel(options, folder().path("cpu.air")).status();
    ASSERT_TRUE(packed.isOk()) << packed.message();
  }
  void SetUp() override { fakeCuda.capability = GetParam().capability; }
  void TearDown() override {
    EXPECT_EQ(fakeCudaLiveObjects(), 0);
    fakeCuda.capability = 90;
  }
};

// A pass of 12 tokens runs a program for prefill, and passes of 1 and of 5
// tokens run the two programs for decoding.
TEST_P(GpuIndexTypesTest, LogitsAndTokensAreThoseOfTheCpu) {
  CompileOptions options;
  options.model = folder().model();
  options.threads = 2;
  options.target = GetParam().name;
  options.cuda = test::emulatorCompiler();
  const Result<PlanFile> forGpu = packModel(options, folder().path("gpu.air"));
  ASSERT_TRUE(forGpu) << forGpu.status().message();
  size_t matrices = 0;
  for (const plan::Tensor *tensor : *forGpu->plan().tensors()) {
    const auto layout = static_cast<Layout>(tensor->layout());
    if (tensor->rows() > 1 && layout != Layout::Rows) {
      EXPECT_EQ(layout, GetParam().layout) << tensor->name()->str();
      ++matrices;
    }
  }
  // All but the embeddings, which stay as they are.
  EXPECT_GE(matrices, 7U);

  Session cpu = test::openPlan(folder().path("cpu.air"));
  Session gpu = test::openPlan(folder().path("gpu.air"));
  ASSERT_NE(gpu.gpu(), nullptr);
  const SequenceId sequence = *cpu.newSequence();
  ASSERT_EQ(*gpu.newSequence(), sequence);
  std::vector<int32_t> tokens(12);
  for (const size_t count : {12, 1, 5, 1}) {
    SCOPED_TRACE(count);
    tokens.resize(count);
    for (size_t i = 1; i < count; ++i) {
      tokens[i] = static_cast<int32_t>(i * 37 + count * 11) % 300;
    }
    const Rows rows = runBoth(cpu, gpu, tokens, std::vector(count, sequence));
    tokens = {greedy(rows.back())};
  }
}

INSTANTIATE_TEST_SUITE_P(
    Targets, GpuIndexTypesTest,
    testing::Values(IndexTarget{"h200", 90, Layout::T16},
                    IndexTarget{"rtx4090", 89, Layout::T16Indices}),
    [](const auto &test) { return std::string(test.param.name); });

} // namespace
} // namespace air
