//===- GpuProfileTest.cpp - named GPUs, their hosts, and files ------------===//
#include "formats/machine/GpuTable.h"
#include "formats/machine/MachineProfile.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using ::testing::HasSubstr;

namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

const GpuProfile &gpuOf(const MachineProfile &machine) {
  return machine.gpus.front();
}

} // namespace

TEST(GpuProfile, EveryNameIsAMachineWithAHost) {
  std::vector<std::string> names;
  for (const GpuProfile &gpu : builtinGpus()) {
    names.push_back(gpu.name);
    const Result<MachineProfile> machine = resolveMachine(gpu.name);
    ASSERT_TRUE(machine) << gpu.name;
    EXPECT_EQ(machine->name, gpu.name);
    ASSERT_EQ(machine->gpus.size(), 1u);
    EXPECT_EQ(gpuOf(*machine), gpu);
    EXPECT_FALSE(machine->measured);
    EXPECT_GT(machine->diskBandwidth, 0u);
    // No GPU of the list has less memory than 6 GiB or more than 192 GiB. VRAM
    // is faster than the RAM of the host. Copies to the GPU are slower than
    // PCIe 5.0 with 16 lanes (63 GB/s in each direction) and faster than the
    // disk.
    EXPECT_GE(gpu.memoryBytes, 6 * kGiB) << gpu.name;
    EXPECT_LE(gpu.memoryBytes, 192 * kGiB) << gpu.name;
    EXPECT_GT(gpu.memoryBandwidth, machine->memoryBandwidth) << gpu.name;
    EXPECT_LT(gpu.transferBandwidth, 63'000'000'000u) << gpu.name;
    EXPECT_GT(gpu.transferBandwidth, machine->diskBandwidth) << gpu.name;
    // Each GPU reaches more than 8 teraflops, and none exceeds the dense
    // float16 rate of a B200.
    EXPECT_GT(gpu.f16Ops, 8'000'000'000'000u) << gpu.name;
    EXPECT_LE(gpu.f16Ops, 2'250'000'000'000'000u) << gpu.name;
    // Plans need the arch and the number of multiprocessors. The largest GPU, a
    // GB202 with all multiprocessors enabled, has 192.
    const bool isCuda = gpu.backend == GpuBackend::Cuda;
    EXPECT_EQ(gpu.arch.starts_with("sm_"), isCuda) << gpu.name;
    EXPECT_EQ(gpu.multiprocessors != 0, isCuda) << gpu.name;
    EXPECT_LE(gpu.multiprocessors, 192u) << gpu.name;
    EXPECT_EQ(resolveProfile(gpu.name).isOk(), isCuda) << gpu.name;
    const Result<MachineProfile> back =
        parseProfile(toJson(*machine), "x.json");
    ASSERT_TRUE(back) << back.status().message();
    EXPECT_EQ(*back, *machine);
  }
  EXPECT_THAT(names,
              ::testing::ElementsAre(
                  "a10", "a100", "arc-a770", "arc-b580", "b200", "h100", "h200",
                  "l4", "l40s", "rtx2060", "rtx2070", "rtx2080", "rtx2080ti",
                  "rtx3050", "rtx3060", "rtx3060ti", "rtx3070", "rtx3080",
                  "rtx3090", "rtx4060", "rtx4060ti", "rtx4070", "rtx4080",
                  "rtx4090", "rtx5060", "rtx5070", "rtx5080", "rtx5090",
                  "rx6600", "rx6700xt", "rx6800xt", "rx6900xt", "rx7600",
                  "rx7800xt", "rx7900xt", "rx7900xtx", "rx9070", "rx9070xt",
                  "t4"));
}

// The expected figures are what owners of these cards report. nvidia-smi lists
// 24,564 MiB for an RTX 4090 and 15,360 MiB for a T4, of which the driver keeps
// up to 7 % for itself. Programs read the VRAM of an RTX 4090 at 920 to 950
// GB/s, and copy to it over PCIe 4.0 at 25 to 26.5 GB/s.
TEST(GpuProfile, RatesAreThoseThatProgramsReach) {
  const MachineProfile desktop = *resolveMachine("rtx4090");
  EXPECT_NEAR(static_cast<double>(gpuOf(desktop).memoryBytes) / (1 << 20),
              24'564, 0.07 * 24'564);
  EXPECT_GT(gpuOf(desktop).memoryBandwidth, 850'000'000'000u);
  EXPECT_LT(gpuOf(desktop).memoryBandwidth, 950'000'000'000u);
  EXPECT_NEAR(static_cast<double>(gpuOf(desktop).transferBandwidth), 25.7e9,
              1.3e9);
  const MachineProfile server = *resolveMachine("t4");
  EXPECT_NEAR(static_cast<double>(gpuOf(server).memoryBytes) / (1 << 20),
              15'360, 0.07 * 15'360);
  EXPECT_GT(server.memoryBytes, desktop.memoryBytes);
  EXPECT_GT(server.memoryBandwidth, desktop.memoryBandwidth);
}

// deviceQuery reports 28 multiprocessors and compute capability 8.6 for an RTX
// 3060, and 132 and 9.0 for an H100 SXM.
TEST(GpuProfile, ArchAndMultiprocessors) {
  const MachineProfile desktop = *resolveProfile("rtx3060");
  EXPECT_EQ(gpuOf(desktop).arch, "sm_86");
  EXPECT_EQ(gpuOf(desktop).multiprocessors, 28u);
  const MachineProfile server = *resolveProfile("h100");
  EXPECT_EQ(gpuOf(server).arch, "sm_90a");
  EXPECT_EQ(gpuOf(server).multiprocessors, 132u);
}

TEST(GpuProfile, NoPlanIsMadeForOtherGpus) {
  const Status status = resolveProfile("rx7600").status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_THAT(status.message(), HasSubstr("needs the Vulkan backend"));
  EXPECT_THAT(status.message(), HasSubstr("--explain"));
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) /
      ("gpu-" + std::to_string(getpid()) + ".json");
  std::ofstream(file) << R"({"arch": "x86_64", "cores": 1,
      "gpus": [{"name": "mine", "backend": "cuda", "arch": "sm_86"}]})";
  const Status unknown = resolveProfile(file).status();
  std::filesystem::remove(file);
  EXPECT_EQ(unknown.code(), ErrorCode::Unsupported);
  EXPECT_THAT(unknown.message(), HasSubstr("arch 'sm_86' and 0 multiproc"));
  const Status volta = resolveMachine("v100").status();
  EXPECT_EQ(volta.code(), ErrorCode::Unsupported);
  EXPECT_THAT(
      volta.message(),
      HasSubstr("there are no kernels for GPUs of the Volta architecture"));
  EXPECT_EQ(resolveProfile("v100").status().message(), volta.message());
}

TEST(GpuProfile, TheCpuBesideItCanBeReplaced) {
  MachineProfile machine = *resolveMachine("rtx4090");
  machine.diskBeside = 5;
  machine.memoryBeside = 6;
  const MachineProfile zen5 = *withCpu(machine, "zen5");
  EXPECT_EQ(zen5.name, "rtx4090");
  EXPECT_EQ(zen5.gpus, machine.gpus);
  EXPECT_EQ(zen5.cpu, resolveProfile("zen5")->cpu);
  EXPECT_EQ(zen5.features, resolveProfile("zen5")->features);
  EXPECT_EQ(zen5.cores, machine.cores);
  EXPECT_EQ(zen5.memoryBytes, machine.memoryBytes);
  EXPECT_EQ(zen5.diskBandwidth, machine.diskBandwidth);
  // The rates diskBeside and memoryBeside of `machine` were measured with
  // another CPU.
  EXPECT_EQ(zen5.diskBeside, 0u);
  EXPECT_EQ(zen5.memoryBeside, 0u);

  const MachineProfile laptop = *withCpu(machine, "laptop");
  EXPECT_EQ(laptop.gpus, machine.gpus);
  EXPECT_LT(laptop.memoryBytes, machine.memoryBytes);
  EXPECT_LT(laptop.diskBandwidth, machine.diskBandwidth);

  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) /
      ("cpu-" + std::to_string(getpid()) + ".json");
  std::ofstream(file) << R"({"name": "box", "arch": "x86_64", "cores": 3,
      "memory_bytes": 7, "memory_bandwidth": 8, "disk_bandwidth": 9,
      "measured": true})";
  const MachineProfile box = *withCpu(machine, file);
  std::filesystem::remove(file);
  EXPECT_EQ(box.name, "rtx4090");
  EXPECT_EQ(box.gpus, machine.gpus);
  EXPECT_EQ(box.cores, 3u);
  EXPECT_EQ(box.memoryBytes, 7u);
  EXPECT_EQ(box.diskBandwidth, 9u);
  EXPECT_TRUE(box.measured);

  EXPECT_EQ(withCpu(machine, "rtx3060").status().code(),
            ErrorCode::Unsupported);
  EXPECT_EQ(withCpu(machine, "pentium").status().code(),
            ErrorCode::Unsupported);
  EXPECT_EQ(withCpu(machine, "none.json").status().code(), ErrorCode::Io);
}

