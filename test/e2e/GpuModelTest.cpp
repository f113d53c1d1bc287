//===- GpuModelTest.cpp - a model on a GPU gives the CPU's logits ---------===//
//
// airpack's compiler makes two plans of one model: for this CPU, and for a GPU
// that the emulator stands in for. The runtime runs both, the second one
// through the fake libcuda.so.1.
//
//===----------------------------------------------------------------------===//
#include "test/compiler/driver/GpuModel.h"
#include "runtime/exec/Session.h"
#include "runtime/hal/cuda/CudaDevice.h"
#include "test/codegen/cuda/emulator/Emulator.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air {
namespace {

using compiler::CompileOptions;
using compiler::GpuModel;
using rt::SequenceId;
using rt::Session;
using Rows = std::vector<std::vector<float>>;

class EmulatorCompiler final : public codegen::cuda::CudaCompiler {
public:
  explicit EmulatorCompiler(std::string intrinsicsText)
      : text(std::move(intrinsicsText)) {}
  std::string_view intrinsics() const override { return text; }
  std::string version() const override { return "emulator"; }
  Result<std::vector<uint8_t>>
  compile(const std::string &kernel, const std::string &,
          const codegen::cuda::CudaTarget &) const override {
    return emulator::compileObject({kernel});
  }

private:
  std::string text;
};

Result<std::unique_ptr<rt::Device>> openGpu(const plan::Device &record) {
  AIR_ASSIGN_OR_RETURN(
      std::unique_ptr<rt::CudaDevice> gpu,
      rt::CudaDevice::create({.gpu = {"", record.arch()->str()}}));
  return std::unique_ptr<rt::Device>(std::move(gpu));
}

/// Runs a batch and returns the logits of all its tokens.
Rows run(Session &session, const std::vector<int32_t> &tokens,
         const std::vector<SequenceId> &sequences) {
  std::vector<uint32_t> outputs(tokens.size());
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    outputs[i] = i;
  }
  Rows rows;
  const uint64_t vocabulary = session.vocabulary();
  const Status status = session.run(
      {tokens, sequences, outputs},
      [&](uint64_t, std::span<const float> logits) {
        for (; !logits.empty(); logits = logits.subspan(vocabulary)) {
          rows.emplace_back(logits.begin(),
                            logits.begin() +
                                static_cast<ptrdiff_t>(vocabulary));
        }
        return Status::ok();
      });
  EXPECT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(rows.size(), tokens.size());
  return rows;
}

int32_t greedy(const std::vector<float> &row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) -
                              row.begin());
}

/// What airrun writes to standard output, with the fake driver. `arguments` may
/// contain redirections. The exit code must be `code`.
std::string airrun(const std::string &arguments, int code = 0) {
  const std::string command =
      "LD_LIBRARY_PATH=" AIR_FAKE_CUDA " " AIR_RUN " " + arguments;
  std::FILE *pipe = popen(command.c_str(), "r");
  std::string text;
  char part[4096];
  while (const size_t got = std::fread(part, 1, sizeof part, pipe)) {
    text.append(part, got);
  }
  const int status = pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status)) << command;
  EXPECT_EQ(WEXITSTATUS(status), code) << command << "\n" << text;
  return text;
}

/// The number after the first `name` that follows `section` in a text.
double numberAfter(const std::string &text, const std::string &name,
                   const std::string &section = "") {
  const size_t begin = text.find(section);
  const size_t at = begin == std::string::npos ? begin : text.find(name, begin);
  EXPECT_NE(at, std::string::npos) << section << name << " in " << text;
  return at == std::string::npos
             ? std::nan("")
             : std::strtod(text.c_str() + at + name.size(), nullptr);
}

/// The difference of two rows, relative to the length of the second one.
double difference(const std::vector<float> &a, const std::vector<float> &b) {
  double error = 0;
  double sum = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    error += std::pow(double{a[i]} - double{b[i]}, 2);
    sum += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(error / sum);
}

class GpuModelTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new GpuModel();
    const Status made = folder->make("--type Q4_K_M --layers 1");
    ASSERT_TRUE(made.isOk()) << made.message();
    CompileOptions options;
    options.activations = "f32";
    options.kvType = "f16";
    pack(options, "cpu.air");
  }
  static void pack(CompileOptions options, const std::string &plan) {
    options.model = folder->model();
    options.threads = 2;
    const Status packed = packModel(options, folder->path(plan)).status();
    ASSERT_TRUE(packed.isOk()) << packed.message();
  }
  /// Packs the model for a GPU whose kernels the emulator runs.
  static void packForGpu(const std::string &target, const std::string &plan) {
    Result<std::string> intrinsics = emulator::hostIntrinsicsText();
    ASSERT_TRUE(intrinsics) << intrinsics.status().message();
    CompileOptions options;
    options.target = target;
    options.cuda = std::make_shared<EmulatorCompiler>(*std::move(intrinsics));
    pack(options, plan);
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }
  static Session open(const std::string &plan) {
    rt::SessionOptions options;
    options.gpu = openGpu;
    Result<Session> session = Session::open(folder->path(plan), options);
    EXPECT_TRUE(session) << session.status().message();
    return *std::move(session);
  }
  /// Runs the same batch on both, compares their logits, and returns those of
  /// the CPU.
  static Rows runBoth(Session &cpu, Session &gpu,
                      const std::vector<int32_t> &tokens,
                      const std::vector<SequenceId> &sequences) {
    const Rows expected = run(cpu, tokens, sequences);
    const Rows found = run(gpu, tokens, sequences);
    for (size_t i = 0; i < std::min(expected.size(), found.size()); ++i) {
      EXPECT_LT(difference(found[i], expected[i]), 1e-3) << "token " << i;
      EXPECT_EQ(greedy(found[i]), greedy(expected[i])) << "token " << i;
    }
    return expected;
  }

  static GpuModel *folder;
};

GpuModel *GpuModelTest::folder = nullptr;

// The prompt takes a full and a padded pass, and then single tokens follow. A
// second sequence continues a copy of the first, and both run in one batch.
TEST_F(GpuModelTest, LogitsAndTokensAreThoseOfTheCpu) {
  packForGpu("rtx3060", "gpu.air");
  fakeCuda.capability = 86;
  {
    Session cpu = open("cpu.air");
    Session gpu = open("gpu.air");
    ASSERT_NE(gpu.gpu(), nullptr);
    const SequenceId first = *cpu.newSequence();
    ASSERT_EQ(*gpu.newSequence(), first);
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < 11; ++i) {
      prompt.push_back((i * 37 + 11) % 300);
    }
    int32_t next = greedy(
        runBoth(cpu, gpu, prompt, std::vector(prompt.size(), first)).back());
    EXPECT_EQ(gpu.loading().done, gpu.loading().total);
    for (int i = 0; i < 2; ++i) {
      next = greedy(runBoth(cpu, gpu, {next}, {first}).back());
    }
    Result<SequenceId> second = cpu.fork(first, 9);
    Result<SequenceId> forked = gpu.fork(first, 9);
    ASSERT_TRUE(second && forked);
    ASSERT_EQ(*second, *forked);
    runBoth(cpu, gpu, {next, 7, 8}, {first, *second, *second});
    ASSERT_TRUE(cpu.truncate(first, 5).isOk());
    ASSERT_TRUE(gpu.truncate(first, 5).isOk());
    runBoth(cpu, gpu, {9, 10, 11, 12, 13},
            {*second, first, first, *second, first});
  }
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
}

// The fake driver's GPU has compute capability 9.0, unless a test changes it.
TEST_F(GpuModelTest, AirrunRunsThePlan) {
  packForGpu("h100", "h100.air");
  const std::string cpu = folder->path("cpu.air");
  const std::string gpu = folder->path("h100.air");
  const std::string generate =
      " --tokens 5,80,250 -n 3 --temp 0 --output-tokens "
      "--ignore-eos 2> /dev/null";
  EXPECT_EQ(airrun(gpu + generate), airrun(cpu + generate));
  const std::string report =
      airrun("bench " + gpu + " -p 2 -n 1 --rounds 1 --verify-curve=2 --json");
  EXPECT_THAT(report, testing::HasSubstr("\"gpu\": \"h100\""));
  // The fake driver's copies within the GPU read and write 10 GB/s each.
  EXPECT_NEAR(numberAfter(report, "\"limit_gb_s\": "), 20, 0.5);
  EXPECT_NEAR(numberAfter(report, "\"upload_gb_s\": "), 10, 0.25);
  EXPECT_NEAR(numberAfter(report, "\"tok_s\": ", "\"decode\": ") /
                  numberAfter(report, "\"bound_tok_s\": ") /
                  numberAfter(report, "\"eta\": "),
              1, 1e-4);
  EXPECT_THAT(report, testing::HasSubstr("\"verify_curve\": [{\"tokens\": 1,"));
}

} // namespace
} // namespace air
