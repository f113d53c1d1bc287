//===- ProbeCacheTest.cpp - measurements that are remembered --------------===//
#include "formats/machine/ProbeCache.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using ::testing::HasSubstr;

namespace {

ProbeCache example() {
  ProbeCache cache;
  cache.cpuModel = "a CPU";
  cache.profile.name = "host";
  cache.profile.arch = "x86_64";
  cache.profile.features = {"avx2", "fma"};
  cache.profile.cores = 2;
  cache.profile.memoryBytes = 1;
  cache.profile.memoryBandwidth = 20;
  cache.profile.diskBandwidth = 30;
  cache.profile.diskBeside = 15;
  cache.profile.memoryBeside = 16;
  cache.profile.measured = true;
  cache.profile.diskCurve = {{IoMethod::Uring, 4096, 1, true, 30}};
  cache.profile.cpu.byteDot = 40;
  cache.profile.cpu.streams = {{StreamLoads::Burst, StreamHint::T1, 64, 50}};
  cache.profile.gpus = {
      {"a GPU", GpuBackend::Cuda, 60, 70, 80, 90, "sm_86", 5}};
  return cache;
}

} // namespace

TEST(ProbeCache, IsTheSameAfterReading) {
  const std::string json = toJson(example());
  EXPECT_THAT(json, HasSubstr("{\n  \"cpu_model\": \"a CPU\",\n"
                              "  \"profile\": {\n    \"name\": \"host\",\n"));
  Result<ProbeCache> back = parseProbeCache(json, "p.json");
  ASSERT_TRUE(back) << back.status().message();
  EXPECT_EQ(*back, example());
}

TEST(ProbeCache, BadFilesNameTheField) {
  const struct {
    const char *json;
    const char *message;
  } cases[] = {
      {"", "is not a JSON object"},
      {"[]", "is not a JSON object"},
      {"{\"cpu_model\": \"a", "is not a JSON object"},
      {R"({"profile": {}})", "field 'cpu_model' is missing or empty"},
      {R"({"cpu_model": 3, "profile": {}})", "field 'cpu_model' is 3"},
      {R"({"cpu_model": "a"})", "field 'profile' is missing"},
      {R"({"cpu_model": "a", "profile": 1})", "field 'profile' is missing or"},
      {R"({"cpu_model": "a", "profile": {}, "disk": 1})",
       "field 'disk' is not known; the fields of the object are cpu_model and "
       "profile"},
      {R"({"cpu_model": "a", "cpu_model": "b", "profile": {}})",
       "field 'cpu_model' appears twice"},
      {R"({"cpu_model": "a", "profile": {"arch": "x86_64"}})",
       "field 'cores' is missing"},
      {R"({"cpu_model": "a", "profile": {"arch": "x86_64", "cores": 1,
          "cpu": {"streams": [{"hint": "t0", "hint": "t1"}]}}})",
       "field 'hint' appears twice"},
      {R"({"cpu_model": "a", "profile": {"arch": "x86_64", "cores": 1,
          "gpus": [{"name": "b"}]}})",
       "field 'gpus[0].backend' is missing"},
      {R"({"cpu_model": "a", "profile": {"arch": "x86_64", "cores": 1,
          "gpus": [{"name": "b", "backend": "cuda", "free_bytes": 1}]}})",
       "field 'gpus[0].free_bytes' is not known"},
      {R"({"cpu_model": "a", "profile": {"arch": "x86_64", "cores": 1,
          "gpus": [{"name": "b", "backend": "cuda", "memory_bytes": 1.5}]}})",
       "field 'gpus[0].memory_bytes' is 1.5"},
  };
  for (const auto &bad : cases) {
    const Status status = parseProbeCache(bad.json, "p.json").status();
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << bad.json;
    EXPECT_THAT(status.message(), HasSubstr("'p.json'"));
    EXPECT_THAT(status.message(), HasSubstr(bad.message));
  }
}

