//===- ProbeFileTest.cpp - how programs read the disk ---------------------===//
#include "tools/cli/ProbeFile.h"

#include "formats/machine/ProbeCache.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace air;
using ::testing::HasSubstr;

namespace {

class ProbeFileTest : public testing::Test {
protected:
  ProbeFileTest()
      : folder(testing::TempDir() + "probe-" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder + "/airpack");
    setenv("XDG_CACHE_HOME", folder.c_str(), 1);
    cache.cpuModel = hostCpuModel();
    cache.profile = hostProfile();
  }
  ~ProbeFileTest() override {
    std::filesystem::remove_all(folder);
    unsetenv("XDG_CACHE_HOME");
  }
  void save(const std::string &text) const {
    std::ofstream(cli::probeFilePath()) << text;
  }

  std::string folder;
  ProbeCache cache;
};

TEST_F(ProbeFileTest, TheDiskIsReadAsTheProbeSays) {
  const DiskRate measured{IoMethod::Pread, uint64_t{4} << 20, 1, true, 500};
  cache.profile.diskCurve = {measured};
  save(toJson(cache));
  Result<DiskRate> rate = cli::savedDiskRate();
  ASSERT_TRUE(rate) << rate.status().message();
  EXPECT_EQ(*rate, measured);
}

TEST_F(ProbeFileTest, WithoutAMeasurementThereAreDefaults) {
  EXPECT_EQ(*cli::savedDiskRate(), DiskRate{});
  save(toJson(cache));
  EXPECT_EQ(*cli::savedDiskRate(), DiskRate{});
}

TEST_F(ProbeFileTest, AFileThatCannotBeUsedIsNamed) {
  save("{");
  EXPECT_THAT(cli::savedDiskRate().status().message(),
              HasSubstr("the saved probe '" + cli::probeFilePath() +
                        "' is not used: '"));
  cache.cpuModel = "another CPU";
  save(toJson(cache));
  const Status status = cli::savedDiskRate().status();
  EXPECT_EQ(status.code(), ErrorCode::Mismatch);
  EXPECT_THAT(status.message(), HasSubstr("the CPU 'another CPU'"));
}

TEST_F(ProbeFileTest, TheHostHasTheGpuOfTheProbe) {
  const GpuProfile gpu = {"a GPU", GpuBackend::Cuda, 1, 2, 3, 4, "sm_86", 5};
  cache.profile.gpus = {gpu};
  save(toJson(cache));
  EXPECT_THAT(cli::hostTarget().gpus, testing::ElementsAre(gpu));
  Result<MachineProfile> host = cli::resolveTarget("host");
  ASSERT_TRUE(host) << host.status().message();
  EXPECT_THAT(host->gpus, testing::ElementsAre(gpu));
  host = cli::resolveTarget("host", [](const GpuProfile &asked) {
    return asked.arch == "sm_86" ? Status::ok() : usageError("another GPU");
  });
  ASSERT_TRUE(host) << host.status().message();
  EXPECT_THAT(host->gpus, testing::ElementsAre(gpu));
}

TEST_F(ProbeFileTest, AGpuThatCannotBeUsedIsLeftOut) {
  cache.profile.gpus = {{"a GPU", GpuBackend::Cuda, 1, 2, 3, 4, "sm_86", 5}};
  save(toJson(cache));
  testing::internal::CaptureStderr();
  const Result<MachineProfile> host =
      cli::resolveTarget("host", [](const GpuProfile &) {
        return unsupportedError("there is no compiler");
      });
  const std::string notes = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(host) << host.status().message();
  EXPECT_TRUE(host->gpus.empty());
  EXPECT_THAT(notes, HasSubstr("note: the plan is for the CPU of this machine, "
                               "not for its GPU 'a GPU': there is no compiler; "
                               "profile digest "));
  // Both notes state the digest of the profile that is used.
  const size_t first = notes.find("profile digest ");
  const size_t second = notes.rfind("profile digest ");
  ASSERT_NE(first, second);
  EXPECT_EQ(notes.substr(first, 47), notes.substr(second, 47));
}

} // namespace
