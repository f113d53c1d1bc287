//===- GpuStreamTest.cpp - weights that each pass copies to a GPU ---------===//
//
// Plans of one model for GPUs with less and less memory must compute the same
// bits.
//
//===----------------------------------------------------------------------===//
#include "EmulatedGpu.h"
#include "compiler/planner/Budget.h"
#include "runtime/exec/Session.h"
#include "runtime/io/DiskStream.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"
#include "test/compiler/driver/GpuModel.h"
#include "test/runtime/fake/FakeRoot.h"
#include "tools/airrun/PlacementNote.h"

#include <bit>
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
using test::numberAfter;
using test::Rows;
using test::run;

/// The bytes that a placement states for an item; 0 if it has no such item.
uint64_t itemOf(const plan::Placement &placement, plan::Tier tier,
                const std::string &name) {
  for (const plan::BudgetItem *item : *placement.items()) {
    if (item->tier() == tier && item->name()->str() == name) {
      return item->bytes();
    }
  }
  return 0;
}
uint64_t vramItem(const plan::Placement &placement, const std::string &name) {
  return itemOf(placement, plan::Tier::Vram, name);
}

std::vector<uint32_t> bitsOf(const Rows &rows) {
  std::vector<uint32_t> bits;
  for (const std::vector<float> &row : rows) {
    for (const float value : row) {
      bits.push_back(std::bit_cast<uint32_t>(value));
    }
  }
  return bits;
}

class GpuStreamTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    const Status made = folder().make("--type F16 --layers 2");
    ASSERT_TRUE(made.isOk()) << made.message();
  }
  /// The folder with the model and its plans. All tests share it.
  static GpuModel &folder() {
    static GpuModel model;
    return model;
  }
  /// Packs the model for a GPU whose kernels the emulator runs. `vram` is the
  /// size of the GPU's memory, and `ram` is the size of the RAM. If a size is
  /// 0, the target's size is used.
  static void packForGpu(const std::string &target, const std::string &plan,
                         uint64_t vram = 0, uint64_t ram = 0) {
    CompileOptions options;
    options.model = folder().model();
    options.target = target;
    options.threads = 2;
    options.slots = 3;
    options.cuda = test::emulatorCompiler();
    options.vram = vram;
    options.ram = ram;
    const Status packed = packModel(options, folder().path(plan)).status();
    ASSERT_TRUE(packed.isOk()) << packed.message();
  }
  static Session open(const std::string &plan) {
    rt::SessionOptions options;
    options.gpu = test::openGpu;
    Result<Session> session = Session::open(folder().path(plan), options);
    EXPECT_TRUE(session) << session.status().message();
    return *std::move(session);
  }

  /// Packs the model for a GPU whose memory holds all weights.
  static void packAll(const std::string &target) {
    packForGpu(target, "all.air");
  }

  /// Packs the model for a GPU whose memory has room for `percent` % of the
  /// weights. Returns the name of the plan and the size of all weights in
  /// bytes. packAll() must have been called for the target.
  static std::pair<std::string, uint64_t> packPart(const std::string &target,
                                                   uint64_t percent) {
    Result<PlanFile> file = PlanFile::open(folder().path("all.air"));
    EXPECT_TRUE(file) << file.status().message();
    const plan::Placement &all = *file->plan().placements()->Get(0);
    EXPECT_EQ(all.device_ring_bytes(), 0U);
    const uint64_t weights = vramItem(all, "weights");
    uint64_t bytes = compiler::kDriverBytes + weights * percent / 100;
    for (const char *item : {"kv", "activations", "batch", "kernels"}) {
      bytes += vramItem(all, item);
    }
    const std::string name = std::to_string(percent) + ".air";
    packForGpu(target, name, bytes);
    return {name, weights};
  }

  /// Packs the model for a GPU whose memory has room for a quarter of the
  /// weights, and for a host whose RAM has room for `percent` % of the other
  /// weights. packAll() must have been called for the target.
  static std::string packOnDisk(const std::string &target, uint64_t percent) {
    const std::string inRam = packPart(target, 25).first;
    Result<PlanFile> file = PlanFile::open(folder().path(inRam));
    EXPECT_TRUE(file) << file.status().message();
    const plan::Placement &placement = *file->plan().placements()->Get(0);
    uint64_t vram = 0;
    for (const plan::Budget *budget : *placement.budgets()) {
      vram = budget->tier() == plan::Tier::Vram ? budget->bytes() : vram;
    }
    const uint64_t ram =
        itemOf(placement, plan::Tier::Ram, "process") +
        itemOf(placement, plan::Tier::Ram, "staging") +
        itemOf(placement, plan::Tier::Ram, "weights") * percent / 100;
    const std::string name = "disk" + std::to_string(percent) + ".air";
    packForGpu(target, name, compiler::kDriverBytes + vram, ram);
    return name;
  }

  /// Runs five passes: two parts of a prompt, two single tokens, and a batch of
  /// two sequences. Returns the logits of all tokens but those of the prompt's
  /// first part.
  static Rows runAll(Session &session) {
    const SequenceId first = *session.newSequence();
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < 11; ++i) {
      prompt.push_back((i * 37 + 11) % 300);
    }
    const std::vector<SequenceId> sequences(prompt.size(), first);
    // This pass requests no logits, so the output head does not run, and its
    // weights are not copied.
    EXPECT_TRUE(
        session
            .run({prompt, sequences, {}},
                 [](uint64_t, std::span<const float>) { return Status::ok(); })
            .isOk());
    Rows rows = run(session, {3, 4, 5}, {first, first, first}, {0, 1, 2});
    for (int i = 0; i < 2; ++i) {
      rows.push_back(run(session, {greedy(rows.back())}, {first}, {0}).back());
    }
    const Result<SequenceId> second = session.fork(first, 9);
    EXPECT_TRUE(second);
    for (const std::vector<float> &row :
         run(session, {7, 8, 9}, {*second, first, *second}, {0, 1, 2})) {
      rows.push_back(row);
    }
    return rows;
  }
};

