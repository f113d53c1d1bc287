//===- MachineProfileTest.cpp - built-in, host and file profiles ----------===//
#include "formats/machine/MachineProfile.h"
#include "formats/machine/HostFacts.h"
#include "formats/machine/TileRegisters.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <thread>

using namespace air;
using ::testing::HasSubstr;

namespace {

class Folder {
public:
  Folder()
      : path(std::filesystem::path(::testing::TempDir()) /
             ("machine-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void put(const std::string &name, const std::string &text) const {
    const std::filesystem::path file = path / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::filesystem::path path;
};

/// Returns the words of the first line "flags" (x86-64) or "Features" (AArch64)
/// in /proc/cpuinfo. They are the features that the kernel has found, which is
/// independent of the code under test.
std::vector<std::string> kernelFlags() {
  std::ifstream file("/proc/cpuinfo");
  std::vector<std::string> words;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags") || line.starts_with("Features")) {
      std::istringstream rest(line.substr(line.find(':') + 1));
      for (std::string word; rest >> word;) {
        words.push_back(word);
      }
      break;
    }
  }
  return words;
}

} // namespace

TEST(MachineProfile, HostIsWhatTheKernelSays) {
  const MachineProfile host = hostProfile();
  EXPECT_EQ(host.name, "host");
  EXPECT_FALSE(host.measured);
  EXPECT_GT(host.memoryBytes, uint64_t{64} << 20);
  EXPECT_GE(host.cores, 1u);
  EXPECT_LE(host.cores, std::max(1U, std::thread::hardware_concurrency()));
  EXPECT_TRUE(std::is_sorted(host.features.begin(), host.features.end()));
  const std::vector<std::string_view> known = knownFeatures(host.arch);
  for (const std::string &feature : host.features) {
    EXPECT_THAT(known, ::testing::Contains(feature));
  }
#if defined(__x86_64__)
  EXPECT_EQ(host.arch, "x86_64");
  const std::vector<std::string> flags = kernelFlags();
  ASSERT_FALSE(flags.empty());
  const std::pair<const char *, const char *> names[] = {
      {"amx-bf16", "amx_bf16"},
      {"amx-int8", "amx_int8"},
      {"amx-tile", "amx_tile"},
      {"avx2", "avx2"},
      {"avx512bf16", "avx512_bf16"},
      {"avx512bw", "avx512bw"},
      {"avx512cd", "avx512cd"},
      {"avx512dq", "avx512dq"},
      {"avx512f", "avx512f"},
      {"avx512vbmi", "avx512vbmi"},
      {"avx512vl", "avx512vl"},
      {"avx512vnni", "avx512_vnni"},
      {"avxvnni", "avx_vnni"},
      {"bmi2", "bmi2"},
      {"f16c", "f16c"},
      {"fma", "fma"}};
  ASSERT_EQ(std::size(names), known.size());
  for (const auto &[ours, kernels] : names) {
    EXPECT_EQ(std::count(host.features.begin(), host.features.end(), ours),
              std::count(flags.begin(), flags.end(), kernels))
        << ours;
  }
#endif
}

TEST(MachineProfile, TilesAreGivenToWhoAsksOrRefused) {
  const MachineProfile host = hostProfile();
  EXPECT_TRUE(prepareToRun(host, host).isOk());
  const MachineProfile tiles = *resolveProfile("x86-64-v4-amx");
  const bool hasTiles = std::ranges::count(host.features, "amx-tile") != 0;
  EXPECT_LE(hasTiles, hasTileRegisters());
  EXPECT_EQ(requestTileRegisters(), hasTileRegisters());
  // `lacking` differs from `tiles` only in its lack of tile registers.
  MachineProfile lacking = tiles;
  std::erase_if(lacking.features, [](const std::string &feature) {
    return feature.starts_with("amx-");
  });
  const Status refused = prepareToRun(tiles, lacking);
  EXPECT_EQ(refused.code(), ErrorCode::Mismatch);
  EXPECT_THAT(refused.message(),
              HasSubstr("the plan needs amx-bf16, amx-int8, amx-tile, but"));
  // Here the machine claims to have tile registers. Whether they can be used
  // depends on the machine that runs this test.
  const Status asked = prepareToRun(tiles, tiles);
  if (hasTileRegisters()) {
    EXPECT_TRUE(asked.isOk()) << asked.message();
  } else {
    EXPECT_EQ(asked.code(), ErrorCode::Mismatch);
    EXPECT_THAT(asked.message(), HasSubstr("grants no tile registers"));
  }
}

TEST(MachineProfile, HostIsTheSameTwice) {
  EXPECT_EQ(hostProfile(), hostProfile());
  EXPECT_EQ(toJson(*resolveProfile("host")), toJson(hostProfile()));
  EXPECT_TRUE(checkRunsOn(hostProfile(), hostProfile()).isOk());
}

