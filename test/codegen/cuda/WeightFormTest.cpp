//===- WeightFormTest.cpp - the choice between two layouts ----------------===//
#include "codegen/cuda/WeightForm.h"

#include "formats/machine/GpuTable.h"
#include "formats/plan/T16Indices.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace air::codegen::cuda {
namespace {

TEST(WeightForm, TheLongestOfThreeTimesCounts) {
  // A multiprocessor can issue 128 instructions per cycle, each for one thread.
  // The model assumes 70 % of that: 896 / (128 * 0.7) = 10 cycles.
  const WeightTime time = weightTime({4, 896, 3}, 0.5);
  EXPECT_DOUBLE_EQ(time.memory, 8);
  EXPECT_DOUBLE_EQ(time.issue, 10);
  EXPECT_DOUBLE_EQ(time.shared, 3);
  EXPECT_DOUBLE_EQ(time.longest(), 10);
}

TEST(WeightForm, AMultiprocessorGetsItsShareOfTheBandwidth) {
  // 10 multiprocessors at 1.7 GHz share 34 GB/s, so each gets 2 bytes per
  // cycle.
  EXPECT_DOUBLE_EQ(bytesPerCycle(*cudaTarget("sm_86"), 10, 34'000'000'000), 2);
  EXPECT_EQ(bytesPerCycle(*cudaTarget("sm_86"), 10, 0), 0);
  EXPECT_EQ(bytesPerCycle(*cudaTarget("sm_86"), 0, 34'000'000'000), 0);
  for (const CudaTarget &target : cudaTargets()) {
    EXPECT_GT(bytesPerCycle(target, 10, 34'000'000'000), 0) << target.name;
  }
}

TEST(WeightForm, SlowMemoryFavoursFewBytesAndFastMemoryFewInstructions) {
  const CudaTarget target = *cudaTarget("sm_90a");
  for (const DType dtype : t16IndexDTypes()) {
    EXPECT_EQ(weightLayout(dtype, target, 132, 100'000'000'000),
              Layout::T16Indices)
        << info(dtype).name;
    EXPECT_EQ(weightLayout(dtype, target, 132, 100'000'000'000'000),
              Layout::T16)
        << info(dtype).name;
    // The rate is not known.
    EXPECT_EQ(weightLayout(dtype, target, 132, 0), Layout::T16);
  }
  EXPECT_EQ(weightLayout(DType::Q4_K, target, 132, 100'000'000'000),
            Layout::T16);
  EXPECT_EQ(weightWork(DType::Q4_K, Layout::T16).status().code(),
            ErrorCode::Unsupported);
}

// A table in docs/gpu-kernels.md, which tools/gpu_weight_forms.py computes,
// states the predicted time with layout t16i divided by the time with t16, for
// each GPU and dtype.
TEST(WeightForm, ChoosesWhatTheDocumentationSays) {
  std::ifstream page(AIR_SOURCE_DIR "/docs/gpu-kernels.md");
  std::string line;
  while (std::getline(page, line) && line != "<!-- weight forms -->") {
  }
  std::vector<DType> dtypes;
  size_t gpus = 0;
  while (std::getline(page, line) && line != "<!-- end of weight forms -->") {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '|');) {
      const size_t first = cell.find_first_not_of(' ');
      cells.push_back(
          first == std::string::npos
              ? ""
              : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
    }
    if (dtypes.empty()) {
      for (size_t i = 2; i < cells.size(); ++i) {
        if (const std::optional<DType> dtype = dtypeFromName(cells[i])) {
          dtypes.push_back(*dtype);
        }
      }
      ASSERT_EQ(dtypes.size(), t16IndexDTypes().size()) << line;
      continue;
    }
    if (cells[1].starts_with("---")) {
      continue;
    }
    ++gpus;
    const std::optional<MachineProfile> machine = machineWithGpu(cells[1]);
    ASSERT_TRUE(machine.has_value()) << line;
    const GpuProfile &gpu = machine->gpus.front();
    const CudaTarget target = *cudaTarget(gpu.arch);
    const double rate =
        bytesPerCycle(target, gpu.multiprocessors, gpu.memoryBandwidth);
    for (size_t i = 0; i < dtypes.size(); ++i) {
      const double ratio =
          weightTime(*weightWork(dtypes[i], Layout::T16Indices), rate)
              .longest() /
          weightTime(*weightWork(dtypes[i], Layout::T16), rate).longest();
      // The ratio is in bold if layout t16i is chosen.
      const bool isBold = cells[i + 2].starts_with("**");
      const double stated = std::stod(cells[i + 2].substr(isBold ? 2 : 0));
      EXPECT_NEAR(ratio, stated, 0.0051) << line;
      EXPECT_EQ(weightLayout(dtypes[i], target, gpu.multiprocessors,
                             gpu.memoryBandwidth),
                isBold ? Layout::T16Indices : Layout::T16)
          << line;
    }
  }
  EXPECT_GT(gpus, 20U);
}

} // namespace
} // namespace air::codegen::cuda
