//===- GpuSplitTest.cpp - layers on the CPU, the others on a GPU ----------===//
//
// airpack's compiler gives the first layers of a model to this CPU, and the
// others to a GPU that the emulator stands in for. The logits are compared with
// those of a plan that runs on the CPU alone.
//
//===----------------------------------------------------------------------===//
#include "EmulatedGpu.h"
#include "formats/machine/MachineProfile.h"
#include "runtime/exec/Session.h"
#include "runtime/io/DiskStream.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"
#include "test/compiler/driver/GpuModel.h"
#include "test/compiler/driver/SharedKernels.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air {
namespace {

using compiler::CompileOptions;
using compiler::GpuModel;
using rt::SequenceId;
using rt::Session;
using test::airrun;
using test::greedy;
using test::Rows;
using test::run;
using test::runBoth;

constexpr uint64_t kLayers = 4;

/// A machine with two cores of this machine's CPU and the given GPU.
MachineProfile gpuInThisMachine(const std::string &gpu = "rtx3060") {
  MachineProfile machine = *resolveProfile(gpu);
  const MachineProfile host = hostProfile();
  machine.arch = host.arch;
  machine.features = host.features;
  machine.cores = 2;
  machine.cpu = {};
  return machine;
}

class GpuSplitTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    const Status made = folder().make("--type Q8_0 --layers 4");
    ASSERT_TRUE(made.isOk()) << made.message();
    CompileOptions options;
    pack(options, "cpu.air");
  }
  void SetUp() override { fakeCuda = {.capability = 86}; }
  void TearDown() override {
    EXPECT_EQ(fakeCudaLiveObjects(), 0);
    fakeCuda = {};
  }
  /// The folder with the model and its plans. All tests share it.
  static GpuModel &folder() {
    static GpuModel model;
    return model;
  }
  static void pack(CompileOptions options, const std::string &plan) {
    options.model = folder().model();
    options.activations = "f32";
    options.kvType = "f16";
    options.threads = 2;
    options.slots = 3;
    if (!options.background) {
      options.kernelCache = compiler::sharedKernels();
    }
    const Status packed = packModel(options, folder().path(plan)).status();
    ASSERT_TRUE(packed.isOk()) << packed.message();
  }
  /// Packs the model for gpuInThisMachine() so that the CPU computes the first
  /// `cpuLayers` layers. Returns the name of the plan. `vram` is the size of
  /// the GPU's memory and `ram` is the size of RAM, both in bytes. If a size is
  /// 0, the machine's size is used.
  static std::string packSplit(uint64_t cpuLayers, uint64_t vram = 0,
                               uint64_t ram = 0) {
    CompileOptions options;
    options.machine = gpuInThisMachine();
    options.cuda = test::emulatorCompiler();
    options.cpuLayers = cpuLayers;
    options.vram = vram;
    options.ram = ram;
    const std::string name =
        std::to_string(cpuLayers) + (vram == 0  ? ".air"
                                     : ram == 0 ? ".small.air"
                                                : ".disk.air");
    pack(options, name);
    return name;
  }
  static Session open(const std::string &plan) {
    return test::openPlan(folder().path(plan));
  }
  /// The layers whose steps a device of the plan runs in its first program.
  static std::vector<int32_t> layersOf(const plan::Plan &plan,
                                       uint32_t device) {
    std::vector<int32_t> layers;
    for (const plan::Step *step : *plan.programs()->Get(0)->steps()) {
      const uint32_t executable = step->dispatches()->Get(0)->executable();
      if (plan.executables()->Get(executable)->device() == device &&
          step->layer() >= 0 &&
          (layers.empty() || layers.back() != step->layer())) {
        layers.push_back(step->layer());
      }
    }
    return layers;
  }
};

/// `count` token ids, which depend on `seed`.
std::vector<int32_t> tokensOf(int32_t count, int32_t seed) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < count; ++i) {
    tokens.push_back((i * 37 + seed * 11) % 300);
  }
  return tokens;
}

class LayersTest : public GpuSplitTest,
                   public testing::WithParamInterface<uint64_t> {};