TEST(MachineProfile, BuiltinsAreSortedAndComplete) {
  const std::vector<std::string> names = builtinProfiles();
  EXPECT_THAT(names, ::testing::ElementsAre(
                         "aarch64-dotprod", "aarch64-i8mm", "aarch64-neon",
                         "alderlake", "graviton3", "icelake", "sapphire-rapids",
                         "skylake-x", "x86-64-v3", "x86-64-v3-vnni",
                         "x86-64-v4", "x86-64-v4-amx", "x86-64-v4-bf16",
                         "x86-64-v4-vnni", "zen3", "zen4", "zen5"));
  for (const std::string &name : names) {
    Result<MachineProfile> profile = resolveProfile(name);
    ASSERT_TRUE(profile);
    EXPECT_EQ(profile->name, name);
    Result<MachineProfile> back = parseProfile(toJson(*profile), "x.json");
    ASSERT_TRUE(back) << back.status().message();
    EXPECT_EQ(*back, *profile);
    EXPECT_GT(profile->memoryBandwidth, 0u);
  }
}

TEST(MachineProfile, GpusNameTheirBackend) {
  for (const char *name : {"rtx3060", "rtx4090", "h200"}) {
    const Result<MachineProfile> profile = resolveProfile(name);
    ASSERT_TRUE(profile) << profile.status().message();
    ASSERT_EQ(profile->gpus.size(), 1U) << name;
    EXPECT_EQ(profile->gpus[0].backend, GpuBackend::Cuda) << name;
  }
  const Status amd = resolveProfile("rx7900xtx").status();
  EXPECT_EQ(amd.code(), ErrorCode::Unsupported);
  EXPECT_THAT(amd.message(),
              HasSubstr("target 'rx7900xtx' needs the Vulkan backend"));
  EXPECT_THAT(amd.message(), HasSubstr("x86-64-v4-vnni"));
  const Status status = resolveProfile("pentium").status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_THAT(status.message(), HasSubstr("'pentium'"));
  EXPECT_THAT(status.message(), HasSubstr("aarch64-dotprod"));
}

TEST(MachineProfile, JsonIsAsDocumented) {
  MachineProfile profile;
  profile.name = "box";
  profile.arch = "x86_64";
  profile.features = {"avx2", "fma"};
  profile.cores = 6;
  profile.memoryBytes = 64;
  profile.measured = true;
  EXPECT_EQ(toJson(profile), "{\n"
                             "  \"name\": \"box\",\n"
                             "  \"arch\": \"x86_64\",\n"
                             "  \"features\": [\n"
                             "    \"avx2\",\n"
                             "    \"fma\"\n"
                             "  ],\n"
                             "  \"cores\": 6,\n"
                             "  \"memory_bytes\": 64,\n"
                             "  \"memory_bandwidth\": 0,\n"
                             "  \"disk_bandwidth\": 0,\n"
                             "  \"measured\": true\n"
                             "}\n");
}

TEST(MachineProfile, FilesFillInAndSort) {
  const Folder folder;
  folder.put("desk.json",
             R"({"arch": "x86_64", "cores": 4, "features": ["fma", "avx2",
                 "fma"], "memory_bytes": 17179869184})");
  Result<MachineProfile> profile = resolveProfile(folder.path / "desk.json");
  ASSERT_TRUE(profile) << profile.status().message();
  EXPECT_EQ(profile->name, "desk");
  EXPECT_EQ(profile->cores, 4u);
  EXPECT_EQ(profile->memoryBytes, uint64_t{16} << 30);
  EXPECT_THAT(profile->features, ::testing::ElementsAre("avx2", "fma"));
  EXPECT_EQ(resolveProfile("no/such").status().code(), ErrorCode::Io);
  EXPECT_EQ(resolveProfile("missing.json").status().code(), ErrorCode::Io);
}

