//===- ResidencySolverTest.cpp - placements with known times --------------===//
#include "compiler/planner/ResidencySolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace air::compiler {
namespace {

constexpr uint64_t kGB = 1'000'000'000;
constexpr uint64_t kMB = 1'000'000;
constexpr uint64_t kMiB = uint64_t{1} << 20;

uint64_t gigabytes(double count) {
  return static_cast<uint64_t>(count * static_cast<double>(kGB));
}

/// A problem with one class of weights of `size` GB, and one phase with one
/// token per pass. The steps are so small that the ring takes hardly any room.
/// Rates are in GB/s.
ResidencyProblem model(double size, LinkRates rates) {
  ResidencyProblem problem;
  WeightClass weights;
  weights.name = "all";
  weights.bytes = gigabytes(size);
  weights.largestStep = kMB;
  problem.classes = {weights};
  problem.phases = {Phase()};
  problem.links = {rates.disk * 1e9, rates.transfer * 1e9, rates.memory * 1e9,
                   rates.vram * 1e9};
  return problem;
}

ResidencyProblem model(double size, LinkRates rates, double vram, double ram) {
  ResidencyProblem problem = model(size, rates);
  problem.hasGpu = vram > 0;
  problem.vram = gigabytes(vram);
  problem.ram = gigabytes(ram);
  return problem;
}

double secondsOf(const ResidencyProblem &problem, Schedule schedule) {
  const Result<Residency> solved = solveResidency(problem, schedule);
  EXPECT_TRUE(solved) << solved.status().message();
  return solved ? solved->seconds : -1;
}

double serial(const ResidencyProblem &problem) {
  return secondsOf(problem, Schedule::Serial);
}
double fluid(const ResidencyProblem &problem) {
  return secondsOf(problem, Schedule::Fluid);
}

// ---- cases that were computed by hand ---------------------------------------

// The weights have 8.5 GB, and the RAM has 5.5 GB. Reading the other 3.0 GB
// from the disk at 3.5 GB/s takes 857 ms. The ring takes about 17 MB of the
// RAM: 16 MiB to read ahead, and less than 1 MB for a step. So another 17 MB of
// the weights must be read from the disk, which takes 5 ms.
TEST(ResidencySolver, PinsWhatFits) {
  const ResidencyProblem problem = model(8.5, {3.5, 0, 41, 0}, 0, 5.5);
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_NEAR(best.seconds, 0.857 + 0.005, 0.001);
  EXPECT_EQ(best.loads[0].limit, "disk");
  EXPECT_NEAR(static_cast<double>(best.classes[0].ram), 5.482e9, 0.01e9);
  EXPECT_EQ(best.classes[0].vram, 0u);
  EXPECT_NEAR(static_cast<double>(best.ringBytes), 17e6, 1e6);
  EXPECT_NEAR(fluid(problem), 0.862, 0.001);
  // With all 8.5 GB of weights in RAM, a pass takes 8.5 / 41 seconds.
  const ResidencyProblem fits = model(8.5, {3.5, 0, 41, 0}, 0, 8.5);
  EXPECT_NEAR(serial(fits), 0.2073, 0.0001);
  EXPECT_EQ(solveResidency(fits, Schedule::Serial)->ringBytes, 0u);
  EXPECT_EQ(solveResidency(fits, Schedule::Serial)->loads[0].limit, "dram");
}

// 42.5 GB of weights: 22 GB in VRAM, read at 1000 GB/s, and 20.5 GB in RAM,
// read at 80 GB/s. If the devices take turns, a pass takes 22 / 1000 + 20.5 /
// 80 seconds; if they work at the same time, it takes 20.5 / 80 seconds. No
// link to the GPU is used, because the CPU computes with all weights that are
// in RAM.
TEST(ResidencySolver, SerialAndFluidWithoutADisk) {
  const LinkRates rates = {6.5, 0, 80, 1000};
  const ResidencyProblem problem = model(42.5, rates, 22, 58);
  EXPECT_NEAR(serial(problem), 0.27825, 0.0005);
  EXPECT_NEAR(fluid(problem), 0.25625, 0.0005);
  // If weights can be copied to the GPU at 25 GB/s, the GPU also computes with
  // some of the weights in RAM. If there are X GB of them, a serial pass takes
  // (22 + X) / 1000 + (20.5 - X) / 80 seconds. With X = 1.92, this is no longer
  // than the 20.5 / 80 seconds for which the memory bus is busy.
  ResidencyProblem moving = problem;
  moving.links.transfer = 25e9;
  EXPECT_NEAR(serial(moving), 0.25625, 0.0005);
  const Residency best = *solveResidency(moving, Schedule::Serial);
  EXPECT_NEAR(best.loads[0].transferBytes, 1.92e9, 0.05e9);
  EXPECT_NEAR(static_cast<double>(best.classes[0].vram), 22e9, 0.01e9);
}

TEST(ResidencySolver, TheDiskHidesTheRest) {
  const LinkRates rates = {6.5, 25, 80, 1000};
  // 42.5 - 22 - 12 = 8.5 GB come from the disk at 6.5 GB/s.
  EXPECT_NEAR(serial(model(42.5, rates, 22, 12)), 1.308, 0.005);
  EXPECT_NEAR(fluid(model(42.5, rates, 22, 12)), 1.308, 0.005);
  // With a slower GPU and slower RAM, 42.5 - 10.5 - 26 = 6 GB come from the
  // disk at 6.5 GB/s.
  EXPECT_NEAR(serial(model(42.5, {6.5, 25, 50, 350}, 10.5, 26)), 0.923, 0.005);
  // 245 - 22 - 58 = 165 GB come from the disk at 6.5 GB/s.
  EXPECT_NEAR(serial(model(245, rates, 22, 58)), 25.4, 0.05);
}

// VRAM has room for 22 of the 141 GB of weights, and RAM for 118 GB, so each
// pass reads 1 GB from the disk, at the same time as the devices compute. In
// the serial schedule, the GPU computes with 22 GB, and then the CPU computes
// with the other 119 GB, so a pass takes 22 / 1000 + 119 / 80 seconds. In the
// fluid schedule, the memory bus is the limit. The gigabyte from the disk
// crosses it twice, so a pass takes (118 + 2) / 80 seconds.
TEST(ResidencySolver, OneGigabyteTooLarge) {
  const LinkRates rates = {6.5, 0, 80, 1000};
  EXPECT_NEAR(serial(model(141, rates, 22, 118)), 1.5095, 0.002);
  EXPECT_NEAR(fluid(model(141, rates, 22, 118)), 1.500, 0.002);
}

// A CPU that cannot compute as fast as its memory delivers gets help from the
// GPU. The CPU multiplies 30 GB of weights per second, and the link carries 20
// GB/s to the GPU, so the GPU should multiply 20 / (30 + 20) = 2/5 of the 20 GB
// in RAM.
TEST(ResidencySolver, SplitsWhatASlowCpuCannotDrain) {
  ResidencyProblem problem = model(20, {0, 20, 200, 1000}, 0, 0);
  problem.hasGpu = true;
  problem.vram = 0;
  problem.ram.reset();
  problem.classes[0].cpuSecondsPerToken = 20.0 / 30;
  const Residency best = *solveResidency(problem, Schedule::Fluid);
  EXPECT_NEAR(best.seconds, 20.0 / 50, 0.0001);
  EXPECT_NEAR(best.classes[0].ramOnGpu[0], 0.4, 0.001);
  EXPECT_EQ(best.devices, Devices::Both);
  // If handovers take longer than the split saves, one device does everything.
  problem.handoverSeconds = 0.5;
  const Residency alone = *solveResidency(problem, Schedule::Fluid);
  EXPECT_NEAR(alone.seconds, 20.0 / 30, 0.0001);
  EXPECT_EQ(alone.devices, Devices::Cpu);
}

ResidencyProblem withTable(double ram) {
  ResidencyProblem problem = model(10, {5, 0, 50, 0}, 0, ram);
  WeightClass table;
  table.name = "embedding table";
  table.bytes = 2 * kGB;
  table.touch = 1.0 / 128'256;
  table.isGathered = true;
  problem.classes.push_back(table);
  return problem;
}

TEST(ResidencySolver, TheEmbeddingTableLeavesFirst) {
  const Residency all = *solveResidency(withTable(12), Schedule::Serial);
  EXPECT_EQ(all.classes[1].ram, 2 * kGB);
  EXPECT_EQ(all.loads[0].diskBytes, 0);
  const Residency gathered =
      *solveResidency(withTable(10.001), Schedule::Serial);
  EXPECT_EQ(gathered.classes[0].ram, 10 * kGB);
  // The layers leave 1 MB of RAM free, which may hold a part of the table.
  EXPECT_NEAR(static_cast<double>(gathered.classes[1].disk), 2e9, 1e6);
  EXPECT_EQ(gathered.ringBytes, 0u);
  EXPECT_NEAR(gathered.seconds, 10.0 / 50, 0.0001);
  // The table of 2 GB has 128,256 rows, so a row takes about 15,594 bytes.
  EXPECT_NEAR(gathered.loads[0].diskBytes, 15'594, 10);
  // A prompt of 512 tokens reads almost 512 different rows of the table.
  ResidencyProblem prompt = withTable(10.001);
  prompt.phases[0].tokens = 512;
  EXPECT_NEAR(solveResidency(prompt, Schedule::Serial)->loads[0].diskBytes,
              512 * 15'594, 20'000);
}

TEST(ResidencySolver, APlanHasWholeTables) {
  ResidencyProblem problem = withTable(11);
  problem.isForPlan = true;
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_EQ(best.classes[0].ram, 10 * kGB);
  EXPECT_EQ(best.classes[1].disk, 2 * kGB);
  problem.ram = 12 * kGB;
  EXPECT_EQ(solveResidency(problem, Schedule::Serial)->classes[1].ram, 2 * kGB);
  problem.disk = kGB;
  problem.ram = 11 * kGB;
  EXPECT_FALSE(solveResidency(problem, Schedule::Serial));
  EXPECT_EQ(leastRam(problem)->value(), 12 * kGB);
}

TEST(ResidencySolver, KvBeforeWeights) {
  ResidencyProblem problem = model(8, {5, 25, 50, 1000}, 10, 32);
  problem.vramReserve = kGB;
  problem.kvBytes = 4 * kGB;
  problem.phases[0].kvBytesRead = 4 * kGB;
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_EQ(best.kvVram, 4 * kGB);
  EXPECT_EQ(best.kvRam, 0u);
  EXPECT_NEAR(static_cast<double>(best.classes[0].vram), 5e9, 1e4);
  // The KV cache takes 12 GB: 9 GB in VRAM, and 3 GB, which do not fit there,
  // in RAM. Reading the two parts takes 9 / 1000 and 3 / 50 seconds. In
  // addition, the CPU takes 8 / 50 seconds for the weights.
  problem.kvBytes = problem.phases[0].kvBytesRead = 12 * kGB;
  problem.links.transfer = 0;
  const Residency split = *solveResidency(problem, Schedule::Serial);
  EXPECT_EQ(split.kvVram, 9 * kGB);
  EXPECT_EQ(split.kvRam, 3 * kGB);
  EXPECT_NEAR(split.seconds, 0.06 + 0.009 + 0.16, 0.0001);
}

TEST(ResidencySolver, AllLayersHaveTheSameShares) {
  ResidencyProblem problem = model(6, {3, 0, 60, 0}, 0, 5);
  WeightClass ffn = problem.classes[0];
  ffn.name = "ffn";
  ffn.bytes = 3 * kGB;
  ffn.largestStep = 3 * kMB;
  problem.classes.push_back(ffn);
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_NEAR(static_cast<double>(best.classes[0].disk) / 6e9,
              static_cast<double>(best.classes[1].disk) / 3e9, 1e-5);
}

// Of 9 GB of weights, 6 GB belong to a class whose largest step has 1 MB, and 3
// GB to a class whose largest step has 1 GB. The RAM has 5 GB, so 4 GB are
// streamed, and in addition as much as the ring displaces. If the same share of
// both classes is streamed, the ring takes 0.8 GB: it must hold what is
// streamed of the largest step, and half as much again. If only the first class
// is streamed, the ring takes about 17 MB: at most 1 MB for a step, and 16 MiB
// (16.8 MB) to read ahead.
TEST(ResidencySolver, SharesDifferWhereItIsWorthIt) {
  ResidencyProblem problem = model(6, {3, 0, 60, 0}, 0, 5);
  WeightClass ffn = problem.classes[0];
  ffn.bytes = 3 * kGB;
  ffn.largestStep = kGB;
  problem.classes.push_back(ffn);
  const Residency uneven = *solveResidency(problem, Schedule::Serial);
  EXPECT_LT(uneven.classes[1].disk, 20 * kMB);
  EXPECT_NEAR(uneven.seconds, 4.017 / 3, 0.001);
  // A plan keeps the same share f of each class on the disk, so f GB of the
  // largest step are streamed, and the ring takes 1.5 f GB. The other 9 (1 - f)
  // GB of weights and the ring fill the 5 GB of RAM, so f = 4 / 7.5.
  problem.isForPlan = true;
  EXPECT_NEAR(solveResidency(problem, Schedule::Serial)->seconds,
              9 * (4 / 7.5) / 3, 0.001);
  problem.isForPlan = false;
  problem.worthUneven = 0.3;
  EXPECT_NEAR(solveResidency(problem, Schedule::Serial)->seconds,
              9 * (4 / 7.5) / 3, 0.001);
}

TEST(ResidencySolver, PinnedClassesStayInMemory) {
  ResidencyProblem problem = model(8, {3, 0, 60, 0}, 0, 3);
  WeightClass small;
  small.bytes = 1000;
  small.isPinned = true;
  problem.classes.push_back(small);
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_EQ(best.classes[1].ram, 1000u);
  EXPECT_GT(best.classes[0].disk, 4 * kGB);
  problem.classes[0].isPinned = true;
  EXPECT_FALSE(solveResidency(problem, Schedule::Serial));
  EXPECT_EQ(leastRam(problem)->value(), 8 * kGB + 1000);
}

TEST(ResidencySolver, TheRingHoldsAStepAndReadsAhead) {
  ResidencyProblem problem = model(8, {3, 0, 60, 0}, 0, 4);
  problem.classes[0].largestStep = 400 * kMiB;
  const Residency best = *solveResidency(problem, Schedule::Serial);
  const double streamed =
      static_cast<double>(best.classes[0].disk) / static_cast<double>(8 * kGB);
  EXPECT_NEAR(static_cast<double>(best.ringBytes),
              1.5 * streamed * static_cast<double>(400 * kMiB), 8192);
  // With the least RAM, no weights stay in RAM. The ring holds the weights of
  // the largest step, and 4 MiB more to read ahead.
  const uint64_t least = leastRam(problem)->value();
  EXPECT_NEAR(static_cast<double>(least), static_cast<double>(404 * kMiB),
              static_cast<double>(kMiB));
  problem.ram = least;
  EXPECT_TRUE(solveResidency(problem, Schedule::Serial));
  EXPECT_LE(solveResidency(problem, Schedule::Serial)->ringBytes, least);
  problem.ram = 403 * kMiB;
  EXPECT_EQ(solveResidency(problem, Schedule::Serial).status().code(),
            ErrorCode::DoesNotFit);
}

TEST(ResidencySolver, WithoutADiskEverythingMustFit) {
  ResidencyProblem problem = model(8, {3, 0, 60, 0}, 0, 8);
  problem.disk = 0;
  problem.ramReserve = kGB;
  problem.kvBytes = kGB;
  EXPECT_FALSE(solveResidency(problem, Schedule::Serial));
  EXPECT_EQ(leastRam(problem)->value(), 10 * kGB);
  problem.ram = 10 * kGB;
  EXPECT_TRUE(solveResidency(problem, Schedule::Serial));
  problem.ram = 10 * kGB - 1;
  EXPECT_FALSE(solveResidency(problem, Schedule::Serial));
  // At most 2 GB may be streamed.
  problem.disk = 2 * kGB;
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_LE(best.classes[0].disk, 2 * kGB);
  problem.ram = 8 * kGB - 100 * kMB;
  EXPECT_FALSE(solveResidency(problem, Schedule::Serial));
}

TEST(ResidencySolver, PromptsAreLimitedByArithmetic) {
  ResidencyProblem problem = model(4, {3, 0, 40, 0}, 0, 8);
  problem.classes[0].cpuSecondsPerToken = 0.01;
  Phase prompt;
  prompt.name = "prefill";
  prompt.tokens = 512;
  problem.phases.push_back(prompt);
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_NEAR(best.loads[0].seconds, 0.1, 1e-6);
  EXPECT_NEAR(best.loads[1].seconds, 5.12, 1e-6);
  EXPECT_EQ(best.loads[1].limit, "cpu");
  EXPECT_NEAR(best.seconds, 5.22, 1e-6);
  // If the class is that of the output head, a pass computes with it only for
  // the one token of the prompt whose logits are requested.
  problem.classes[0].isForOutputs = true;
  EXPECT_NEAR(solveResidency(problem, Schedule::Serial)->loads[1].seconds, 0.1,
              1e-6);
}

Phase verify(double passes) {
  Phase phase;
  phase.name = "verify";
  phase.tokens = phase.outputs = 4;
  phase.passes = passes;
  return phase;
}

// Reading the weights takes 0.1 s. The arithmetic takes 0.025 s with one token,
// and 0.0784 s with four. Of the shorter time, a half times the square root of
// the ratio of both is added to the longer one: 0.25 and 0.4427 of it.
TEST(ResidencySolver, VerifyPassesHaveArithmeticOfTheirOwn) {
  ResidencyProblem problem = model(4, {3, 0, 40, 0}, 0, 8);
  problem.classes[0].cpuSecondsPerToken = 0.01;
  problem.classes[0].cpuSecondsOfPass = {{1, 0.025}, {4, 0.0784}};
  problem.classes[0].isForOutputs = true;
  problem.phases.push_back(verify(10));
  Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_NEAR(best.loads[0].seconds, 0.10625, 1e-6);
  EXPECT_NEAR(best.loads[1].seconds, 0.134709, 1e-6);
  EXPECT_EQ(best.loads[1].limit, "dram");
  EXPECT_NEAR(best.seconds, 0.10625 + 1.34709, 1e-5);
  // If only the arithmetic per token is known, the longer time counts. All four
  // tokens have outputs.
  problem.classes[0].cpuSecondsOfPass.clear();
  best = *solveResidency(problem, Schedule::Serial);
  EXPECT_NEAR(best.loads[1].seconds, 0.1, 1e-6);
  problem.classes[0].cpuSecondsPerToken = 0.03;
  best = *solveResidency(problem, Schedule::Serial);
  EXPECT_NEAR(best.loads[0].seconds, 0.1, 1e-6);
  EXPECT_NEAR(best.loads[1].seconds, 0.12, 1e-6);
  EXPECT_EQ(best.loads[1].limit, "cpu");
}

// Two classes of 10 GB each, of which VRAM holds one. The CPU reads a class
// from RAM in 0.2 s, and the GPU reads one from VRAM in 0.01 s. The CPU's
// arithmetic with the first class takes 0.1 s for each token. With one token,
// reading hides it, so it does not matter which class is in VRAM: a pass takes
// 0.21 s. With four tokens, a pass takes 0.21 s if the first class is in VRAM,
// and 0.41 s if the second one is.
TEST(ResidencySolver, VerifyPassesDecideWhatAGpuHolds) {
  ResidencyProblem problem = model(10, {1, 0, 50, 1000}, 10, 40);
  problem.classes.push_back(problem.classes[0]);
  problem.classes[0].cpuSecondsPerToken = 0.1;
  EXPECT_NEAR(serial(problem), 0.21, 1e-4);
  problem.phases.push_back(verify(1));
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_NEAR(best.seconds, 0.42, 1e-4);
  // The linear program is solved within a tolerance, and leaves some room.
  EXPECT_NEAR(static_cast<double>(best.classes[0].vram), 10e9, 1e7);
  EXPECT_NEAR(static_cast<double>(best.classes[1].vram), 0, 1e7);
  // If the other class has the arithmetic instead, it gets the place in VRAM.
  std::swap(problem.classes[0].cpuSecondsPerToken,
            problem.classes[1].cpuSecondsPerToken);
  EXPECT_NEAR(static_cast<double>(
                  solveResidency(problem, Schedule::Serial)->classes[1].vram),
              10e9, 1e7);
}

// Without a GPU, a pass of any kind is faster the more weights are in RAM, so
// verify passes have no say in the placement, however many there are.
TEST(ResidencySolver, VerifyPassesChangeNothingWithoutAGpu) {
  ResidencyProblem problem = model(8.5, {3.5, 0, 41, 0}, 0, 5.5);
  problem.classes.push_back(problem.classes[0]);
  problem.classes[1].bytes = kGB;
  problem.classes[0].cpuSecondsPerToken = 0.01;
  problem.classes[1].cpuSecondsPerToken = 0.2;
  problem.isForPlan = true;
  const Residency without = *solveResidency(problem, Schedule::Serial);
  for (double passes : {0.0, 64.0, 1e6}) {
    problem.phases.resize(1);
    problem.phases.push_back(verify(passes));
    const Residency with = *solveResidency(problem, Schedule::Serial);
    for (size_t i = 0; i < 2; ++i) {
      // The linear program is solved within a tolerance, and shares are rounded
      // to pages.
      EXPECT_NEAR(static_cast<double>(with.classes[i].ram),
                  static_cast<double>(without.classes[i].ram), 1e6)
          << passes;
    }
    EXPECT_EQ(with.ringBytes, without.ringBytes) << passes;
  }
}

// ---- brute force ------------------------------------------------------------

/// The shares of a class in the tiers V, RC, RG, SC and SG (ResidencySolver.h).
using Shares = std::array<double, 5>;

/// The time of a pass, computed as ResidencySolver.h describes it, for problems
/// with one phase of one token. Returns infinity if a capacity is exceeded.
double timeOf(const ResidencyProblem &problem, Schedule schedule,
              const std::vector<Shares> &shares) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  double vram = 0, ram = 0, streamed = 0, part = 0;
  double disk = 0, link = 0, bus = 0, cpu = 0, gpu = 0;
  bool cpuWorks = false, gpuWorks = false;
  for (size_t i = 0; i < shares.size(); ++i) {
    const WeightClass &weights = problem.classes[i];
    const auto bytes = static_cast<double>(weights.bytes);
    const auto [v, rc, rg, sc, sg] = shares[i];
    vram += bytes * v;
    ram += bytes * (rc + rg);
    streamed += bytes * (sc + sg);
    part = weights.isGathered
               ? part
               : std::max(part,
                          (sc + sg) * static_cast<double>(weights.largestStep));
    const double touched = bytes * weights.touch;
    disk += touched * (sc + sg);
    link += touched * (rg + sg);
    bus += touched * (rc + rg + (problem.countsRingWrites ? 2 : 1) * (sc + sg));
    cpu += (rc + sc) *
           std::max(touched / problem.links.memory, weights.cpuSecondsPerToken);
    gpu += (v + rg + sg) * touched / problem.links.vram;
    cpuWorks |= rc + sc > 1e-6 && !weights.isGathered;
    gpuWorks |= v + rg + sg > 1e-6;
  }
  const auto limit = [](std::optional<uint64_t> bytes) {
    return bytes ? static_cast<double>(*bytes) : kNever;
  };
  const double ring =
      part == 0 ? 0
                : part + std::max(part / 2, static_cast<double>(kReadAhead));
  // Rounding may make a sum too large by less than a byte.
  if (vram > limit(problem.vram) + 1 || ram + ring > limit(problem.ram) + 1 ||
      streamed > limit(problem.disk) + 1) {
    return kNever;
  }
  const double handover = cpuWorks && gpuWorks ? problem.handoverSeconds : 0;
  const double devices =
      (schedule == Schedule::Fluid ? std::max(cpu, gpu) : cpu + gpu) + handover;
  return std::max({disk / problem.links.disk, link / problem.links.transfer,
                   bus / problem.links.memory, devices});
}

/// All ways to divide a class among the five tiers if each tier gets a multiple
/// of one eighth.
std::vector<Shares> grid() {
  constexpr int kParts = 8;
  std::vector<Shares> all;
  for (int v = 0; v <= kParts; ++v) {
    for (int rc = 0; v + rc <= kParts; ++rc) {
      for (int rg = 0; v + rc + rg <= kParts; ++rg) {
        for (int sc = 0; v + rc + rg + sc <= kParts; ++sc) {
          const int sg = kParts - v - rc - rg - sc;
          all.push_back({v / 8.0, rc / 8.0, rg / 8.0, sc / 8.0, sg / 8.0});
        }
      }
    }
  }
  return all;
}

ResidencyProblem randomProblem(std::mt19937 &random) {
  const auto between = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random()) / 4294967296.0;
  };
  ResidencyProblem problem;
  problem.hasGpu = random() % 4 != 0;
  for (int i = 0; i < 2; ++i) {
    WeightClass weights;
    weights.name = std::to_string(i);
    weights.bytes = gigabytes(between(0.5, 20));
    weights.largestStep = weights.bytes / (20 + random() % 60);
    if (i == 1 && random() % 2 == 0) {
      weights.touch = between(0, 0.3);
      weights.isGathered = true;
    }
    if (random() % 3 == 0) {
      weights.cpuSecondsPerToken = between(0, 0.5);
    }
    problem.classes.push_back(weights);
  }
  problem.phases = {Phase()};
  problem.links = {between(1, 10) * 1e9, between(5, 50) * 1e9,
                   between(20, 200) * 1e9, between(200, 2000) * 1e9};
  const double all =
      static_cast<double>(problem.classes[0].bytes + problem.classes[1].bytes) /
      1e9;
  problem.vram = problem.hasGpu ? gigabytes(between(0, 0.8) * all) : 0;
  problem.ram = gigabytes(between(0.1, 1.1) * all);
  if (random() % 4 == 0) {
    problem.disk = gigabytes(between(0, 0.6) * all);
  }
  problem.handoverSeconds = between(0, 0.02);
  problem.countsRingWrites = random() % 2 == 0;
  problem.worthUneven = 0;
  return problem;
}