// The plan has programs for up to 1, 8, 64 and more tokens, and a page of the
// KV cache has 64 positions. Except for 17, the lengths of the prompts are at,
// just below or just above these limits. Unless AIR_TEST_ALL is set, only some
// lengths are tested. Each prompt is followed by a single token. After the
// prompt of 17 tokens, the sequence is also forked, and both sequences run in
// one batch.
TEST_P(LayersTest, LogitsAndTokensAreThoseOfTheCpu) {
  Session cpu = open("cpu.air");
  Session split = open(packSplit(GetParam()));
  ASSERT_NE(split.gpu(), nullptr);
  EXPECT_GT(split.threads(), 0U);
  EXPECT_EQ(layersOf(split.plan(), 0).size(), GetParam());
  EXPECT_EQ(layersOf(split.plan(), 1).size(), kLayers - GetParam());
  std::vector<int32_t> lengths =
      GetParam() == 1 ? std::vector{1, 9, 17} : std::vector{8, 17, 65};
  if (std::getenv("AIR_TEST_ALL") != nullptr) {
    lengths = {1, 8, 9, 17, 63, 64, 65};
  }
  for (const int32_t length : lengths) {
    SCOPED_TRACE(length);
    const SequenceId first = *cpu.newSequence();
    ASSERT_EQ(*split.newSequence(), first);
    int32_t next = greedy(
        runBoth(cpu, split, tokensOf(length, 1), std::vector(length, first))
            .back());
    EXPECT_EQ(split.loading().done, split.loading().total);
    next = greedy(runBoth(cpu, split, {next}, {first}).back());
    if (length == 17) {
      const Result<SequenceId> second = cpu.fork(first, 9);
      const Result<SequenceId> forked = split.fork(first, 9);
      ASSERT_TRUE(second && forked);
      ASSERT_EQ(*second, *forked);
      runBoth(cpu, split, {next, 7, 8}, {first, *second, *second});
      ASSERT_TRUE(cpu.truncate(first, 5).isOk());
      ASSERT_TRUE(split.truncate(first, 5).isOk());
      std::vector<SequenceId> mixed = {*second, first, first, *second};
      mixed.resize(19, first);
      runBoth(cpu, split, tokensOf(19, 3), mixed);
      cpu.endSequence(*second);
      split.endSequence(*second);
    }
    cpu.endSequence(first);
    split.endSequence(first);
  }
}

// Two sequences are decoded. During these steps, one of them needs a new page,
// in the KV cache of the CPU and in that of the GPU.
TEST_P(LayersTest, TheGpuChoosesTheTokensOfTheCpu) {
  Session cpu = open("cpu.air");
  Session split = open(packSplit(GetParam()));
  std::vector<SequenceId> ids;
  std::vector<SequenceId> sequences;
  std::vector<uint32_t> outputs;
  for (const int32_t length : {62, 5}) {
    ids.push_back(*cpu.newSequence());
    ASSERT_EQ(*split.newSequence(), ids.back());
    sequences.insert(sequences.end(), length, ids.back());
    outputs.push_back(static_cast<uint32_t>(sequences.size() - 1));
  }
  const auto prompts = tokensOf(static_cast<int32_t>(sequences.size()), 4);
  std::vector<int32_t> tokens;
  for (const auto &row : runBoth(cpu, split, prompts, sequences, outputs)) {
    tokens.push_back(greedy(row));
  }
  for (int step = 0; step < 4; ++step) {
    SCOPED_TRACE(step);
    ASSERT_TRUE(split.canChoose(ids.size()));
    std::vector<int32_t> chosen(ids.size());
    const Status status = split.choose(tokens, ids, chosen);
    ASSERT_TRUE(status.isOk()) << status.message();
    const Rows rows = run(cpu, tokens, ids, {0, 1});
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(chosen[i], greedy(rows[i])) << i;
    }
    tokens = chosen;
  }
}

INSTANTIATE_TEST_SUITE_P(One, LayersTest, testing::Values(1));
INSTANTIATE_TEST_SUITE_P(AllButOne, LayersTest, testing::Values(3));

// The batch has more tokens than fit in a pass, so the third prompt is divided
// between two passes.
TEST_F(GpuSplitTest, APromptMayContinueInTheNextPass) {
  if (std::getenv("AIR_TEST_ALL") == nullptr) {
    GTEST_SKIP() << "530 tokens on the emulator take too long; AIR_TEST_ALL=1 "
                    "runs this test";
  }
  Session cpu = open("cpu.air");
  Session split = open(packSplit(3));
  std::vector<SequenceId> sequences;
  std::vector<SequenceId> each;
  for (const int32_t length : {200, 250, 80}) {
    each.push_back(*cpu.newSequence());
    ASSERT_EQ(*split.newSequence(), each.back());
    sequences.insert(sequences.end(), length, each.back());
  }
  ASSERT_GT(sequences.size(), split.maxTokens());
  const auto tokens = tokensOf(static_cast<int32_t>(sequences.size()), 5);
  runBoth(cpu, split, tokens, sequences, {199, 449, 511, 512, 529});
  runBoth(cpu, split, {1, 2, 3}, each);
}