TEST(MachineProfile, BadFilesNameTheField) {
  const struct {
    const char *json;
    const char *message;
  } cases[] = {
      {"", "is not a JSON object"},
      {"[1]", "is not a JSON object"},
      {"{\"arch\": \"x86_64\", \"cores\": 4", "is not a JSON object"},
      {R"({"cores": 4})", "field 'arch' is missing"},
      {R"({"arch": "mips", "cores": 4})", "field 'arch' is \"mips\""},
      {R"({"arch": 1, "cores": 4})", "field 'arch' is 1; it must be a string"},
      {R"({"arch": "x86_64"})", "field 'cores' is missing"},
      {R"({"arch": "x86_64", "cores": 0})",
       "field 'cores' is 0; it must be a whole number from 1 to 4096"},
      {R"({"arch": "x86_64", "cores": 4097})", "field 'cores' is 4097"},
      {R"({"arch": "x86_64", "cores": -1})", "field 'cores' is -1"},
      {R"({"arch": "x86_64", "cores": 2.5})", "field 'cores' is 2.5"},
      {R"({"arch": "x86_64", "cores": 99999999999999999999})",
       "field 'cores' is "},
      {R"({"arch": "x86_64", "cores": 1, "memory_bytes": "16G"})",
       "field 'memory_bytes' is \"16G\""},
      {R"({"arch": "x86_64", "cores": 1, "disk_bandwidth":
          18446744073709551615})",
       "it must be a whole number from 0 to 9223372036854775807"},
      {R"({"arch": "x86_64", "cores": 1, "memory_bandwith": 1})",
       "field 'memory_bandwith' is not known"},
      {R"({"arch": "x86_64", "cores": 1, "measured": "yes"})",
       "field 'measured' is \"yes\""},
      {R"({"arch": "x86_64", "cores": 1, "features": "avx2"})",
       "field 'features' is \"avx2\"; it must be an array"},
      {R"({"arch": "x86_64", "cores": 1, "features": ["avx2", "neon"]})",
       "field 'features[1]' is \"neon\"; the features of x86_64 are amx"},
      {R"({"arch": "x86_64", "cores": 1, "features": [7]})",
       "field 'features[0]' is 7"},
      {R"({"arch": "x86_64", "cores": 1, "name": "a/b"})",
       "field 'name' is \"a/b\""},
      {R"({"arch": "x86_64", "cores": 1, "name": ""})", "field 'name'"},
      {R"({"arch": "x86_64", "cores": 1, "cores": 2})",
       "field 'cores' appears twice"},
      {R"({"arch": "x86_64", "cores": 1, "cor\u0065s": 1})",
       "field 'cores' appears twice"},
      {R"({"name": "a", "arch": "x86_64", "cores": 1, "name": "a"})",
       "field 'name' appears twice"},
      {R"({"arch": "x86_64", "cores": 1, "name": "a\u0000b"})",
       "field 'name' has the control character 0 at byte 1"},
      {R"({"arch": "x86_64", "cores": 1, "name": "\u001b[2J"})",
       "field 'name' has the control character 27 at byte 0"},
      {R"({"arch": "x86_64", "cores": 1, "name": "a\u007f"})",
       "control character 127"},
      {R"({"arch": "x86_64", "cores": 1, "features": ["avx512vnni"]})",
       "field 'features' has 'avx512vnni' but not 'avx2'"},
      {R"({"arch": "x86_64", "cores": 1, "features":
          ["avx2", "f16c", "fma", "avx512vnni"]})",
       "field 'features' has 'avx512vnni' but not 'avx512f', which every"},
      {R"({"arch": "x86_64", "cores": 1, "features":
          ["amx-int8", "avx2", "f16c", "fma"]})",
       "has 'amx-int8' but not 'amx-tile'"},
      {R"({"arch": "aarch64", "cores": 1, "features": ["dotprod"]})",
       "has 'dotprod' but not 'neon'"},
  };
  for (const auto &bad : cases) {
    const Status status = parseProfile(bad.json, "m.json").status();
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << bad.json;
    EXPECT_THAT(status.message(), HasSubstr("'m.json'"));
    EXPECT_THAT(status.message(), HasSubstr(bad.message));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
  const std::string longName = "{\"arch\": \"x86_64\", \"cores\": 1, "
                               "\"name\": \"" +
                               std::string(1025, 'n') + "\"}";
  EXPECT_THAT(
      parseProfile(longName, "m.json").status().message(),
      HasSubstr("field 'name' has 1025 bytes; at most 1024 are allowed"));
  EXPECT_EQ(parseProfile(R"({"arch": "x86_64", "cores": 1})", "a\nb.json")
                .status()
                .code(),
            ErrorCode::Corrupt)
      << "the file's name is the profile's";
  const std::string deep(100'000, '[');
  EXPECT_EQ(parseProfile(deep, "deep").status().code(), ErrorCode::Corrupt);
  const std::string nested =
      "{\"arch\": " + deep + std::string(deep.size(), ']') + "}";
  EXPECT_EQ(parseProfile(nested, "deep").status().code(), ErrorCode::Corrupt);
}

TEST(MachineProfile, MismatchIsFieldByField) {
  const MachineProfile v4 = *resolveProfile("x86-64-v4-vnni");
  MachineProfile v3 = *resolveProfile("x86-64-v3");
  EXPECT_TRUE(checkRunsOn(v3, v4).isOk());
  // Fewer cores and less bandwidth are not a mismatch.
  v3.cores = 8;
  v3.memoryBandwidth = 100'000'000'000;
  MachineProfile less = v3;
  less.cores = 1;
  less.memoryBandwidth = 1;
  EXPECT_TRUE(checkRunsOn(v3, less).isOk());
  const Status features = checkRunsOn(v4, v3);
  EXPECT_EQ(features.code(), ErrorCode::Mismatch);
  EXPECT_EQ(features.message(),
            "features: the plan needs avx512bw, avx512cd, avx512dq, avx512f, "
            "avx512vl, avx512vnni, but this machine has avx2, bmi2, f16c, fma; "
            "pack the model on this machine with --target host");
  const Status arch = checkRunsOn(*resolveProfile("aarch64-dotprod"), v3);
  EXPECT_EQ(
      arch.message(),
      "arch: the plan needs aarch64, but this machine has x86_64; pack the "
      "model on this machine with --target host");
}

// The numbers are in microseconds, as in the kernel's documentation of cpu.max
// and cpu.cfs_quota_us.
TEST(CpuQuota, IsTheSmallestThatHolds) {
  const Folder folder;
  EXPECT_EQ(cpuQuota(folder.path), UINT32_MAX);
  folder.put("proc/self/cgroup", "0::/a/b\n");
  EXPECT_EQ(cpuQuota(folder.path), UINT32_MAX);
  folder.put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cpuQuota(folder.path), UINT32_MAX);
  folder.put("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpuQuota(folder.path), 4u);
  // The quota of a parent group counts, too. Here it is 2.5 CPUs. The result is
  // rounded down, because a third thread could run only half of the time.
  folder.put("sys/fs/cgroup/a/cpu.max", "125000 50000\n");
  EXPECT_EQ(cpuQuota(folder.path), 2u);
  folder.put("sys/fs/cgroup/a/cpu.max", "10000 100000\n");
  EXPECT_EQ(cpuQuota(folder.path), 1u);
  for (const char *text : {"", "max", "0", "5 0", "5 x", "x 5", "-1 100000"}) {
    folder.put("sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(cpuQuota(folder.path), 4u) << text;
  }
  folder.put("sys/fs/cgroup/a/cpu.max", "99999999999999999999 1\n");
  EXPECT_EQ(cpuQuota(folder.path), 4u);
  // In a container, /proc/self/cgroup names the root.
  folder.put("proc/self/cgroup", "0::/\n");
  folder.put("sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(cpuQuota(folder.path), 3u);
  // With cgroup v1, a quota of -1 is none.
  folder.put("proc/self/cgroup", "5:memory:/\n4:cpu,cpuacct:/docker/1\n");
  EXPECT_EQ(cpuQuota(folder.path), UINT32_MAX);
  folder.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  folder.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpuQuota(folder.path), UINT32_MAX);
  folder.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(cpuQuota(folder.path), 2u);
  folder.put("sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "50000\n");
  folder.put("sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(cpuQuota(folder.path), 1u);
}

TEST(MemoryCapacity, IsTheSmallestThatHolds) {
  const Folder folder;
  EXPECT_EQ(memoryLimit(folder.path), 0u);
  EXPECT_EQ(memoryCapacity(folder.path), 0u);
  folder.put("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");
  EXPECT_EQ(memoryCapacity(folder.path), 1024'000u);
  // With cgroup v2, the process's own group has no limit here, but a parent
  // group has one.
  folder.put("proc/self/cgroup", "0::/a/b\n");
  folder.put("sys/fs/cgroup/a/b/memory.max", "max\n");
  EXPECT_EQ(memoryCapacity(folder.path), 1024'000u);
  folder.put("sys/fs/cgroup/a/memory.max", "4096\n");
  EXPECT_EQ(memoryCapacity(folder.path), 4096u);
  folder.put("sys/fs/cgroup/a/b/memory.high", "4095\n");
  EXPECT_EQ(memoryCapacity(folder.path), 4095u);
  EXPECT_EQ(memoryLimit(folder.path), 4095u);
  // With cgroup v1, /proc/self/cgroup may name a path that is not visible
  // inside the process's container.
  folder.put("proc/self/cgroup", "5:cpu:/\n4:memory,x:/docker/1\n");
  EXPECT_EQ(memoryCapacity(folder.path), 1024'000u);
  folder.put("sys/fs/cgroup/memory/memory.limit_in_bytes",
             "9223372036854771712\n");
  EXPECT_EQ(memoryCapacity(folder.path), 1024'000u);
  EXPECT_EQ(memoryLimit(folder.path), 0u);
  folder.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "777\n");
  EXPECT_EQ(memoryCapacity(folder.path), 777u);
  folder.put("proc/self/cgroup", "not a line\n::\n");
  EXPECT_EQ(memoryCapacity(folder.path), 1024'000u);
}