std::vector<Shares> sharesOf(const ResidencyProblem &problem,
                             const Residency &placement) {
  std::vector<Shares> all;
  for (size_t i = 0; i < problem.classes.size(); ++i) {
    const ClassPlacement &place = placement.classes[i];
    const auto bytes = static_cast<double>(problem.classes[i].bytes);
    const double ram = static_cast<double>(place.ram) / bytes;
    const double disk = static_cast<double>(place.disk) / bytes;
    all.push_back({static_cast<double>(place.vram) / bytes,
                   ram * (1 - place.ramOnGpu[0]), ram * place.ramOnGpu[0],
                   disk * (1 - place.diskOnGpu[0]), disk * place.diskOnGpu[0]});
  }
  return all;
}

/// A lower bound for the time of any placement. It is the longer of two times:
/// that of reading from the disk what exceeds VRAM and RAM together, and that
/// of reading all weights from memory. The rate of memory is the sum of those
/// of RAM and VRAM in the fluid schedule, and the higher of the two in the
/// serial one. Gathered classes are not counted.
double boundOf(const ResidencyProblem &problem, Schedule schedule) {
  double dense = 0;
  for (const WeightClass &weights : problem.classes) {
    dense += weights.isGathered ? 0 : static_cast<double>(weights.bytes);
  }
  const double fast =
      static_cast<double>(*problem.vram) + static_cast<double>(*problem.ram);
  const double readers =
      !problem.hasGpu ? problem.links.memory
      : schedule == Schedule::Fluid
          ? problem.links.memory + problem.links.vram
          : std::max(problem.links.memory, problem.links.vram);
  return std::max((dense - fast) / problem.links.disk, dense / readers);
}