/// The bytes that the plan's first placement needs in a tier of memory. Only
/// `percent` % of the item `partOf` are counted.
uint64_t memoryOf(const std::string &path, plan::Tier tier,
                  std::string_view partOf = "", uint64_t percent = 100) {
  const Result<PlanFile> file = PlanFile::open(path);
  EXPECT_TRUE(file) << file.status().message();
  uint64_t bytes = 0;
  for (const auto *item : *file->plan().placements()->Get(0)->items()) {
    if (item->tier() == tier) {
      bytes += item->name()->string_view() == partOf
                   ? item->bytes() * percent / 100
                   : item->bytes();
    }
  }
  return bytes;
}

/// Returns how many bytes of each segment of the plan are in `reads`, which
/// lists either what a pass reads from the disk or what it copies to the GPU.
std::vector<uint64_t> bytesOf(
    const plan::Plan &plan,
    const flatbuffers::Vector<flatbuffers::Offset<plan::StreamRead>> &reads) {
  std::vector<uint64_t> bytes(plan.segments()->size());
  for (const plan::StreamRead *read : reads) {
    bytes[read->segment()] += read->bytes();
  }
  return bytes;
}

/// Checks what a session keeps in RAM and what it reads from the disk. Each of
/// its passes copies some weights to the GPU, and reads a part of these weights
/// from the disk. All other weights, such as those of the CPU's layers, are
/// loaded only once.
void checkRam(Session &split) {
  const plan::Plan &plan = split.plan();
  const plan::Placement &placement = *plan.placements()->Get(0);
  const std::vector<uint64_t> copied = bytesOf(plan, *placement.device_reads());
  const std::vector<uint64_t> read = bytesOf(plan, *placement.reads());
  uint64_t ofCpu = 0;
  uint64_t inRam = 0;
  uint64_t fromDisk = 0;
  uint64_t loaded = 0;
  for (uint32_t i = 0; i < copied.size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    if (segment.kind() == plan::SegmentKind::Kernels) {
      continue;
    }
    fromDisk += read[i];
    inRam += copied[i] - read[i];
    ofCpu += copied[i] == 0 && placement.device()->Get(i) == 0
                 ? segment.raw_bytes()
                 : 0;
    loaded += copied[i] == 0 ? segment.raw_bytes() : copied[i];
  }
  EXPECT_GT(ofCpu, 0U);
  EXPECT_GT(fromDisk, 0U);
  ASSERT_NE(split.streaming(), nullptr);
  const rt::StreamCounters counters = split.streaming()->counters();
  EXPECT_EQ(counters.residentBytes, inRam);
  EXPECT_EQ(counters.bytesPerPass, fromDisk);
  EXPECT_EQ(split.loading().total, loaded);
  EXPECT_EQ(split.loading().done, loaded);
}

// If VRAM is too small, each pass copies weights of the GPU's layers, while the
// CPU computes the other layers. If RAM is too small as well, a pass reads some
// of the copied weights from the disk. The logits must be the same, bit for
// bit, as with enough VRAM.
TEST_F(GpuSplitTest, WeightsOfTheGpuMayBeCopied) {
  const std::string all = packSplit(1);
  const uint64_t vram =
      compiler::kDriverBytes +
      memoryOf(folder().path(all), plan::Tier::Vram, "weights", 50);
  const std::string copied = packSplit(1, vram);
  // The percentage is the share of the GPU's weights that stay in VRAM. The
  // weights of the CPU's layers are not counted.
  EXPECT_THAT(
      test::outputOf(AIR_PACK " inspect " + folder().path(copied)),
      testing::ContainsRegex(
          "copied .* \\([1-9][0-9] % of the GPU's weights\\) stay in VRAM"));
  const uint64_t ram =
      memoryOf(folder().path(copied), plan::Tier::Ram, "weights", 75);
  const std::string read = packSplit(1, vram, ram);
  Rows expected;
  for (const std::string &name : {all, copied, read}) {
    SCOPED_TRACE(name);
    Session split = open(name);
    const SequenceId sequence = *split.newSequence();
    Rows rows = run(split, tokensOf(11, 1), std::vector(11, sequence), {10});
    for (int i = 0; i < 3; ++i) {
      rows.push_back(run(split, {greedy(rows.back())}, {sequence}, {0}).back());
    }
    EXPECT_EQ(split.copiedBytes() != 0, name != all);
    EXPECT_TRUE(expected.empty() || rows == expected);
    expected = rows;
    if (name == read) {
      checkRam(split);
    }
  }
}

