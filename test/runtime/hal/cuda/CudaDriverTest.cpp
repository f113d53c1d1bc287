//===- CudaDriverTest.cpp - architectures, and machines without a driver --===//
#include "runtime/hal/cuda/CudaDevice.h"

#include "codegen/cuda/Intrinsics.h"
#include "test/codegen/cuda/emulator/Emulator.h"

#include <gtest/gtest.h>

namespace air::rt {
namespace {

// The CUDA C++ Programming Guide states which GPUs run which code, in "Binary
// Compatibility" and "Architecture-Specific Features".
TEST(CudaRunsCode, OnLaterGpusOfTheSameMajorNumber) {
  struct Case {
    uint32_t capability;
    const char *arch;
    bool runs;
  };
  for (const Case &one :
       {Case{86, "sm_86", true}, Case{89, "sm_86", true},
        Case{80, "sm_86", false}, Case{90, "sm_86", false},
        Case{75, "sm_86", false}, Case{90, "sm_90a", true},
        Case{90, "sm_90", true}, Case{121, "sm_120", true},
        Case{121, "sm_120a", false}, Case{100, "sm_90a", false},
        Case{103, "sm_100a", false}, Case{86, "compute_86", true},
        Case{120, "compute_86", true}, Case{80, "compute_86", false}}) {
    const Result<bool> runs = cudaRunsCode(one.capability, one.arch);
    ASSERT_TRUE(runs.isOk()) << runs.status().message();
    EXPECT_EQ(*runs, one.runs) << one.capability << ' ' << one.arch;
  }
}

TEST(CudaRunsCode, RefusesOtherText) {
  for (const char *text :
       {"", "sm_", "sm_x", "sm_90b", "sm_90aa", "86", "compute_", "compute_86a",
        "sm_-86", "sm_99999999999"}) {
    const Status status = cudaRunsCode(90, text).status();
    EXPECT_EQ(status.code(), ErrorCode::Unsupported) << text;
    EXPECT_NE(status.message().find(std::string("'") + text + "'"),
              std::string::npos);
  }
}

TEST(CudaDevice, AMachineWithoutADriverIsSaidToHaveNone) {
  if (DynamicLibrary::open("libcuda.so.1").isOpen()) {
    GTEST_SKIP() << "this machine has an NVIDIA driver";
  }
  const Status status = CudaDevice::create({}).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_EQ(status.message().find("libcuda.so.1 cannot be opened"), 0U);
}

// Like airrun, this test opens the fake driver at run time. Kernels must then
// find the emulator that the driver contains.
TEST(CudaDeviceAfterwards, ADriverMayBeOpenedAtRunTime) {
  ASSERT_TRUE(DynamicLibrary::open(AIR_FAKE_CUDA).isOpen());
  const Result<std::unique_ptr<CudaDevice>> device =
      CudaDevice::create({{.device = "emulated", .arch = ""}});
  ASSERT_TRUE(device.isOk()) << device.status().message();
  const Result<std::vector<uint8_t>> object = emulator::compileObject(
      {std::string(codegen::cuda::commonText()) +
       "#define KERNEL_NAME number\n" + *emulator::hostIntrinsicsText() +
       "AP_KERNEL(KERNEL_NAME, 32, 1)(u32 *out) {\n"
       "  out[ap_thread()] = ap_thread();\n}\n"});
  ASSERT_TRUE(object.isOk()) << object.status().message();
  const std::string_view name = "number";
  const Result<uint32_t> executable =
      (*device)->loadExecutable(*object, {&name, 1});
  ASSERT_TRUE(executable.isOk()) << executable.status().message();
  const Result<DeviceAddress> memory = (*device)->allocate(4 * 32, "numbers");
  ASSERT_TRUE(memory.isOk()) << memory.status().message();
  DispatchDesc desc;
  desc.executable = *executable;
  desc.launch = {.gridX = 1, .threads = 32};
  desc.bindings = {&*memory, 1};
  const Result<uint32_t> program = (*device)->addProgram({&desc, 1});
  ASSERT_TRUE(program.isOk()) << program.status().message();
  ASSERT_TRUE((*device)->run(*program, 0, 1, {}).isOk());
  const Result<const void *> numbers = (*device)->read(*memory, 4 * 32);
  ASSERT_TRUE(numbers.isOk()) << numbers.status().message();
  EXPECT_EQ(static_cast<const uint32_t *>(*numbers)[31], 31U);
}

} // namespace
} // namespace air::rt
