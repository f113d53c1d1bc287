//===- GpuTypesTest.cpp - matrices of unusual types on a GPU --------------===//
//
// In nvfp4.gguf, some matrices are float32. The gate matrix and the up matrix
// have different types, and only one of them has a scale. make_shapes.py, which
// is in the same folder as nvfp4.gguf, has computed the model's logits in
// float64. The fake driver's GPU has compute capability 9.0, which is that of
// an H100.
//
//===----------------------------------------------------------------------===//
#include "EmulatedGpu.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"
#include "test/compiler/driver/GpuModel.h"

#include "nlohmann/json.hpp"

#include <cmath>
#include <cstring>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>

namespace air {
namespace {

using compiler::CompileOptions;
using compiler::GpuModel;
using rt::SequenceId;
using rt::Session;
using test::airrun;
using test::numberAfter;
using test::Rows;
using testing::HasSubstr;

std::string inputs(const char *extension) {
  return std::string(AIR_TEST_INPUTS) + "/models/tiny/nvfp4" + extension;
}

class GpuTypesTest : public testing::Test {
protected:
  /// Packs the model as `name` into a folder that all tests share, without its
  /// weights if `weightless` is true. Returns the plan's path.
  static std::string pack(const std::string &name, bool weightless) {
    static const GpuModel folder;
    CompileOptions options;
    options.model = inputs(".gguf");
    options.target = "h100";
    options.cuda = test::emulatorCompiler();
    options.threads = 2;
    options.weightless = weightless;
    const Status packed = packModel(options, folder.path(name)).status();
    EXPECT_TRUE(packed.isOk()) << packed.message();
    return folder.path(name);
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

} // namespace
} // namespace air
