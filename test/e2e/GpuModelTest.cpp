//===- GpuModelTest.cpp - a model on a GPU gives the CPU's logits ---------===//
//
// airpack's compiler makes two plans of one model: one for this CPU, and one
// for a GPU that the emulator stands in for. The runtime runs both plans, the
// second one through the fake libcuda.so.1, and the logits are compared.
//
//===----------------------------------------------------------------------===//
#include "test/compiler/driver/GpuModel.h"
#include "EmulatedGpu.h"
#include "runtime/exec/Generator.h"
#include "runtime/exec/Session.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <set>

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
using test::run;
using test::runBoth;

class GpuModelTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    CompileOptions options;
    options.activations = "f32";
    options.kvType = "f16";
    pack(options, "cpu.air");
  }
  /// The folder with the model and its plans. All tests share it.
  static GpuModel &folder() {
    static GpuModel model;
    return model;
  }
  /// Packs the model unless the plan exists.
  static void pack(CompileOptions options, const std::string &plan) {
    static std::set<std::string> made;
    if (made.empty()) {
      // The longest prompt has 513 tokens.
      const Status model = folder().make("--type Q4_K_M --layers 1", 1024);
      ASSERT_TRUE(model.isOk()) << model.message();
    }
    if (made.insert(plan).second) {
      options.model = folder().model();
      options.threads = 2;
      options.slots = 3;
      const Status packed = packModel(options, folder().path(plan)).status();
      ASSERT_TRUE(packed.isOk()) << packed.message();
    }
  }
  /// Packs the model as TARGET.air for a GPU whose kernels the emulator runs;
  /// with PTX, as TARGET.ptx.air.
  static void packForGpu(const std::string &target, bool ptx = false) {
    CompileOptions options;
    options.target = target;
    options.cuda = test::emulatorCompiler();
    options.ptx = ptx;
    pack(options, target + (ptx ? ".ptx.air" : ".air"));
  }
  static Session open(const std::string &plan) {
    return test::openPlan(folder().path(plan));
  }
};

struct GpuTarget {
  const char *name;
  int capability; ///< of the fake driver's GPU
};

class GpuTargetTest : public GpuModelTest,
                      public testing::WithParamInterface<GpuTarget> {
protected:
  void SetUp() override {
    fakeCuda.capability = GetParam().capability;
    packForGpu(GetParam().name);
  }
  void TearDown() override { EXPECT_EQ(fakeCudaLiveObjects(), 0); }
  static std::string plan() { return std::string(GetParam().name) + ".air"; }
};

std::vector<uint32_t> allOf(size_t count) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

/// `count` token ids, which depend on `seed`.
std::vector<int32_t> tokensOf(int32_t count, int32_t seed) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < count; ++i) {
    tokens.push_back((i * 37 + seed * 11) % 300);
  }
  return tokens;
}

// Runs prompts of several lengths, and a single token after each of them. After
// the prompt of 17 tokens, a second sequence is forked from the first 9 tokens,
// and both sequences run in one batch. Then the first sequence is truncated to
// 5 tokens, and 17 other tokens follow.
TEST_P(GpuTargetTest, LogitsAndTokensAreThoseOfTheCpu) {
  Session cpu = open("cpu.air");
  Session gpu = open(plan());
  ASSERT_NE(gpu.gpu(), nullptr);
  // A page of the KV cache has 64 positions, and a pass has at most 512 tokens.
  // With AIR_TEST_ALL, prompts just below, at and just above these limits are
  // tested. Without it, only 64 and either 63 or 65 of these are tested.
  std::vector<int32_t> lengths = {1, 8, 9, 17, 64, 130};
  if (std::getenv("AIR_TEST_ALL") != nullptr) {
    lengths.insert(lengths.end(), {63, 65, 511, 512, 513});
  } else {
    lengths.push_back(GetParam().capability == 86 ? 63 : 65);
  }
  for (const int32_t length : lengths) {
    SCOPED_TRACE(length);
    const SequenceId first = *cpu.newSequence();
    ASSERT_EQ(*gpu.newSequence(), first);
    int32_t next = greedy(
        runBoth(cpu, gpu, tokensOf(length, 1), std::vector(length, first))
            .back());
    EXPECT_EQ(gpu.loading().done, gpu.loading().total);
    next = greedy(runBoth(cpu, gpu, {next}, {first}).back());
    if (length == 17) {
      Result<SequenceId> second = cpu.fork(first, 9);
      Result<SequenceId> forked = gpu.fork(first, 9);
      ASSERT_TRUE(second && forked);
      ASSERT_EQ(*second, *forked);
      runBoth(cpu, gpu, {next, 7, 8}, {first, *second, *second});
      ASSERT_TRUE(cpu.truncate(first, 5).isOk());
      ASSERT_TRUE(gpu.truncate(first, 5).isOk());
      std::vector<SequenceId> mixed = {*second, first, first, *second};
      mixed.resize(19, first);
      runBoth(cpu, gpu, tokensOf(19, 3), mixed);
      cpu.endSequence(*second);
      gpu.endSequence(*second);
    }
    cpu.endSequence(first);
    gpu.endSequence(first);
  }
}

