//===- MeasureTest.cpp - measures with the fake driver --------------------===//
#include "tools/air-gpu-bench/Measure.h"

#include "codegen/cuda/Intrinsics.h"
#include "test/codegen/cuda/emulator/Emulator.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace air::gpubench {
namespace {

using namespace codegen::cuda;

constexpr const char *kFilter = "matmul_q8_0_n53_";

std::vector<uint8_t> objectOf(const std::string &text) {
  const Result<std::vector<uint8_t>> object = emulator::compileObject({text});
  EXPECT_TRUE(object.isOk()) << object.status().message();
  return object.isOk() ? *object : std::vector<uint8_t>();
}

class Measure : public ::testing::Test {
protected:
  void SetUp() override {
    path = ::testing::TempDir() + "air-gpu-measure";
    std::filesystem::create_directories(path);
    folder.path = path;
    folder.target = "sm_90a";
    folder.nvrtc = "host compiler";
    folder.multiprocessors = 2;
    Result<std::unique_ptr<Driver>> opened = Driver::open();
    ASSERT_TRUE(opened.isOk()) << opened.status().message();
    driver = *std::move(opened);
  }
  void TearDown() override {
    driver.reset();
    std::filesystem::remove_all(path);
    EXPECT_EQ(fakeCudaLiveObjects(), 0);
  }

  /// Replaces `from` by `to` in the source of the kernels that the filter
  /// selects, compiles them for the host, and writes them to the folder.
  void prepare(const std::string &from = "", const std::string &to = "") {
    const std::string intrinsics = *emulator::hostIntrinsicsText();
    for (const DecodeMatMul &spec : casesFor(target, 2).odd) {
      CudaKernel kernel = *generateDecodeMatMul(spec, target, intrinsics);
      if (kernel.name.rfind(kFilter, 0) != 0) {
        continue;
      }
      if (!from.empty()) {
        ASSERT_NE(kernel.text.find(from), std::string::npos);
        kernel.text.replace(kernel.text.find(from), from.size(), to);
      }
      const std::vector<uint8_t> object = objectOf(kernel.text);
      std::ofstream(path + "/" + kernel.name + ".cubin")
          .write(reinterpret_cast<const char *>(object.data()),
                 static_cast<std::streamsize>(object.size()));
      folder.registers[kernel.name] = 1;
    }
    ASSERT_GE(folder.registers.size(), 2U);
  }

  MeasureOptions checks() const {
    MeasureOptions options;
    options.timings = false;
    options.filter = kFilter;
    return options;
  }