TEST(ProbeCache, TheMachineKeepsWhatWasNotMeasured) {
  MachineProfile host = example().profile;
  host.memoryBytes = 7;
  host.memoryBandwidth = 8;
  host.measured = false;
  host.diskBeside = 0;
  host.memoryBeside = 0;
  host.diskCurve = {};
  host.cpu = {};
  host.gpus = {};
  Result<MachineProfile> measured = withMeasurements(host, "a CPU", example());
  ASSERT_TRUE(measured) << measured.status().message();
  MachineProfile expected = example().profile;
  expected.memoryBytes = 7;
  // The fingerprint must not cover the measured rates of the disk, which no
  // plan records.
  expected.diskCurve = {};
  EXPECT_EQ(*measured, expected);
}

TEST(ProbeCache, OtherMachinesAreRefused) {
  const MachineProfile same = example().profile;
  Status status = withMeasurements(same, "another CPU", example()).status();
  EXPECT_EQ(status.code(), ErrorCode::Mismatch);
  EXPECT_THAT(
      status.message(),
      HasSubstr("with the CPU 'a CPU', but this machine has 'another CPU'"));
  MachineProfile host = same;
  host.features = {"avx2"};
  status = withMeasurements(host, "a CPU", example()).status();
  EXPECT_EQ(status.code(), ErrorCode::Mismatch);
  EXPECT_THAT(status.message(), HasSubstr("whose CPU features differ"));
}

// The probe measured two cores, but the host has four, for example because the
// probe ran in a container with a CPU quota (docker run --cpus).
TEST(ProbeCache, OtherNumbersOfCoresKeepWhatDoesNotDependOnThem) {
  ProbeCache cache = example();
  cache.profile.cpu.barrierNs = 900;
  cache.profile.cpu.l2Bytes = 1000;
  cache.profile.cpu.planesDecode = 901;
  cache.profile.cpu.zstdDecode = 902;
  cache.profile.memoryCurve = {{1, 12}, {2, 20}};
  MachineProfile host = example().profile;
  host.cores = 4;
  host.memoryBandwidth = 8;
  host.measured = false;
  host.diskBeside = host.memoryBeside = 0;
  host.diskBandwidth = 0;
  host.diskCurve = {};
  host.gpus = {};
  host.cpu = {};
  host.cpu.barrierNs = 700;
  host.cpu.planesDecode = 701;
  host.cpu.zstdDecode = 702;
  MachineProfile expected = host;
  expected.diskBandwidth = 30;
  expected.gpus = cache.profile.gpus;
  expected.cpu.byteDot = 40;
  expected.cpu.l2Bytes = 1000;
  Result<MachineProfile> found = withMeasurements(host, "a CPU", cache);
  ASSERT_TRUE(found) << found.status().message();
  EXPECT_EQ(*found, expected);
  EXPECT_THAT(
      differentCores(host, cache),
      HasSubstr("with 2 cores, but this process may use 4 (the affinity mask "
                "and the CPU quota of the cgroup count); its rates of GPUs"));
  EXPECT_THAT(differentCores(host, cache), HasSubstr("are nominal; run"));

  // The probe has also measured how fast a single thread reads memory. A host
  // with one core gets this rate.
  host.cores = 1;
  expected.cores = 1;
  expected.memoryBandwidth = 12;
  expected.measured = true;
  found = withMeasurements(host, "a CPU", cache);
  ASSERT_TRUE(found) << found.status().message();
  EXPECT_EQ(*found, expected);
  EXPECT_THAT(differentCores(host, cache), HasSubstr("of 1 thread; run"));
  EXPECT_EQ(differentCores(cache.profile, cache), "");
}

TEST(ProbeCache, TheCpuSaysWhatItIs) {
  const std::string model = hostCpuModel();
  EXPECT_EQ(model, hostCpuModel());
#if defined(__x86_64__)
  // /proc/cpuinfo has what Linux itself decodes from cpuid.
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && !line.empty()) {
    const std::string value =
        line.substr(std::min(line.find(':') + 2, line.size()));
    if (line.starts_with("vendor_id") || line.starts_with("model name")) {
      EXPECT_THAT(model, HasSubstr(value));
    } else if (line.starts_with("cpu family")) {
      EXPECT_THAT(model, HasSubstr(" family " + value + " "));
    } else if (line.starts_with("model\t")) {
      EXPECT_THAT(model, HasSubstr(" model " + value + " "));
    } else if (line.starts_with("stepping")) {
      EXPECT_THAT(model, HasSubstr(" stepping " + value + " "));
    }
  }
#endif
}
