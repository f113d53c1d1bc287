//===- ExplainTest.cpp - predictions that were computed by hand -----------===//
#include "compiler/planner/Explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <utility>

namespace air::compiler {
namespace {

using testing::HasSubstr;

constexpr uint64_t kGB = 1'000'000'000;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

/// A model of 10 GB: layers, and an embedding table of 50,000 rows of 20 kB.
ModelNeeds model() {
  ModelNeeds needs;
  ClassNeeds layers;
  layers.name = "ffn";
  layers.bytes = 9 * kGB;
  layers.largestStep = 100'000'000;
  layers.ops.all = layers.ops.float32 = 18e9;
  ClassNeeds table;
  table.name = "embedding table";
  table.bytes = kGB;
  table.touch = 1.0 / 50'000;
  table.isGathered = true;
  needs.classes = {layers, table};
  needs.weightBytes = 10 * kGB;
  needs.ram.activations = 100 * kMiB;
  needs.ram.scratchPerThread = kMiB;
  needs.ram.threads = 8;
  needs.ram.kernels = kMiB;
  needs.ram.kvPageBytes = 8 * kMiB;
  needs.ram.kvPageTokens = 64;
  needs.ram.context = 4096;
  needs.ram.slots = 1;
  needs.kvType = "f16";
  needs.promptTokens = 512;
  needs.layers = 32;
  needs.trainedContext = 8192;
  return needs;
}

MachineProfile machine(uint64_t ram) {
  MachineProfile profile;
  profile.name = "box";
  profile.arch = "x86_64";
  profile.features = {"avx2", "f16c", "fma"};
  profile.cores = 8;
  profile.memoryBytes = ram;
  profile.memoryBandwidth = 60 * kGB;
  profile.diskBandwidth = 3 * kGB;
  profile.cpu.fmaF32 = 100 * kGB;
  return profile;
}

MachineProfile withGpu(uint64_t vram, uint64_t ram) {
  MachineProfile profile = machine(ram);
  profile.gpus = {{.name = "card",
                   .memoryBytes = vram,
                   .memoryBandwidth = 900 * kGB,
                   .transferBandwidth = 25 * kGB,
                   .f16Ops = 80'000 * kGB}};
  return profile;
}

Explanation explained(const MachineProfile &profile,
                      const ExplainOptions &options = {}) {
  Result<Explanation> result = explain(model(), profile, options);
  EXPECT_TRUE(result) << result.status().message();
  return result ? *result : Explanation();
}

const TierRow &row(const Explanation &explanation, const std::string &name) {
  for (const TierRow &entry : explanation.placement) {
    if (entry.name == name) {
      return entry;
    }
  }
  static const TierRow kNone;
  return kNone;
}

TEST(Explain, AllInRam) {
  const Explanation all = explained(machine(16 * kGB));
  EXPECT_EQ(row(all, "ffn").ram, 9 * kGB);
  EXPECT_EQ(row(all, "embedding table").ram, kGB);
  EXPECT_EQ(row(all, "kv").ram, 64 * 8 * kMiB);
  EXPECT_EQ(row(all, "scratch").ram, 8 * kMiB);
  EXPECT_EQ(all.total.ram, 10 * kGB + (512 + 100 + 8 + 1) * kMiB);
  EXPECT_EQ(all.total.disk, 0u);
  EXPECT_EQ(all.total.vram, 0u);
  // A decode pass reads 9 GB and one embedding row of 20 kB, at 60 GB/s.
  ASSERT_TRUE(all.decode);
  EXPECT_NEAR(*all.decode, 60.0 / 9, 1e-3);
  EXPECT_EQ(all.limitedBy, "dram");
  ASSERT_EQ(all.links.size(), 1u);
  EXPECT_EQ(all.links[0].link, "dram");
  EXPECT_NEAR(all.links[0].bytesPerToken, 9e9 + 20e3, 1);
  // At the end of the context, the 512 MiB of the KV cache are read, too.
  EXPECT_NEAR(*all.decodeAtFullContext, 60e9 / (9e9 + 512.0 * kMiB), 1e-3);
  // 512 tokens of 18 Gflop each take 19.2 s on 8 cores, each of which reaches
  // 60 % of 100 Gflop/s. Reading 9 GB from the disk takes less time.
  EXPECT_NEAR(*all.firstTokenWarm, 19.2, 0.01);
  EXPECT_NEAR(*all.firstTokenCold, 19.2, 0.01);
  EXPECT_FALSE(all.decodeFluid);
  EXPECT_EQ(*all.gainOfRam, 0);
  EXPECT_FALSE(all.gainOfVram);
}

// A prompt has 512 tokens of 18 Gflop each, and the CPU has 8 cores. A core is
// assumed to reach 60 % of its rate without tiles, or 33 % of its rate with
// tiles if the target has them.
TEST(Explain, PromptsInBfloat16UseTilesWhereThereAreAny) {
  ModelNeeds needs = model();
  TokenOps &ops = needs.classes[0].ops;
  ops.bf16 = std::exchange(ops.float32, 0);
  MachineProfile profile = machine(16 * kGB);
  const auto seconds = [&] {
    const Result<Explanation> result = explain(needs, profile, {});
    EXPECT_TRUE(result) << result.status().message();
    return *result->firstTokenWarm;
  };
  profile.cpu.bf16Dot = 200 * kGB;
  // A stated rate counts only if the target has the instructions.
  profile.cpu.bf16Tile = 800 * kGB;
  profile.features = resolveProfile("x86-64-v4-bf16")->features;
  EXPECT_NEAR(seconds(), 9.6, 0.01);
  profile.features = resolveProfile("x86-64-v4-amx")->features;
  EXPECT_NEAR(seconds(), 4.364, 0.01);
  // If the rate of tiles is unknown, it is 1024 operations per cycle at 2 GHz.
  profile.cpu.bf16Tile = 0;
  EXPECT_NEAR(seconds(), 4.364 * 800 / 2048, 0.01);
}

// The CPU reads 9 GB in 150 ms. Its arithmetic takes 60 ms with one token, and
// 120 ms with four. A share of this time is added to the 150 ms, as the comment
// at overlappedTime() in CpuRates.h says. The share is 0.5 * sqrt(60 / 150) =
// 0.316 with one token, and 0.5 * sqrt(120 / 150) = 0.447 with four.
TEST(Explain, AVerifyPassHasTheArithmeticOfFourTokens) {
  ModelNeeds needs = model();
  needs.operandRate = 1000 * kGB;
  needs.classes[0].operandBytes = 60e9;
  needs.classes[0].verifyOperandBytes = 120e9;
  const Explanation all = *explain(needs, machine(16 * kGB), {});
  EXPECT_NEAR(1 / *all.decode, 0.150 + 0.316228 * 0.060, 1e-5);
  EXPECT_NEAR(*all.verifySeconds, 0.150 + 0.447214 * 0.120, 1e-5);
  // If weights are read from the disk, a fifth of this time is added to the
  // time of the disk. For four tokens, the disk reads three rows of 20 kB more
  // than for one token; everything else that it reads is the same.
  const Explanation some = *explain(needs, machine(6 * kGB), {});
  const double disk = static_cast<double>(row(some, "ffn").disk) / 3e9;
  EXPECT_NEAR(*some.verifySeconds, disk + 0.2 * 0.203666, 1e-4);
  EXPECT_NEAR(1 / *some.decode, disk + 0.2 * 0.168974, 1e-4);
  // Counting the time of arithmetic does not change the placement.
  EXPECT_EQ(row(some, "ffn").disk,
            row(explained(machine(6 * kGB)), "ffn").disk);
  // If the rate of the arithmetic with few tokens is not known, the rate with a
  // prompt is used instead. Four times 18 Gflop take 8 cores 150 ms, as long as
  // reading.
  EXPECT_NEAR(*explained(machine(16 * kGB)).verifySeconds, 0.150, 1e-4);
  // A GPU reads 9 GB at 900 GB/s.
  EXPECT_NEAR(*explained(withGpu(16 * kGiB, 32 * kGiB)).verifySeconds, 0.010,
              1e-4);
}

TEST(Explain, AVerifyPassNeedsFourTokens) {
  ModelNeeds needs = model();
  needs.promptTokens = 3;
  EXPECT_FALSE(explain(needs, machine(16 * kGB), {})->verifySeconds);
  needs.promptTokens = 4;
  EXPECT_TRUE(explain(needs, machine(16 * kGB), {})->verifySeconds);
  MachineProfile profile = machine(16 * kGB);
  profile.memoryBandwidth = 0;
  EXPECT_FALSE(explain(needs, profile, {})->verifySeconds);
}

TEST(Explain, SomeOnTheDisk) {
  const Explanation some = explained(machine(6 * kGB));
  EXPECT_EQ(row(some, "embedding table").disk, kGB);
  EXPECT_LE(some.total.ram, 6 * kGB);
  EXPECT_GT(some.total.ram, 6 * kGB - 2 * kMiB);
  EXPECT_EQ(some.limitedBy, "disk");
  // The CPU reads all 9 GB at 60 GB/s. A fifth of this time is added to the
  // time that the disk takes.
  const double cores = 0.2 * 9e9 / 60e9;
  const auto rate = [&](double bytes) { return 1 / (bytes / 3e9 + cores); };
  EXPECT_NEAR(*some.decode,
              rate(static_cast<double>(row(some, "ffn").disk) + 20e3), 1e-4);
  // With another GiB of RAM, about one GiB less of the weights is streamed.
  const auto streamed = static_cast<double>(row(some, "ffn").disk);
  EXPECT_NEAR(*some.gainOfRam,
              rate(streamed - static_cast<double>(kGiB)) - *some.decode, 0.01);
  EXPECT_NEAR(*explained(machine(6 * kGB + kGiB)).decode,
              *some.decode + *some.gainOfRam, 1e-6);
}

TEST(Explain, DiskAndCoresKeepAShareOfTheirRates) {
  MachineProfile profile = machine(6 * kGB);
  profile.diskBeside = profile.diskBandwidth / 2;
  profile.memoryBeside = profile.memoryBandwidth * 3 / 4;
  const Explanation some = explained(profile);
  // The CPU alone reads 9 GB in 150 ms. While the disk is read, too, the CPU
  // has only 3/4 of its rate and takes 200 ms, and the disk has only half of
  // its rate. In these 200 ms, the disk therefore reads as much as it reads in
  // 100 ms at its full rate.
  const double disk = (static_cast<double>(row(some, "ffn").disk) + 20e3) / 3e9;
  EXPECT_NEAR(*some.decode, 1 / (0.2 + disk - 0.1), 1e-4);
}

TEST(Explain, UnknownRatesGiveNoSpeed) {
  MachineProfile profile = machine(6 * kGB);
  profile.diskBandwidth = 0;
  const Explanation streamed = explained(profile);
  EXPECT_FALSE(streamed.decode);
  EXPECT_EQ(streamed.limitedBy, "");
  EXPECT_FALSE(streamed.firstTokenCold);
  EXPECT_FALSE(streamed.gainOfRam);
  profile.memoryBytes = 16 * kGB;
  const Explanation resident = explained(profile);
  EXPECT_TRUE(resident.decode);
  EXPECT_FALSE(resident.firstTokenCold);
  EXPECT_TRUE(resident.firstTokenWarm);
  profile.memoryBandwidth = 0;
  EXPECT_FALSE(explained(profile).decode);
}

TEST(Explain, AGpuHoldsWhatFits) {
  const Explanation all = explained(withGpu(16 * kGiB, 32 * kGiB));
  EXPECT_EQ(all.devices, Devices::Gpu);
  EXPECT_EQ(row(all, "ffn").vram, 9 * kGB);
  EXPECT_EQ(row(all, "kv").vram, 512 * kMiB);
  EXPECT_EQ(row(all, "embedding table").vram, 0u);
  EXPECT_EQ(row(all, "system").ram, 2 * kGiB);
  EXPECT_NEAR(*all.decode, 900.0 / 9, 0.05);
  EXPECT_EQ(all.limitedBy, "vram");
  // 512 tokens of 18 Gflop at 80 Tflop/s take 115 ms. After a cold start,
  // 9 GB are read from the disk at 3 GB/s, which takes longer.
  EXPECT_NEAR(*all.firstTokenWarm, 0.1152, 0.001);
  EXPECT_NEAR(*all.firstTokenCold, 3.33, 0.34);

  // The VRAM holds only half of the model, and the RAM holds the rest.
  const Explanation half = explained(withGpu(6 * kGiB, 32 * kGiB));
  EXPECT_EQ(half.devices, Devices::Both);
  EXPECT_EQ(half.total.vram <= 6 * kGiB, true);
  EXPECT_EQ(half.total.disk, 0u);
  EXPECT_GT(*half.gainOfVram, 0);
  EXPECT_EQ(*half.gainOfRam, 0);
  EXPECT_GE(*half.decodeFluid, *half.decode);
  // If the RAM is given as a budget, none of it is reserved for the system.
  ExplainOptions budget;
  budget.isRamBudget = true;
  EXPECT_EQ(row(explained(withGpu(6 * kGiB, 32 * kGiB), budget), "system").ram,
            0u);
}

TEST(Explain, TheSumsAreTheRows) {
  for (const MachineProfile &profile :
       {machine(16 * kGB), machine(4 * kGB), withGpu(6 * kGiB, 3 * kGiB),
        withGpu(2 * kGiB, 32 * kGiB)}) {
    const Explanation result = explained(profile);
    TierRow sum;
    uint64_t weights = 0;
    for (const TierRow &entry : result.placement) {
      sum.vram += entry.vram;
      sum.ram += entry.ram;
      sum.disk += entry.disk;
      if (entry.name == "ffn" || entry.name == "embedding table") {
        weights += entry.vram + entry.ram + entry.disk;
      }
    }
    EXPECT_EQ(sum.vram, result.total.vram);
    EXPECT_EQ(sum.ram, result.total.ram);
    EXPECT_EQ(sum.disk, result.total.disk);
    EXPECT_EQ(weights, 10 * kGB);
    EXPECT_LE(sum.ram, profile.memoryBytes);
    if (!profile.gpus.empty()) {
      EXPECT_LE(sum.vram, profile.gpus[0].memoryBytes);
    }
  }
}

TEST(Explain, TheLargestContextIsTheLargest) {
  for (const MachineProfile &profile :
       {machine(16 * kGB), machine(2 * kGB), withGpu(2 * kGiB, 2 * kGiB)}) {
    for (uint64_t slots : {1, 3}) {
      ModelNeeds needs = model();
      needs.ram.context = 128;
      needs.ram.slots = slots;
      const uint64_t most = explain(needs, profile, {})->maxContext;
      EXPECT_GT(most, 128u);
      EXPECT_EQ(most % 64, 0u);
      needs.ram.context = most;
      EXPECT_TRUE(explain(needs, profile, {}));
      needs.ram.context = most + 1;
      EXPECT_EQ(explain(needs, profile, {}).status().code(),
                ErrorCode::DoesNotFit);
    }
  }
  // Of 16 GB, the weights without the embedding table take 9 GB, and the
  // activations, scratch and kernels take 109 MiB. That leaves 6.88 GB, which
  // hold 820 KV pages of 8 MiB.
  const uint64_t resident = explained(machine(16 * kGB)).maxResidentContext;
  EXPECT_NEAR(static_cast<double>(resident), 820 * 64, 2 * 64);
  EXPECT_EQ(explained(machine(6 * kGB)).maxResidentContext, 0u);
}

TEST(Explain, WhatIsAdvisedFits) {
  ModelNeeds needs = model();
  needs.ram.context = 1 << 20;
  const Status status = explain(needs, machine(4 * kGB), {}).status();
  ASSERT_EQ(status.code(), ErrorCode::DoesNotFit);
  const std::string &text = status.message();
  EXPECT_THAT(text, HasSubstr("target 'box' has 3.72 GiB"));
  EXPECT_THAT(text, HasSubstr("KV cache 128.00 GiB"));
  const size_t context = text.find("--ctx ");
  const size_t ram = text.find("--ram ");
  ASSERT_NE(context, std::string::npos) << text;
  ASSERT_NE(ram, std::string::npos) << text;
  const uint64_t mebibytes = std::stoull(text.substr(ram + 6));
  EXPECT_TRUE(explain(needs, machine(mebibytes * kMiB), {}));
  EXPECT_FALSE(explain(needs, machine((mebibytes - 2) * kMiB), {}));
  needs.ram.context = std::stoull(text.substr(context + 6));
  EXPECT_TRUE(explain(needs, machine(4 * kGB), {}));

  // If nothing may be read from the disk, all weights must fit in RAM.
  ExplainOptions noDisk;
  noDisk.disk = 0;
  const Status resident = explain(model(), machine(4 * kGB), noDisk).status();
  EXPECT_THAT(resident.message(), HasSubstr("weights 9.31 GiB"));
  EXPECT_THAT(resident.message(), HasSubstr("choose --ram 10158MiB or more"));
  EXPECT_TRUE(explain(model(), machine(10158 * kMiB), noDisk));
}

TEST(Explain, TheRefusalSaysWhatWasGiven) {
  ExplainOptions given;
  given.isRamBudget = true;
  given.disk = kMiB;
  const std::string text =
      explain(model(), machine(4 * kGB), given).status().message();
  EXPECT_THAT(text, HasSubstr("weights 9.31 GiB, of which --disk allows 1.00 "
                              "MiB to be read for every token, and a ring"));
  EXPECT_THAT(text, HasSubstr("but --ram gives 3.72 GiB; choose --ram "));
}

TEST(Explain, HugeNumbersDoNotOverflow) {
  ModelNeeds needs = model();
  needs.ram.context = UINT32_MAX;
  needs.ram.slots = UINT32_MAX;
  EXPECT_EQ(explain(needs, machine(4 * kGB), {}).status().code(),
            ErrorCode::DoesNotFit);
  MachineProfile endless = machine(INT64_MAX);
  EXPECT_TRUE(explain(model(), endless, {}));
  // 0 means that the size is not known. RAM then counts as unlimited.
  endless.memoryBytes = 0;
  const Result<Explanation> unlimited = explain(model(), endless, {});
  ASSERT_TRUE(unlimited);
  EXPECT_FALSE(unlimited->ramCapacity);
  EXPECT_FALSE(unlimited->gainOfRam);

  // A plan must take less than 2^64 bytes of RAM, and less than 2^64 bytes of
  // VRAM. The activations of 2^63 bytes and some smaller items leave less than
  // 2^63 bytes for the KV cache, which is less than 2^23 pages of 2^40 bytes.
  MachineProfile card = withGpu(24 * kGB, 0);
  needs = model();
  needs.ram.activations = uint64_t{1} << 63;
  needs.ram.kvPageBytes = uint64_t{1} << 40;
  const Result<Explanation> large = explain(needs, card, {});
  ASSERT_TRUE(large) << large.status().message();
  EXPECT_EQ(large->maxContext, ((uint64_t{1} << 23) - 1) * 64);
}

} // namespace
} // namespace air::compiler