// airrun runs in a process of its own. There, the fake driver's GPU always has
// compute capability 9.0, which is that of an H100.
TEST_F(GpuSplitTest, AirrunRunsThePlan) {
  const std::string cpu = folder().path("cpu.air");
  CompileOptions options;
  options.machine = gpuInThisMachine("h100");
  options.cuda = test::emulatorCompiler();
  options.cpuLayers = 3;
  // With this option, the kernels for the CPU are compiled in the background,
  // while those for the GPU are compiled.
  options.background = true;
  pack(options, "h100.air");
  const std::string split = folder().path("h100.air");
  fakeCuda = {};
  const std::string generate =
      " --tokens 5,80,250,7,8,9,10,11,12,13,14 -n 3 --temp 0 --output-tokens "
      "--ignore-eos 2> /dev/null";
  EXPECT_EQ(airrun(split + " --threads 2" + generate), airrun(cpu + generate));
  const std::string report =
      airrun("bench " + split + " -p 12 -n 1 --rounds 1 --json");
  EXPECT_THAT(report, testing::HasSubstr("\"gpu\": \"h100\""));
  EXPECT_THAT(report, testing::ContainsRegex(
                          "\"limited_by\": \"[a-z-]*(vram|cache)\\+[a-z-]*"
                          "(dram|cache)\""));
  EXPECT_THAT(report, testing::ContainsRegex("\"beta\": (1|0\\.9)"));
}

TEST_F(GpuSplitTest, BenchRunsAWeightlessPlanWithRandomWeights) {
  CompileOptions options;
  options.machine = gpuInThisMachine("h100");
  options.cuda = test::emulatorCompiler();
  options.cpuLayers = 3;
  options.weightless = true;
  pack(options, "weightless.air");
  fakeCuda = {};
  const std::string bench = "bench " + folder().path("weightless.air") +
                            " -p 0 -n 2 --rounds 1 --json ";
  const std::string report = airrun(bench + "--random-weights");
  EXPECT_THAT(report, testing::HasSubstr("\"gpu\": \"h100\""));
  EXPECT_THAT(report, testing::HasSubstr("\"limited_by\": "));
}

// The plan has two targets with the same GPU. The CPU of the first target has a
// different architecture from this machine's CPU, so only the second target can
// run here.
TEST_F(GpuSplitTest, AirrunChoosesATargetWhoseCpuIsThatOfThisMachine) {
  const MachineProfile here = gpuInThisMachine("h100");
  MachineProfile other =
      *resolveProfile(here.arch == "x86_64" ? "aarch64-neon" : "x86-64-v3");
  other.name = "a " + here.name; // the targets of a plan are sorted by name
  other.gpus = here.gpus;
  std::vector<compiler::Compiler> compilers;
  for (const MachineProfile &machine : {other, here}) {
    CompileOptions options;
    options.machine = machine;
    options.cuda = test::emulatorCompiler();
    options.cpuLayers = 1;
    options.model = folder().model();
    options.activations = "f32";
    options.kvType = "f16";
    options.threads = 2;
    options.kernelCache = compiler::sharedKernels();
    compilers.push_back(compilers.empty() ? *compiler::Compiler::load(options)
                                          : *compilers.back().again(options));
    const Status status = compilers.back().run("");
    ASSERT_TRUE(status.isOk()) << status.message();
  }
  const std::string both = folder().path("both.air");
  const Status written = compiler::Compiler::writeTogether(
                             compilers, *AtomicFile::create(both), {})
                             .status();
  ASSERT_TRUE(written.isOk()) << written.message();
  ASSERT_EQ(PlanFile::open(both)->target(0).machine()->name()->str(),
            other.name);
  fakeCuda = {};
  const std::string generate =
      " --tokens 5,80 -n 2 --temp 0 --output-tokens --ignore-eos 2> /dev/null";
  EXPECT_EQ(airrun(both + generate),
            airrun(folder().path("cpu.air") + generate));
}

TEST_F(GpuSplitTest, TheGpuNeedsALayer) {
  CompileOptions options;
  options.machine = gpuInThisMachine();
  options.model = folder().model();
  options.cpuLayers = kLayers;
  EXPECT_EQ(packModel(options, folder().path("none.air")).status().message(),
            "--cpu-layers is 4, but the model has 4 layers, at least one of "
            "which must be computed by the GPU; give a smaller number, or a "
            "target without a GPU");
  options.machine->gpus.clear();
  options.cpuLayers = 1;
  EXPECT_EQ(packModel(options, folder().path("none.air")).status().message(),
            "--cpu-layers is 1, but the target has no GPU, so the CPU computes "
            "all layers; leave the option out");
}

} // namespace
} // namespace air