TEST(GpuProfile, JsonIsAsDocumented) {
  const Result<MachineProfile> machine = parseProfile(
      R"({"arch": "x86_64", "cores": 1, "gpus": [{"name": "mine", "backend":
          "vulkan", "memory_bytes": 1, "memory_bandwidth": 2,
          "transfer_bandwidth": 3, "f16_ops": 4, "arch": "sm_9a",
          "multiprocessors": 5}]})",
      "m.json");
  ASSERT_TRUE(machine) << machine.status().message();
  ASSERT_EQ(machine->gpus.size(), 1u);
  EXPECT_EQ(gpuOf(*machine),
            (GpuProfile{"mine", GpuBackend::Vulkan, 1, 2, 3, 4, "sm_9a", 5}));
  EXPECT_THAT(toJson(*machine), HasSubstr("  \"gpus\": [\n"
                                          "    {\n"
                                          "      \"name\": \"mine\",\n"
                                          "      \"backend\": \"vulkan\",\n"
                                          "      \"memory_bytes\": 1,\n"
                                          "      \"memory_bandwidth\": 2,\n"
                                          "      \"transfer_bandwidth\": 3,\n"
                                          "      \"f16_ops\": 4,\n"
                                          "      \"arch\": \"sm_9a\",\n"
                                          "      \"multiprocessors\": 5\n"
                                          "    }\n"
                                          "  ]\n"));
  const Result<MachineProfile> none =
      parseProfile(R"({"arch": "x86_64", "cores": 1, "gpus": []})", "m.json");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->gpus.empty());
}