  std::string path;
  KernelFolder folder;
  CudaTarget target = *cudaTarget("sm_90a");
  std::unique_ptr<Driver> driver;
};

TEST_F(Measure, RightKernelsAreRight) {
  prepare();
  const Result<Report> report = measure(*driver, folder, checks());
  ASSERT_TRUE(report.isOk()) << report.status().message();
  ASSERT_EQ(report->rows.size(), folder.registers.size());
  for (const Row &row : report->rows) {
    EXPECT_TRUE(row.isRight) << row.name;
    EXPECT_GT(row.relativeError, 0) << "float32 sums are not exact";
    EXPECT_LT(row.relativeError, 1e-5);
  }
  EXPECT_EQ(report->device.name, "emulated GPU");
  EXPECT_NE(reportTable(*report).find("0 wrong"), std::string::npos);
  EXPECT_NE(reportJson(*report).find("\"right\": true"), std::string::npos);
}

TEST_F(Measure, AWrongKernelIsSaidToBe) {
  // A byte permutation in the kernel's source now selects bytes 1 and 2 instead
  // of 1 and 3, so results are wrong.
  prepare("0x4341", "0x4241");
  const Result<Report> report = measure(*driver, folder, checks());
  ASSERT_TRUE(report.isOk()) << report.status().message();
  for (const Row &row : report->rows) {
    EXPECT_FALSE(row.isRight) << row.name;
  }
  EXPECT_NE(reportTable(*report).find("WRONG"), std::string::npos);
}

TEST_F(Measure, AKernelThatFailsIsAnErrorWithItsName) {
  prepare("  stageActivations(shared, x, more, part, warp, lane);",
          "  if (thread == 3) ap_barrier();");
  const Result<Report> report = measure(*driver, folder, checks());
  ASSERT_FALSE(report.isOk());
  EXPECT_EQ(report.status().code(), ErrorCode::Io);
  EXPECT_NE(report.status().message().find(kFilter), std::string::npos);
}

TEST_F(Measure, ACubinThatIsMissingOrNoneIsAnError) {
  prepare();
  for (const auto &[name, registers] : folder.registers) {
    std::ofstream(path + "/" + name + ".cubin")
        << "not a cubin at all, but as "
           "long as an ELF header is: 64";
  }
  EXPECT_EQ(measure(*driver, folder, checks()).status().code(),
            ErrorCode::Corrupt);
  for (const auto &[name, registers] : folder.registers) {
    std::filesystem::remove(path + "/" + name + ".cubin");
  }
  EXPECT_FALSE(measure(*driver, folder, checks()).isOk());
}

TEST_F(Measure, AFolderForAnotherGpuIsRefused) {
  folder.target = "sm_86";
  const Status arch = measure(*driver, folder, checks()).status();
  EXPECT_EQ(arch.code(), ErrorCode::Mismatch);
  EXPECT_NE(arch.message().find("9.0"), std::string::npos);
  folder.target = "sm_90a";
  folder.multiprocessors = 132;
  const Status count = measure(*driver, folder, MeasureOptions()).status();
  EXPECT_EQ(count.code(), ErrorCode::Mismatch);
  EXPECT_NE(count.message().find("132"), std::string::npos);
}

TEST_F(Measure, OutOfMemoryIsSaid) {
  prepare();
  const uint64_t before = std::exchange(fakeCuda.freeBytes, 1000);
  const Status status = measure(*driver, folder, checks()).status();
  fakeCuda.freeBytes += before - 1000;
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_NE(status.message().find("out of memory"), std::string::npos);
}

TEST_F(Measure, NoKernelBeginsAfterTheTime) {
  prepare();
  MeasureOptions options = checks();
  options.seconds = 0;
  const Result<Report> report = measure(*driver, folder, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  EXPECT_EQ(report->rows.size(), 0U);
  EXPECT_EQ(report->notReached, folder.registers.size());
}

// A graph has 10 launches, and the first replay is a warm-up. The fake clock
// counts 10 microseconds per launch.
TEST_F(Measure, ReplaysCountEveryLaunchInOrder) {
  const CudaKernel kernel =
      *generateLaunchProbe(2, true, target, *emulator::hostIntrinsicsText());
  const Result<void *> function =
      driver->load(objectOf(kernel.text), kernel.name, kernel.sharedBytes);
  ASSERT_TRUE(function.isOk()) << function.status().message();
  const Result<DevicePointer> words = driver->allocate(8);
  ASSERT_TRUE(words.isOk());
  ASSERT_TRUE(driver->fill(*words, 0, 8).isOk());
  Launch launch;
  launch.function = *function;
  launch.gridX = 2;
  launch.threads = 32;
  launch.dependent = true;
  launch.arguments = {*words};
  const Result<std::vector<double>> times =
      driver->replay(std::vector<Launch>(10, launch), 3);
  ASSERT_TRUE(times.isOk()) << times.status().message();
  EXPECT_EQ(times->size(), 3U);
  for (const double time : *times) {
    EXPECT_NEAR(time, 0.1, 1e-6);
  }
  uint32_t counts[2] = {};
  ASSERT_TRUE(
      driver->read(*words, {reinterpret_cast<uint8_t *>(counts), 8}).isOk());
  EXPECT_EQ(counts[0], 40U);
  EXPECT_EQ(counts[1], 40U);
  EXPECT_TRUE(driver->release(*words).isOk());
}

} // namespace
} // namespace air::gpubench