// The batch has more tokens than fit in a pass, so the third prompt is divided
// between two passes.
TEST_P(GpuTargetTest, APromptMayContinueInTheNextPass) {
  Session cpu = open("cpu.air");
  Session gpu = open(plan());
  std::vector<SequenceId> sequences;
  std::vector<SequenceId> each;
  for (const int32_t length : {200, 250, 80}) {
    each.push_back(*cpu.newSequence());
    ASSERT_EQ(*gpu.newSequence(), each.back());
    sequences.insert(sequences.end(), length, each.back());
  }
  ASSERT_GT(sequences.size(), gpu.maxTokens());
  const auto tokens = tokensOf(static_cast<int32_t>(sequences.size()), 5);
  runBoth(cpu, gpu, tokens, sequences, {199, 449, 511, 512, 529});
  runBoth(cpu, gpu, {1, 2, 3}, each);
}

// Three sequences are decoded together, and then one of them alone. The first
// two get a new page of the KV cache during these steps.
TEST_P(GpuTargetTest, TheGpuChoosesTheTokensOfTheCpu) {
  Session cpu = open("cpu.air");
  Session gpu = open(plan());
  std::vector<SequenceId> all;
  std::vector<SequenceId> sequences;
  std::vector<uint32_t> outputs;
  for (const int32_t length : {63, 126, 5}) {
    all.push_back(*cpu.newSequence());
    ASSERT_EQ(*gpu.newSequence(), all.back());
    sequences.insert(sequences.end(), length, all.back());
    outputs.push_back(static_cast<uint32_t>(sequences.size() - 1));
  }
  const auto prompts = tokensOf(static_cast<int32_t>(sequences.size()), 4);
  std::vector<int32_t> tokens;
  for (const std::vector<float> &row :
       runBoth(cpu, gpu, prompts, sequences, outputs)) {
    tokens.push_back(greedy(row));
  }
  for (int step = 0; step < 6; ++step) {
    SCOPED_TRACE(step);
    const size_t count = step < 4 ? all.size() : 1;
    const std::span ids = std::span(all).first(count);
    tokens.resize(count);
    ASSERT_TRUE(gpu.canChoose(count));
    const auto lengthOf = [&](SequenceId sequence) {
      return gpu.length(sequence) % AIR_KV_PAGE_TOKENS;
    };
    const bool needsCopy = step == 0 || step == 4 ||
                           std::ranges::find(ids, 0, lengthOf) != ids.end();
    const FakeCuda before = fakeCuda;
    std::vector<int32_t> chosen(count);
    // In steps 0, 2 and 4, choose() is told that another step will follow. In
    // steps 2 and 4, it therefore starts the next pass ahead of time. In step
    // 0, it cannot, because the first sequence then needs another page.
    const Status status =
        gpu.choose(tokens, ids, chosen, /*continues=*/step % 2 == 0);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_EQ(fakeCuda.bytesToHost - before.bytesToHost, 4 * count);
    EXPECT_EQ(fakeCuda.bytesFromHost != before.bytesFromHost, needsCopy);
    const Rows rows = run(cpu, tokens, {ids.begin(), ids.end()}, allOf(count));
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(chosen[i], greedy(rows[i])) << i;
    }
    tokens = chosen;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, GpuTargetTest,
                         testing::Values(GpuTarget{"rtx3060", 86},
                                         GpuTarget{"h100", 90}),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });

/// Sampler options with which a GPU can choose tokens (rt::drawOnGpu()). All of
/// them have different seeds, which depend on `seed`.
std::vector<rt::SamplerOptions> drawnOptions(uint64_t seed) {
  std::vector<rt::SamplerOptions> all(8);
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].seed = 0x9876543210U * seed + i;
  }
  all[1].topK = 90;
  all[1].topP = 1;
  all[1].minP = 0;
  all[2].topK = 60;
  all[2].topP = 0.5F;
  all[3].topK = 7;
  all[3].topP = 1;
  all[3].temperature = 1.7F;
  all[4].topK = 2;
  all[4].topP = 1;
  all[4].minP = 0.3F;
  all[5].temperature = 0; // the best one
  all[6].temperature = 3;
  all[6].samplers = {SamplerKind::TopK, SamplerKind::Temperature};
  all[7].topK = 200;
  all[7].topP = 0.99F;
  all[7].minP = 0.001F;
  return all;
}

// Two sessions run the same kernels. In the first one, the GPU also chooses the
// tokens, and some passes are started ahead of time (Executor.h). In the second
// one, samplers on the host choose the tokens from the logits. Each sequence
// has sampler options of its own.
TEST_F(GpuModelTest, TheGpuDrawsTheTokensOfTheHost) {
  packForGpu("rtx3060");
  fakeCuda.capability = 86;
  {
    Session gpu = open("rtx3060.air");
    Session host = open("rtx3060.air");
    ASSERT_TRUE(gpu.canDraw(8));
    const uint64_t rounds = std::getenv("AIR_TEST_ALL") != nullptr ? 20 : 3;
    for (uint64_t round = 0; round < rounds; ++round) {
      SCOPED_TRACE(round);
      const std::vector<rt::SamplerOptions> options = drawnOptions(round);
      std::vector<SequenceId> ids;
      std::vector<rt::Sampler> samplers;
      std::vector<TokenDraw> draws;
      for (const rt::SamplerOptions &one : options) {
        ids.push_back(*gpu.newSequence());
        ASSERT_EQ(*host.newSequence(), ids.back());
        const auto vocabulary = static_cast<int32_t>(gpu.vocabulary());
        samplers.push_back(*rt::Sampler::create(one, vocabulary));
        const std::optional<TokenDraw> draw = rt::drawOnGpu(one, vocabulary);
        ASSERT_TRUE(draw);
        draws.push_back(*draw);
      }
      std::vector<int32_t> tokens =
          tokensOf(8, static_cast<int32_t>(100 + round));
      for (int step = 0; step < 4; ++step) {
        std::vector<int32_t> chosen(8);
        const Status status =
            gpu.choose(tokens, ids, chosen, /*continues=*/step < 2, draws);
        ASSERT_TRUE(status.isOk()) << status.message();
        const Rows rows = run(host, tokens, ids, allOf(8));
        for (size_t i = 0; i < 8; ++i) {
          ASSERT_EQ(chosen[i], *samplers[i].sample(rows[i])) << step << i;
          draws[i].draws += draws[i].isBest == 0 ? 1 : 0;
        }
        tokens = chosen;
      }
      for (const SequenceId id : ids) {
        gpu.endSequence(id);
        host.endSequence(id);
      }
    }
  }
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
  fakeCuda = {};
}

/// Allows every token. If there is a filter, the host chooses all tokens.
class AllowAll final : public rt::TokenFilter {
public:
  bool allows(int32_t) override { return true; }
  void mask(std::span<float>) override {}
  Status accept(int32_t) override { return Status::ok(); }
};

// An answer does not depend on whether the GPU or the host draws its tokens. In
// both cases, the host draws the first token, because the prompt has several
// tokens.
TEST_F(GpuModelTest, AnAnswerIsTheSameWhoeverDraws) {
  packForGpu("rtx3060");
  fakeCuda.capability = 86;
  {
    Session session = open("rtx3060.air");
    for (const size_t which : {0, 1}) {
      std::vector<int32_t> answers[2];
      for (const bool isFiltered : {false, true}) {
        AllowAll filter;
        rt::GenerateOptions options;
        options.sampler = drawnOptions(77)[which];
        options.maxTokens = 5;
        options.ignoreEndOfText = true;
        options.filter = isFiltered ? &filter : nullptr;
        const auto generator = rt::Generator::create(session, nullptr, options);
        ASSERT_TRUE(generator) << generator.status().message();
        ASSERT_TRUE((*generator)->prompt(tokensOf(5, 9)).isOk());
        const FakeCuda before = fakeCuda;
        for (uint64_t i = 0; i < options.maxTokens; ++i) {
          const auto token = (*generator)->next();
          ASSERT_TRUE(token && *token) << token.status().message();
          answers[isFiltered ? 1 : 0].push_back((*token)->id);
        }
        // The first token was chosen in prompt(). For each of the other four,
        // the host gets a row of logits or, if the GPU chooses, a token id.
        const uint64_t logits = 4 * session.vocabulary() * sizeof(float);
        EXPECT_EQ(fakeCuda.bytesToHost - before.bytesToHost,
                  isFiltered ? logits : 4 * sizeof(uint32_t));
      }
      EXPECT_EQ(answers[0], answers[1]) << which;
    }
  }
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
  fakeCuda = {};
}