TEST(ResidencySolver, IsNeverWorseThanAnyPlacementOnAGrid) {
  std::mt19937 random(1);
  const std::vector<Shares> all = grid();
  int feasible = 0;
  int uneven = 0;
  for (int round = 0; round < 60; ++round) {
    const ResidencyProblem problem = randomProblem(random);
    for (Schedule schedule : {Schedule::Serial, Schedule::Fluid}) {
      SCOPED_TRACE(round);
      double best = std::numeric_limits<double>::infinity();
      for (const Shares &a : all) {
        if (!problem.hasGpu && a[0] + a[2] + a[4] > 0) {
          continue;
        }
        for (const Shares &b : all) {
          if (!problem.hasGpu && b[0] + b[2] + b[4] > 0) {
            continue;
          }
          best = std::min(best, timeOf(problem, schedule, {a, b}));
        }
      }
      const Result<Residency> solved = solveResidency(problem, schedule);
      if (std::isinf(best)) {
        continue; // the grid is too coarse, or nothing fits
      }
      ASSERT_TRUE(solved) << solved.status().message();
      feasible += 1;
      // The solver's time may exceed the best one by 0.02 %.
      EXPECT_LE(solved->seconds, best * (1 + 2e-4));
      EXPECT_GE(solved->seconds, boundOf(problem, schedule) * (1 - 1e-6));
      // timeOf() must confirm that the placement fits, and must return the time
      // that the solver states. It assumes a ring of the usual size, because
      // the solver uses a smaller one only if nothing else fits.
      const double check =
          timeOf(problem, schedule, sharesOf(problem, *solved));
      EXPECT_NEAR(check, solved->seconds, 1e-6 * solved->seconds);
      const std::vector<Shares> shares = sharesOf(problem, *solved);
      uneven += std::abs(shares[0][0] - shares[1][0]) > 0.01 ? 1 : 0;
    }
  }
  EXPECT_GT(feasible, 60);
  EXPECT_GT(uneven, 5);
}

