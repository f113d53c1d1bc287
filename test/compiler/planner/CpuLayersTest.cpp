//===- CpuLayersTest.cpp - layers on the CPU by predicted time ------------===//
#include "compiler/planner/CpuLayers.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace air::compiler {
namespace {

constexpr uint64_t kGB = 1'000'000'000;
constexpr uint64_t kLayers = 10;
constexpr uint64_t kLayerBytes = kGB; ///< a layer has one segment

/// A computer that reads `ramRate` bytes/s from RAM. Its GPU reads 400 GB/s
/// from VRAM, and copies to VRAM run at 25 GB/s.
MachineProfile machineWith(uint64_t ramRate) {
  MachineProfile machine;
  machine.memoryBandwidth = ramRate;
  machine.diskBandwidth = 5 * kGB;
  GpuProfile gpu;
  gpu.memoryBandwidth = 400 * kGB;
  gpu.transferBandwidth = 25 * kGB;
  machine.gpus = {gpu};
  return machine;
}

/// A problem with ten layers of 1 GB each. As CpuLayerProblem requires, its
/// demand and its pass are those of a plan with one layer on the CPU.
CpuLayerProblem problemWith(uint64_t vramBytes, uint64_t ramBytes) {
  CpuLayerProblem problem;
  problem.layers = kLayers;
  problem.demand.vram.segments.steps = kLayers;
  for (uint32_t layer = 1; layer < kLayers; ++layer) {
    WeightSegment segment;
    segment.bytes = kLayerBytes;
    segment.firstStep = segment.lastStep = layer;
    problem.demand.vram.segments.weights.push_back(segment);
    problem.layerOf.push_back(layer);
    problem.demand.vram.weights += alignUp(kLayerBytes, kDeviceAlignment);
  }
  problem.demand.cpu.weights = kLayerBytes;
  problem.limits.vram = {kDriverBytes + vramBytes, "the test has"};
  problem.limits.ram = {ramBytes, "the test has"};
  problem.pass.weights = (kLayers - 1) * kLayerBytes;
  problem.pass.onCpu = kLayerBytes;
  return problem;
}

// RAM is faster than PCIe, so the CPU computes all that does not fit in 4.1 GB
// of VRAM: 6 of the 10 layers. The pass takes 6 GB / 50 GB/s + 4 GB / 400 GB/s.
TEST(CpuLayers, TheCpuComputesWhatDoesNotFit) {
  const std::optional<CpuLayerChoice> choice = chooseCpuLayers(
      problemWith(4'100'000'000, 64 * kGB), machineWith(50 * kGB));
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->layers, 6U);
  EXPECT_EQ(choice->prediction.nanoseconds, 130'000'000U);
  EXPECT_EQ(choice->prediction.limit, "dram");
}

// A CPU that reads 20 GB/s takes 50 ms for a layer of 1 GB, but a copy of it to
// VRAM takes only 40 ms. A pass is therefore faster if some of the 6 layers
// that do not fit into VRAM are copied. One of them fits into the ring, and is
// copied while the CPU computes.
TEST(CpuLayers, ASlowCpuLeavesMoreToCopies) {
  const std::optional<CpuLayerChoice> choice = chooseCpuLayers(
      problemWith(4'100'000'000, 64 * kGB), machineWith(20 * kGB));
  ASSERT_TRUE(choice);
  EXPECT_LT(choice->layers, 6U);
  const PassPrediction six = predictGpuPass(
      {.weights = 4 * kGB, .onCpu = 6 * kGB}, machineWith(20 * kGB));
  EXPECT_EQ(six.nanoseconds, 310'000'000U);
  EXPECT_LT(choice->prediction.nanoseconds, six.nanoseconds);
}

// 2 GB on the CPU take 40 ms, 4 GB in VRAM 10 ms, and 3 GB of copies 120 ms.
TEST(CpuLayers, CopiesBesideTheCpuAreLimitedByTheRing) {
  GpuPassBytes pass = {
      .weights = 4 * kGB, .copied = 3 * kGB, .onCpu = 2 * kGB, .ring = kGB};
  const MachineProfile machine = machineWith(50 * kGB);
  // While the CPU works, the copies fill the ring of 1 GB in 40 ms. The other 2
  // GB are copied in 80 ms while the GPU works.
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 120'000'000U);
  EXPECT_EQ(predictGpuPass(pass, machine).limit, "pcie");
  pass.ring = kGB / 2;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 140'000'000U);
  // All copies fit in the ring, so they are made while the CPU works.
  pass.copied = kGB / 2;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 50'000'000U);
  EXPECT_EQ(predictGpuPass(pass, machine).limit, "dram");
  // Arithmetic takes 60 ms, and reading takes 40 ms. The share of the reading
  // that is not hidden is half of the square root of 40 / 60 (overlappedTime()
  // in CpuRates.h), so 16.330 ms are not hidden. With the 10 ms in VRAM, the
  // pass takes 86.330 ms.
  pass.operands = 6 * kGB;
  pass.operandRate = 100 * kGB;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 86'329'932U);
  EXPECT_EQ(predictGpuPass(pass, machine).limit, "cpu");
}