// The plan has machine code for compute capability 8.6, and PTX. Here the GPU
// has compute capability 12.0 and refuses the machine code with the CUresult
// 209 (CUDA_ERROR_NO_BINARY_FOR_GPU), so the runtime must load the PTX.
TEST_F(GpuModelTest, ANewerGpuRunsThePtx) {
  packForGpu("rtx3060", /*ptx=*/true);
  fakeCuda = {.capability = 120, .cubinResult = 209};
  {
    Session cpu = open("cpu.air");
    Session gpu = open("rtx3060.ptx.air");
    ASSERT_NE(gpu.gpu(), nullptr);
    const SequenceId sequence = *cpu.newSequence();
    ASSERT_EQ(*gpu.newSequence(), sequence);
    runBoth(cpu, gpu, {5, 80, 250}, std::vector(3, sequence));
    EXPECT_GT(fakeCuda.ptxModules, 0);
  }
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
  fakeCuda = {};
}

// airrun runs in a process of its own. There, the fake driver's GPU always has
// compute capability 9.0, which is that of an H100.
TEST_F(GpuModelTest, AirrunRunsThePlan) {
  packForGpu("h100");
  const std::string cpu = folder().path("cpu.air");
  const std::string gpu = folder().path("h100.air");
  const std::string generate =
      " --tokens 5,80,250,7,8,9,10,11,12,13,14 -n 3 --temp 0 --output-tokens "
      "--ignore-eos 2> /dev/null";
  EXPECT_EQ(airrun(gpu + generate), airrun(cpu + generate));
  const std::string report =
      airrun("bench " + gpu + " -p 12 -n 1 --rounds 1 --verify-curve=2 --json");
  EXPECT_THAT(report, testing::HasSubstr("\"gpu\": \"h100\""));
  // A copy within the fake driver's GPU reads 10 GB/s and writes 10 GB/s.
  EXPECT_NEAR(numberAfter(report, "\"limit_gb_s\": "), 20, 0.5);
  EXPECT_NEAR(numberAfter(report, "\"upload_gb_s\": "), 10, 0.25);
  EXPECT_NEAR(numberAfter(report, "\"tok_s\": ", "\"decode\": ") /
                  numberAfter(report, "\"bound_tok_s\": ") /
                  numberAfter(report, "\"eta\": "),
              1, 1e-4);
  EXPECT_THAT(report, testing::HasSubstr("\"verify_curve\": [{\"tokens\": 1,"));
}

/// How many kernels `airrun bench` runs to decode `tokens` tokens twice: once
/// to warm up, and once measured.
int benchLaunches(const std::string &plan, int tokens) {
  const std::string count = plan + ".launches";
  setenv("AIR_FAKE_CUDA_LAUNCHES", count.c_str(), 1);
  airrun("bench " + plan + " -p 0 -n " + std::to_string(tokens) +
         " --rounds 1 2> /dev/null");
  unsetenv("AIR_FAKE_CUDA_LAUNCHES");
  int launches = 0;
  std::ifstream(count) >> launches;
  return launches;
}

// While `bench` decodes, the pass for the next token may be started ahead of
// time (Executor.h). After the last token, no pass may be started, because
// nothing would need its result.
TEST_F(GpuModelTest, BenchRunsNoPassInVain) {
  packForGpu("h100");
  const std::string plan = folder().path("h100.air");
  const int two = benchLaunches(plan, 2);
  // Each of the two tokens is decoded twice. A pass runs at least 8 kernels:
  // five for the layer, and three or more others.
  EXPECT_GE(two, 2 * 2 * 8);
  EXPECT_EQ(benchLaunches(plan, 4), 2 * two);
}

} // namespace
} // namespace air