TEST(GpuProfile, BadFilesNameTheField) {
  const struct {
    const char *gpus;
    const char *message;
  } cases[] = {
      {"7", "field 'gpus' is 7; it must be an array"},
      {R"({"name": "a"})", "field 'gpus' is an object; it must be an array"},
      {"[7]", "field 'gpus[0]' is 7; it must be an object"},
      {"[[]]", "field 'gpus[0]' is an array; it must be an object"},
      {R"([{"name": "a", "backend": "cuda"}, {"name": "b", "backend":
          "cuda"}])",
       "field 'gpus' has 2 entries; at most 1 is allowed, because a model is "
       "planned for one GPU"},
      {"[{}]", "field 'gpus[0].name' is \"\""},
      {R"([{"name": 5, "backend": "cuda"}])",
       "field 'gpus[0].name' is 5; it must be a string"},
      {R"([{"name": "a/b", "backend": "cuda"}])",
       "field 'gpus[0].name' is \"a/b\""},
      {R"([{"name": "a\n", "backend": "cuda"}])",
       "field 'gpus[0].name' has the control character 10"},
      {R"([{"name": "a"}])",
       "field 'gpus[0].backend' is missing; it must be cuda or vulkan"},
      {R"([{"name": "a", "backend": "metal"}])",
       "field 'gpus[0].backend' is \"metal\"; it must be cuda or vulkan"},
      {R"([{"name": "a", "backend": "cuda", "memory_bytes": -1}])",
       "field 'gpus[0].memory_bytes' is -1"},
      {R"([{"name": "a", "backend": "cuda", "memory_bandwidth": 1e9}])",
       "field 'gpus[0].memory_bandwidth' is 1000000000.0"},
      {R"([{"name": "a", "backend": "cuda", "transfer_bandwidth":
          9223372036854775808}])",
       "it must be a whole number from 0 to 9223372036854775807"},
      {R"([{"name": "a", "backend": "cuda", "f16_ops": "fast"}])",
       "field 'gpus[0].f16_ops' is \"fast\""},
      {R"([{"name": "a", "backend": "cuda", "arch": "8.6"}])",
       "field 'gpus[0].arch' is \"8.6\"; it must be sm_ followed by"},
      {R"([{"name": "a", "backend": "cuda", "arch": "sm_"}])",
       "field 'gpus[0].arch' is \"sm_\""},
      {R"([{"name": "a", "backend": "cuda", "multiprocessors": 1025}])",
       "field 'gpus[0].multiprocessors' is 1025"},
      {R"([{"name": "a", "backend": "cuda", "vram": 1}])",
       "field 'gpus[0].vram' is not known; the fields of a GPU are name, "
       "backend, "},
      {R"([{"name": "a", "backend": "cuda", "backend": "cuda"}])",
       "field 'backend' appears twice"},
  };
  for (const auto &bad : cases) {
    const std::string json =
        std::string(R"({"arch": "x86_64", "cores": 1, "gpus": )") + bad.gpus +
        "}";
    const Status status = parseProfile(json, "m.json").status();
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << bad.gpus;
    EXPECT_THAT(status.message(), HasSubstr(bad.message));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}
