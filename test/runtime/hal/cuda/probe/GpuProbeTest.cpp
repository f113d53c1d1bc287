//===- GpuProbeTest.cpp - rates of a fake GPU -----------------------------===//
#include "runtime/hal/cuda/probe/GpuProbe.h"

#include "formats/machine/GpuTable.h"
#include "formats/machine/MachineProfile.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::rt {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class GpuProbeTest : public testing::Test {
protected:
  void SetUp() override { fakeCuda = FakeCuda(); }
  void TearDown() override { EXPECT_EQ(fakeCudaLiveObjects(), 0); }
};

/// Returns the time of one copy in nanoseconds. The fake driver copies 10,000
/// bytes per microsecond, and rounds the time of each copy up to whole
/// microseconds.
uint64_t fakeNanoseconds(uint64_t bytes) {
  return (bytes + 9'999) / 10'000 * 1'000;
}

TEST_F(GpuProbeTest, RatesAreThoseOfTheDriver) {
  const Result<GpuProbeResult> result = probeGpu({}, 0);
  ASSERT_TRUE(result.isOk()) << result.status().message();
  EXPECT_EQ(result->facts.name, "emulated GPU");
  EXPECT_EQ(result->facts.ordinal, 0U);
  EXPECT_EQ(result->facts.capability, 90U);
  EXPECT_EQ(result->facts.totalBytes, 64 * kMiB);
  // The fake driver copies 10 GB/s. A copy within the GPU reads and writes each
  // byte, so the bandwidth of the memory is 20 GB/s.
  EXPECT_NEAR(static_cast<double>(result->bestBandwidth), 20e9, 1e8);
  EXPECT_EQ(result->bestBandwidth, result->medianBandwidth);
  std::vector<uint64_t> sizes;
  for (const CopyRate &copy : result->copies) {
    sizes.push_back(copy.bytes);
    const double nanoseconds = static_cast<double>(fakeNanoseconds(copy.bytes));
    const double rate = static_cast<double>(copy.bytes) / nanoseconds * 1e9;
    // The driver reports times as float32.
    EXPECT_NEAR(static_cast<double>(copy.toGpu), rate, rate * 1e-6);
    EXPECT_NEAR(static_cast<double>(copy.toHost), rate, rate * 1e-6);
    EXPECT_NEAR(static_cast<double>(copy.toGpuNs), nanoseconds, 1);
    EXPECT_NEAR(static_cast<double>(copy.toHostNs), nanoseconds, 1);
  }
  // The largest block must fit in a quarter of the free memory.
  EXPECT_THAT(sizes, testing::ElementsAre(kMiB / 16, kMiB / 4, kMiB, 4 * kMiB,
                                          16 * kMiB));
}

TEST_F(GpuProbeTest, TheProfileHasWhatThePlannerReads) {
  const Result<GpuProbeResult> result = probeGpu({}, 0);
  ASSERT_TRUE(result.isOk()) << result.status().message();
  MachineProfile machine = hostProfile();
  machine.gpus = {profileOf(*result)};
  const GpuProfile &gpu = machine.gpus.front();
  EXPECT_EQ(gpu.name, "emulated GPU");
  EXPECT_EQ(gpu.backend, GpuBackend::Cuda);
  EXPECT_EQ(gpu.memoryBytes, 64 * kMiB);
  EXPECT_EQ(gpu.memoryBandwidth, result->bestBandwidth);
  // Weights are copied in pieces of 4 MiB, which is the fourth size that is
  // measured.
  EXPECT_EQ(gpu.transferBandwidth, result->copies.at(3).toGpu);
  EXPECT_EQ(gpu.f16Ops, 0U);
  EXPECT_EQ(gpu.arch, "sm_90a");
  EXPECT_EQ(gpu.multiprocessors, 2U);
  const Result<MachineProfile> back = parseProfile(toJson(machine), "m.json");
  ASSERT_TRUE(back.isOk()) << back.status().message();
  EXPECT_EQ(back->gpus, machine.gpus);
  EXPECT_TRUE(canPlanFor(gpu));
}

TEST_F(GpuProbeTest, EachGpuIsMeasured) {
  fakeCuda.gpus = 3;
  EXPECT_EQ(*CudaDriver::countGpus(), 3U);
  const Result<GpuProbeResult> last = probeGpu({.device = "2", .arch = ""}, 0);
  ASSERT_TRUE(last.isOk()) << last.status().message();
  EXPECT_EQ(last->facts.ordinal, 2U);
  const Status none = probeGpu({.device = "3", .arch = ""}, 0).status();
  EXPECT_EQ(none.code(), ErrorCode::Usage);
  EXPECT_THAT(none.message(),
              HasSubstr("no GPU of this machine is called '3'; its GPUs are 0 "
                        "(emulated GPU, compute capability 9.0), 1"));
  fakeCuda.gpus = 0;
  EXPECT_EQ(CudaDriver::countGpus().status().code(), ErrorCode::Unsupported);
}

TEST_F(GpuProbeTest, ErrorsSayWhatIsMissing) {
  fakeCuda.freeBytes = 64 * kMiB - 1;
  const Status full = probeGpu({}, 0).status();
  EXPECT_EQ(full.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(full.message(),
              HasSubstr("has 67108863 bytes of free memory, but measuring it "
                        "takes 67108864"));
  // Allocations 1 and 2 in the memory of the GPU are the two buffers. Pinned
  // memory, which is allocated after them, does not fail in this test.
  for (int allocation : {1, 2}) {
    fakeCuda = FakeCuda();
    fakeCuda.failingAllocation = allocation;
    const Status status = probeGpu({}, 0).status();
    EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
    EXPECT_THAT(status.message(), HasSubstr("two buffers of 16777216 bytes"));
  }
  fakeCuda = FakeCuda();
  fakeCuda.initResult = 3;
  EXPECT_EQ(CudaDriver::countGpus().status().code(), ErrorCode::Io);
}

GpuProfile profileFor(const char *name, uint32_t capability,
                      uint32_t multiprocessors) {
  GpuProbeResult result;
  result.facts.name = name;
  result.facts.capability = capability;
  result.facts.multiprocessors = multiprocessors;
  return profileOf(result);
}

// The compute capabilities are those of NVIDIA's page "CUDA GPUs": 7.0 is
// Volta, 8.7 is Jetson AGX Orin, 10.3 is B300, 11.0 is Jetson Thor, and 12.1 is
// DGX Spark. No GPU has 13.0 yet. A B300 runs no code for sm_100a. Machine code
// runs only on GPUs with the same major number (NVIDIA's page "Binary
// Compatibility").
TEST(GpuProfileOf, TheArchIsTheNewestThatTheGpuRunsOrItsOwn) {
  const std::pair<uint32_t, const char *> cases[] = {
      {70, ""},        {75, "sm_75"},   {80, "sm_80"},   {86, "sm_86"},
      {87, "sm_86"},   {89, "sm_89"},   {90, "sm_90a"},  {100, "sm_100a"},
      {103, "sm_103"}, {110, "sm_110"}, {120, "sm_120"}, {121, "sm_120"},
      {130, "sm_130"}};
  for (const auto &[capability, arch] : cases) {
    EXPECT_EQ(profileFor("a GPU", capability, 10).arch, arch) << capability;
  }
}

TEST(GpuProfileOf, AKnownGpuHasItsNominalRateOfArithmetic) {
  const auto nominal = [](const char *name) {
    return machineWithGpu(name)->gpus.front().f16Ops;
  };
  EXPECT_EQ(profileFor("NVIDIA GeForce RTX 3060", 86, 28).f16Ops,
            nominal("rtx3060"));
  EXPECT_EQ(profileFor("NVIDIA GeForce RTX 3060 Ti", 86, 38).f16Ops,
            nominal("rtx3060ti"));
  EXPECT_EQ(profileFor("NVIDIA A100-SXM4-80GB", 80, 108).f16Ops,
            nominal("a100"));
  // An L40 is not an L4, and an H100 PCIe has fewer multiprocessors than an
  // H100 SXM, so the nominal rates of l4 and h100 do not apply to them.
  EXPECT_EQ(profileFor("NVIDIA L40", 89, 142).f16Ops, 0U);
  EXPECT_EQ(profileFor("NVIDIA H100 PCIe", 90, 114).f16Ops, 0U);
}

TEST(GpuProfileOf, TheNameIsOneThatAProfileAllows) {
  MachineProfile machine = hostProfile();
  machine.gpus = {profileFor("RTX 6000/8000\n", 75, 2000)};
  EXPECT_EQ(machine.gpus.front().name, "RTX 6000\\x2f8000\\x0a");
  EXPECT_TRUE(parseProfile(toJson(machine), "m.json").isOk());
  EXPECT_EQ(profileFor("", 75, 1).name, "GPU");
}

} // namespace
} // namespace air::rt
