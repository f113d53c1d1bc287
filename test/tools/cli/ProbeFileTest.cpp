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

} // namespace
