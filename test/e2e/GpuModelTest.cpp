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
#include <bit>
#include <cmath>
#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <mutex>

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
  /// Compiles each text only once.
  Result<std::vector<uint8_t>>
  compile(const std::string &kernel, const std::string &,
          const codegen::cuda::CudaTarget &) const override {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (const auto found = known.find(kernel); found != known.end()) {
        return found->second;
      }
    }
    Result<std::vector<uint8_t>> object = emulator::compileObject({kernel});
    if (object) {
      const std::lock_guard<std::mutex> lock(mutex);
      known[kernel] = *object;
    }
    return object;
  }

private:
  std::string text;
  mutable std::mutex mutex;
  mutable std::map<std::string, std::vector<uint8_t>> known;
};

/// A compiler of kernels for the emulator.
std::shared_ptr<EmulatorCompiler> emulatorCompiler() {
  static std::shared_ptr<EmulatorCompiler> made;
  if (!made) {
    Result<std::string> intrinsics = emulator::hostIntrinsicsText();
    EXPECT_TRUE(intrinsics) << intrinsics.status().message();
    made = std::make_shared<EmulatorCompiler>(*std::move(intrinsics));
  }
  return made;
}

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
  /// Packs the model for a GPU whose kernels the emulator runs. `vram` is the
  /// size of its memory, or 0 for that of the target.
  static void packForGpu(const std::string &target, const std::string &plan,
                         uint64_t vram = 0) {
    CompileOptions options;
    options.target = target;
    options.cuda = emulatorCompiler();
    options.vram = vram;
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

/// The bytes of an item of tier Vram; 0 if there is none.
uint64_t vramItem(const plan::Placement &placement, const std::string &name) {
  for (const plan::BudgetItem *item : *placement.items()) {
    if (item->tier() == plan::Tier::Vram && item->name()->str() == name) {
      return item->bytes();
    }
  }
  return 0;
}

class GpuStreamTest : public GpuModelTest {
protected:
  static void SetUpTestSuite() {
    folder = new GpuModel();
    const Status made = folder->make("--type F16 --layers 3");
    ASSERT_TRUE(made.isOk()) << made.message();
    packForGpu("h100", "all.air");
  }

  /// Packs the model for a GPU whose memory has room for the given share of the
  /// weights. Returns the name of the plan and the bytes of all weights.
  static std::pair<std::string, uint64_t> packPart(uint64_t percent) {
    Result<PlanFile> file = PlanFile::open(folder->path("all.air"));
    EXPECT_TRUE(file) << file.status().message();
    const plan::Placement &all = *file->plan().placements()->Get(0);
    EXPECT_EQ(all.device_ring_bytes(), 0U);
    const uint64_t weights = vramItem(all, "weights");
    uint64_t bytes = compiler::kDriverBytes + weights * percent / 100;
    for (const char *item : {"kv", "activations", "batch", "kernels"}) {
      bytes += vramItem(all, item);
    }
    const std::string name = std::to_string(percent) + ".air";
    packForGpu("h100", name, bytes);
    return {name, weights};
  }

  /// The logits of a prompt, of single tokens, and of two sequences together.
  static Rows runAll(Session &session) {
    const SequenceId first = *session.newSequence();
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < 11; ++i) {
      prompt.push_back((i * 37 + 11) % 300);
    }
    // Without outputs, the head does not run, and its weights are not copied.
    const std::vector<SequenceId> sequences(prompt.size(), first);
    EXPECT_TRUE(
        session
            .run({prompt, sequences, {}},
                 [](uint64_t, std::span<const float>) { return Status::ok(); })
            .isOk());
    Rows rows = run(session, {3, 4, 5}, {first, first, first});
    for (int i = 0; i < 2; ++i) {
      rows.push_back(run(session, {greedy(rows.back())}, {first}).back());
    }
    const Result<SequenceId> second = session.fork(first, 9);
    EXPECT_TRUE(second);
    for (const std::vector<float> &row :
         run(session, {7, 8, 9}, {*second, first, *second})) {
      rows.push_back(row);
    }
    return rows;
  }
};

// The more of the weights must be copied in every pass, the smaller the memory
// of the GPU is. The logits are those of the plan that keeps all of them there,
// bit for bit, whether copies are made as late or as early as the events allow.
TEST_F(GpuStreamTest, LogitsDoNotDependOnWhatStaysInVram) {
  const auto bitsOf = [](const Rows &rows) {
    std::vector<uint32_t> bits;
    for (const std::vector<float> &row : rows) {
      for (const float value : row) {
        bits.push_back(std::bit_cast<uint32_t>(value));
      }
    }
    return bits;
  };
  fakeCuda = {};
  std::vector<uint32_t> expected;
  {
    Session session = open("all.air");
    expected = bitsOf(runAll(session));
    EXPECT_EQ(session.copiedBytes(), 0U);
  }
  uint64_t copied = 0;
  for (const uint64_t percent : {75, 50, 25}) {
    SCOPED_TRACE(percent);
    const auto [name, weights] = packPart(percent);
    for (const bool isEarly : {false, true}) {
      fakeCuda = {};
      fakeCuda.copiesEarly = isEarly;
      Session session = open(name);
      const plan::Placement &chosen = *session.plan().placements()->Get(0);
      EXPECT_LE(vramItem(chosen, "weights") + vramItem(chosen, "ring"),
                weights * percent / 100);
      uint64_t perPass = 0;
      for (const plan::StreamRead *read : *chosen.device_reads()) {
        perPass += read->bytes();
      }
      EXPECT_GT(perPass, weights * (100 - percent) / 100);
      EXPECT_EQ(bitsOf(runAll(session)), expected) << isEarly;
      // There are six passes, two of them without the head. Copies for the next
      // pass may have been made as well.
      EXPECT_GT(session.copiedBytes(), 4 * perPass);
      EXPECT_LE(session.copiedBytes(), 7 * perPass);
      EXPECT_EQ(session.loading().done, session.loading().total);
      EXPECT_TRUE(isEarly || perPass > copied);
      copied = perPass;
    }
  }
  fakeCuda = {};
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
}

TEST_F(GpuStreamTest, AirrunRunsThePlan) {
  const std::string all = folder->path("all.air");
  const std::string streamed = folder->path(packPart(50).first);
  const std::string generate =
      " --tokens 5,80,250 -n 3 --temp 0 --output-tokens "
      "--ignore-eos 2> /dev/null";
  EXPECT_EQ(airrun(streamed + generate), airrun(all + generate));
  const std::string report =
      airrun("bench " + streamed + " -p 2 -n 2 --rounds 1 --json");
  EXPECT_NEAR(numberAfter(report, "\"limit_gb_s\": ", "{\"name\": \"pcie\""),
              10, 0.25);
  EXPECT_GT(numberAfter(report, "\"bytes_per_token\": ", "{\"name\": \"pcie\""),
            1e5);
}

} // namespace
} // namespace air
