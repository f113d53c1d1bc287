//===- HybridDeviceTest.cpp - copies between two devices, both ways -------===//
#include "runtime/exec/HybridDevice.h"

#include "runtime/hal/cpu/CpuDevice.h"
#include "test/runtime/fake/FakePlan.h"
#include "test/runtime/fake/LateGpu.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

constexpr uint32_t kRows = 4; ///< of each buffer; a row has two numbers

void addOne(const AirDispatch *dispatch, uint64_t begin, uint64_t end, void *) {
  for (uint64_t tile = begin; tile < end; ++tile) {
    static_cast<float *>(dispatch->bindings[0])[tile] += 1;
  }
}

/// Doubles all numbers of a buffer of kRows rows.
void doubleAll(std::span<const std::span<uint8_t>> bindings) {
  auto *numbers = reinterpret_cast<float *>(bindings[0].data());
  for (uint32_t i = 0; i < 2 * kRows; ++i) {
    numbers[i] *= 2;
  }
}

// The CPU adds 1, the GPU doubles twice, the CPU adds 1, and the GPU doubles.
// Only the rows of the batch's tokens go from one device to the other.
TEST(HybridDevice, CopiesRowsToTheDeviceThatNeedsThem) {
  Result<std::unique_ptr<CpuDevice>> cpu = CpuDevice::create(2);
  ASSERT_TRUE(cpu) << cpu.status().message();
  LateGpu gpu({{"double", doubleAll}});
  HybridDevice device(**cpu, gpu);
  AirKernelFn functions[] = {addOne};
  const uint32_t onCpu = (*cpu)->addFunctions(functions);
  const std::string_view entries[] = {"double"};
  const Result<uint32_t> onGpu = gpu.loadExecutable(
      {reinterpret_cast<const uint8_t *>(kFakeCubin.data()), kFakeCubin.size()},
      entries);
  ASSERT_TRUE(onGpu) << onGpu.status().message();
  const DeviceAddress host = *(*cpu)->allocate(2 * kRows * sizeof(float), "x");
  const DeviceAddress there = *device.allocate(2 * kRows * sizeof(float), "x");

  const RowCopy toGpu = {host, there, 2 * sizeof(float)};
  const RowCopy toCpu = {there, host, 2 * sizeof(float)};
  DispatchDesc add;
  add.executable = onCpu;
  add.grid.baseTiles = 2 * kRows;
  add.bindings = std::span(&host, 1);
  DispatchDesc twice;
  twice.executable = *onGpu;
  twice.launch = {1, 1, 32, 0, false};
  twice.bindings = std::span(&there, 1);
  DispatchDesc addCopied = add;
  addCopied.copies = std::span(&toCpu, 1);
  DispatchDesc twiceCopied = twice;
  twiceCopied.copies = std::span(&toGpu, 1);
  const DispatchDesc descs[] = {add, twiceCopied, twice, addCopied,
                                twiceCopied};
  const Result<uint32_t> program = device.addProgram(descs);
  ASSERT_TRUE(program) << program.status().message();

  AirBatch batch = {};
  auto *numbers = reinterpret_cast<float *>(host);
  for (const bool isDivided : {false, true}) {
    for (batch.tokens = 1; batch.tokens <= kRows; ++batch.tokens) {
      std::fill(numbers, numbers + 2 * kRows, 3.0F);
      if (isDivided) {
        for (uint32_t i = 0; i < 5; ++i) {
          ASSERT_TRUE(device.run(*program, i, 1, batch).isOk());
        }
      } else {
        ASSERT_TRUE(device.run(*program, 0, 5, batch).isOk());
      }
      // The test overwrites the CPU's rows before the GPU has computed, which
      // must not affect the result.
      std::fill(numbers, numbers + 2 * kRows, -1.0F);
      ASSERT_TRUE(device.synchronise().isOk());
      const Result<const void *> read =
          device.read(there, batch.tokens * 2 * sizeof(float));
      ASSERT_TRUE(read) << read.status().message();
      for (uint32_t i = 0; i < 2 * batch.tokens; ++i) {
        EXPECT_EQ(static_cast<const float *>(*read)[i], 34);
      }
    }
  }
  EXPECT_EQ(gpu.writtenBytes, 2 * 2 * (1 + 2 + 3 + 4) * 2 * sizeof(float));
  EXPECT_EQ(device.run(*program, 3, 3, batch).message(),
            "program 0 has 5 dispatches, but the run asks for 3 dispatches "
            "from index 3 on");
}

TEST(HybridDevice, AProgramMayUseOneDeviceOnly) {
  Result<std::unique_ptr<CpuDevice>> cpu = CpuDevice::create(1);
  ASSERT_TRUE(cpu) << cpu.status().message();
  LateGpu gpu({});
  HybridDevice device(**cpu, gpu);
  AirKernelFn functions[] = {addOne};
  DispatchDesc add;
  add.executable = (*cpu)->addFunctions(functions);
  add.grid.baseTiles = 2;
  const DeviceAddress host = *(*cpu)->allocate(2 * sizeof(float), "x");
  add.bindings = std::span(&host, 1);
  const Result<uint32_t> program = device.addProgram(std::span(&add, 1));
  ASSERT_TRUE(program) << program.status().message();
  AirBatch batch = {};
  batch.tokens = 1;
  ASSERT_TRUE(device.run(*program, 0, 1, batch).isOk());
  ASSERT_TRUE(device.synchronise().isOk());
  EXPECT_EQ(*reinterpret_cast<const float *>(host), 1);
  EXPECT_EQ(gpu.launches, 0U);
}

} // namespace