TEST(ResidencySolver, EqualProblemsHaveEqualSolutions) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    const ResidencyProblem problem = randomProblem(random);
    const Result<Residency> a = solveResidency(problem, Schedule::Serial);
    const Result<Residency> b = solveResidency(problem, Schedule::Serial);
    ASSERT_EQ(a.isOk(), b.isOk());
    if (a) {
      EXPECT_EQ(a->seconds, b->seconds);
      EXPECT_EQ(a->classes[0].vram, b->classes[0].vram);
      EXPECT_EQ(a->classes[1].disk, b->classes[1].disk);
    }
  }
}

TEST(ResidencySolver, TheLeastRamIsTheLeast) {
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    ResidencyProblem problem = randomProblem(random);
    const std::optional<uint64_t> least = *leastRam(problem);
    if (!least) {
      EXPECT_FALSE(solveResidency(problem, Schedule::Serial));
      continue;
    }
    problem.ram = *least;
    EXPECT_TRUE(solveResidency(problem, Schedule::Serial)) << round;
    if (*least >= kMiB) {
      problem.ram = *least - kMiB;
      EXPECT_FALSE(solveResidency(problem, Schedule::Serial)) << round;
    }
  }
}

TEST(ResidencySolver, UnknownRatesAreNotLimits) {
  ResidencyProblem problem = model(8, {0, 0, 0, 0}, 0, 6);
  const Residency best = *solveResidency(problem, Schedule::Serial);
  EXPECT_EQ(best.seconds, 0);
  EXPECT_EQ(best.loads[0].limit, "");
  // Even if no rate is known, as much as fits is kept in RAM.
  EXPECT_NEAR(static_cast<double>(best.classes[0].ram), 6e9, 0.02e9);
}

} // namespace
} // namespace air::compiler