// The less memory a GPU has, the more weights must be copied to it in every
// pass. The logits must be the same, bit for bit, as with all weights in VRAM,
// whether the fake driver makes the copies as late or as early as the runtime's
// CUDA events allow.
TEST_F(GpuStreamTest, LogitsDoNotDependOnWhatStaysInVram) {
  packAll("rtx3060");
  fakeCuda.capability = 86;
  std::vector<uint32_t> expected;
  {
    Session session = open("all.air");
    expected = bitsOf(runAll(session));
    EXPECT_EQ(session.copiedBytes(), 0U);
  }
  uint64_t copied = 0;
  for (const uint64_t percent : {75, 50, 25}) {
    SCOPED_TRACE(percent);
    const auto [name, weights] = packPart("rtx3060", percent);
    for (const bool isEarly : {false, true}) {
      if (percent == (isEarly ? 75 : 50)) {
        // To save time, only late copies are tested with memory for 75 % of the
        // weights, and only early copies with memory for 50 %.
        continue;
      }
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
      // There are five passes, one of them without the output head. Copies for
      // the next pass may have been made as well.
      EXPECT_GT(session.copiedBytes(), 4 * perPass);
      EXPECT_LE(session.copiedBytes(), 6 * perPass);
      EXPECT_EQ(session.loading().done, session.loading().total);
      EXPECT_TRUE(perPass > copied || percent == 25);
      copied = perPass;
    }
  }
  fakeCuda = {};
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
}

// Weights that fit neither into VRAM nor into RAM are read from the disk in
// every pass.
TEST_F(GpuStreamTest, LogitsDoNotDependOnWhatIsReadFromTheDisk) {
  packAll("rtx3060");
  fakeCuda = {};
  fakeCuda.capability = 86;
  std::vector<uint32_t> expected;
  {
    Session session = open("all.air");
    expected = bitsOf(runAll(session));
    EXPECT_EQ(session.streaming(), nullptr);
  }
  for (const bool isEarly : {false, true}) {
    SCOPED_TRACE(isEarly);
    const std::string name = packOnDisk("rtx3060", isEarly ? 50 : 75);
    fakeCuda.copiesEarly = isEarly;
    Session session = open(name);
    ASSERT_NE(session.streaming(), nullptr);
    const plan::Placement &chosen = *session.plan().placements()->Get(0);
    const rt::StreamCounters planned = session.streaming()->counters();
    EXPECT_EQ(itemOf(chosen, plan::Tier::Ram, "ring"), planned.ringBytes);
    EXPECT_EQ(itemOf(chosen, plan::Tier::Ram, "weights"),
              planned.residentBytes);
    uint64_t copiedPerPass = 0;
    for (const plan::StreamRead *read : *chosen.device_reads()) {
      copiedPerPass += read->bytes();
    }
    // Everything that is copied is either in RAM or read from the disk.
    EXPECT_EQ(planned.residentBytes + planned.bytesPerPass, copiedPerPass);
    EXPECT_GT(planned.bytesPerPass, planned.ringBytes);
    EXPECT_EQ(bitsOf(runAll(session)), expected);
    session.streaming()->waitUntilIdle();
    // There are five passes, one of them without the output head. The stream
    // has also read ahead for the next pass, as far as the room in its ring
    // allows.
    const rt::StreamCounters now = session.streaming()->counters();
    EXPECT_GT(now.diskBytes, now.residentBytes + 4 * now.bytesPerPass);
    EXPECT_LE(now.diskBytes, now.residentBytes + 6 * now.bytesPerPass);
    EXPECT_GT(session.copiedBytes(), 4 * copiedPerPass);
    EXPECT_LE(session.copiedBytes(), 6 * copiedPerPass);
    EXPECT_EQ(session.loading().done, session.loading().total);
  }
  fakeCuda = {};
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
}