// The CPU reads 2 GB in 40 ms, and the GPU reads 4 GB of VRAM in 10 ms. 3 of
// these 4 GB must first be read from the disk in 600 ms and copied to the GPU
// in 120 ms. Reads from the disk, copies and the GPU overlap. Without rings,
// they start only when the CPU is done, so the pass takes 40 ms + 600 ms.
TEST(CpuLayers, ReadsBesideTheCpuAreLimitedByTheRings) {
  GpuPassBytes pass = {
      .weights = 4 * kGB, .copied = 3 * kGB, .read = 3 * kGB, .onCpu = 2 * kGB};
  const MachineProfile machine = machineWith(50 * kGB);
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 640'000'000U);
  EXPECT_EQ(predictGpuPass(pass, machine).limit, "disk");
  // 0.1 GB is read in 20 ms while the CPU works, and 2.9 GB in 580 ms.
  pass.ramRing = kGB / 10;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 620'000'000U);
  // Now there is also a ring of 0.05 GB in VRAM. While the CPU works, copies
  // fill it from the ring in RAM, which makes room there for another 0.05 GB
  // from the disk. So 0.15 GB are read in 30 ms while the CPU works, and the
  // other 2.85 GB in 570 ms after that.
  pass.ring = kGB / 20;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 610'000'000U);
  // Now the disk is the source of half of what is copied, and therefore of half
  // of the 0.05 GB that go to the ring in VRAM. While the CPU works, 0.1 +
  // 0.025 GB are read in 25 ms. Reading the other 1.375 GB then takes 275 ms.
  pass.read = 3 * kGB / 2;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 315'000'000U);
  // Until both rings are full, 0.6 GB are read: 0.4 GB for the ring in RAM, and
  // 0.2 GB for the ring of 0.4 GB in VRAM, half of which comes from the disk.
  // This takes 120 ms, but the CPU works for only 40 ms. The disk therefore
  // never waits, and reads its 1.5 GB in 300 ms.
  pass.ramRing = pass.ring = 4 * kGB / 10;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 300'000'000U);
  // All 0.3 GB that are read fit in the ring in RAM, and reading them takes 60
  // ms. Of the 3 GB that are copied, 0.4 GB fit in the ring in VRAM and are
  // copied while the CPU works. When the CPU is done, after 40 ms, the other
  // 2.6 GB are copied in 104 ms. Reading ends during these 104 ms.
  pass.read = 3 * kGB / 10;
  EXPECT_EQ(predictGpuPass(pass, machine).nanoseconds, 144'000'000U);
  EXPECT_EQ(predictGpuPass(pass, machine).limit, "pcie");
}

// Reads, copies and kernels overlap if no layers are on the CPU, whatever the
// sizes of the rings are.
TEST(CpuLayers, WithoutLayersOnTheCpuRingsDoNotMatter) {
  EXPECT_EQ(
      predictGpuPass({.weights = 4 * kGB, .copied = 3 * kGB, .read = 2 * kGB},
                     machineWith(50 * kGB))
          .nanoseconds,
      400'000'000U);
}

TEST(CpuLayers, OneLayerIsTheLeastAndAllButOneTheMost) {
  // All fits in VRAM, which is faster than RAM.
  std::optional<CpuLayerChoice> choice =
      chooseCpuLayers(problemWith(20 * kGB, 64 * kGB), machineWith(50 * kGB));
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->layers, 1U);
  // VRAM has room for little more than one layer.
  choice = chooseCpuLayers(problemWith(1'100'000'000, 64 * kGB),
                           machineWith(50 * kGB));
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->layers, 9U);
}

// 3.5 GB of RAM hold at most three layers of 1 GB beside the 16 MiB of
// page-locked memory for copies to the GPU.
TEST(CpuLayers, RamLimitsTheNumber) {
  const std::optional<CpuLayerChoice> choice = chooseCpuLayers(
      problemWith(6'100'000'000, 3'500'000'000), machineWith(50 * kGB));
  ASSERT_TRUE(choice);
  EXPECT_LE(choice->layers, 3U);
}

// If the bandwidth of RAM is not known, the time of a pass is not known either.
// The prediction still lists the links, so that the caller can tell the user
// which rate is missing.
TEST(CpuLayers, WithoutRatesTheTimeIsUnknown) {
  const std::optional<CpuLayerChoice> choice =
      chooseCpuLayers(problemWith(4 * kGB, 64 * kGB), machineWith(0));
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->layers, 1U);
  EXPECT_EQ(choice->prediction.nanoseconds, 0U);
  EXPECT_TRUE(
      std::ranges::any_of(choice->prediction.links, [](const LinkLoad &load) {
        return load.link == "dram" && load.bytesPerPass != 0 &&
               load.bandwidth == 0;
      }));
}

TEST(CpuLayers, NothingIsChosenWithoutRoom) {
  EXPECT_FALSE(
      chooseCpuLayers(problemWith(kGB / 2, kGB / 2), machineWith(50 * kGB)));
}

// The keys and values of the layers on the CPU are in RAM, not in VRAM. A page
// has 50 MB for each layer. There are two pages: one for the sequence, and one
// for the padding of batches.
TEST(CpuLayers, CachesMoveWithTheLayers) {
  CpuLayerProblem problem = problemWith(4'100'000'000, 64 * kGB);
  problem.demand.vram.kvPageBytes = 9 * (kGB / 20);
  problem.demand.cpu.kvPageBytes = kGB / 20;
  problem.demand.vram.context = 64;
  problem.demand.vram.kvPageTokens = 64;
  problem.demand.vram.slots = 1;
  const std::optional<CpuLayerChoice> choice =
      chooseCpuLayers(problem, machineWith(50 * kGB));
  ASSERT_TRUE(choice);
  // On the GPU, a layer takes 1 GB for its weights and 0.1 GB for its two
  // pages. Three layers fit in 4.1 GB of VRAM, but four do not, so the CPU
  // computes the other seven.
  EXPECT_EQ(choice->layers, 7U);
}

} // namespace
} // namespace air::compiler