TEST_F(GpuStreamTest, RandomWeightsNeedRamThatIsFree) {
  CompileOptions made;
  made.model = folder().model();
  made.target = "rtx3060";
  made.threads = 2;
  made.cuda = test::emulatorCompiler();
  made.weightless = true;
  const Status packed = packModel(made, folder().path("none.air")).status();
  ASSERT_TRUE(packed.isOk()) << packed.message();
  fakeCuda = {};
  fakeCuda.capability = 86;
  rt::SessionOptions options;
  options.gpu = test::openGpu;
  options.randomWeights = true;
  EXPECT_TRUE(Session::open(folder().path("none.air"), options));
  const test::FakeRoot root;
  root.putMemory(1000000, 4);
  options.memoryRoot = root.path();
  const Status status =
      Session::open(folder().path("none.air"), options).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(),
              testing::ContainsRegex("--random-weights takes [0-9]+ bytes of "
                                     "RAM, but only 4096 bytes are free"));
  fakeCuda = {};
}

// Other programs may have taken a part of the memory since the plan was made.
TEST_F(GpuStreamTest, TheFirstPlacementThatFitsIsUsed) {
  packAll("rtx3060");
  const std::string name = packPart("rtx3060", 100).first;
  fakeCuda = {};
  fakeCuda.capability = 86;
  Rows expected;
  uint32_t count = 0;
  // The VRAM that each placement needs, not counting the kernels.
  std::vector<uint64_t> needs;
  {
    Session session = open(name);
    EXPECT_EQ(session.placement(), 0U);
    EXPECT_EQ(placementNote(session), "");
    expected = runAll(session);
    for (const plan::Placement *placement : *session.plan().placements()) {
      needs.push_back(0);
      for (const char *item :
           {"weights", "ring", "kv", "activations", "batch"}) {
        needs.back() += vramItem(*placement, item);
      }
    }
    count = session.plan().placements()->size();
  }
  ASSERT_GE(count, 2U);
  for (uint32_t i = 1; i < count; ++i) {
    SCOPED_TRACE(i);
    EXPECT_LT(needs[i], needs[i - 1]);
    fakeCuda.freeBytes = needs[i];
    Session session = open(name);
    EXPECT_EQ(session.placement(), i);
    EXPECT_THAT(placementNote(session),
                testing::HasSubstr("to be fastest, but less is free"));
    EXPECT_EQ(runAll(session), expected);
    EXPECT_GT(session.copiedBytes(), 0U);
  }
  fakeCuda.freeBytes = needs.back() / 2;
  rt::SessionOptions options;
  options.gpu = test::openGpu;
  const Status status = Session::open(folder().path(name), options).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(), testing::HasSubstr("ring "));
  fakeCuda = {};
  EXPECT_EQ(fakeCudaLiveObjects(), 0);
}

TEST_F(GpuStreamTest, AirrunRunsThePlan) {
  packAll("h100");
  const std::string all = folder().path("all.air");
  const std::string streamed = folder().path(packOnDisk("h100", 50));
  const std::string generate = " --tokens 5,80 -n 4 --temp 0 --output-tokens "
                               "--ignore-eos 2> /dev/null";
  EXPECT_EQ(airrun(streamed + generate), airrun(all + generate));
  const std::string report =
      airrun("bench " + streamed + " -p 1 -n 2 --rounds 1 --json");
  EXPECT_NEAR(numberAfter(report, "\"limit_gb_s\": ", "{\"name\": \"pcie\""),
              10, 0.25);
  EXPECT_GT(numberAfter(report, "\"bytes_per_token\": ", "{\"name\": \"pcie\""),
            1e5);
  // The weights that are neither in VRAM nor in RAM must be read from the disk
  // for every token that is decoded, each byte of them once.
  const double read = numberAfter(
      report, "\"minimal_bytes_per_token\": ", "{\"name\": \"disk\"");
  EXPECT_GT(read, 1e5);
  EXPECT_NEAR(
      numberAfter(report, "\"bytes_per_token\": ", "{\"name\": \"disk\""), read,
      read / 2);
  EXPECT_NEAR(numberAfter(report, "\"bytes_per_pass\": ", "\"streaming\""),
              read, 0.5);
}

} // namespace
} // namespace air
