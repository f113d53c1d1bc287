//===- CudaDriverTest.cpp - architectures, and machines without a driver --===//
#include "runtime/hal/cuda/CudaDevice.h"

#include <gtest/gtest.h>

namespace air::rt {
namespace {

// The rules are those of the CUDA C++ Programming Guide, "Binary
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
        Case{103, "sm_100a", false}}) {
    const Result<bool> runs = cudaRunsCode(one.capability, one.arch);
    ASSERT_TRUE(runs.isOk()) << runs.status().message();
    EXPECT_EQ(*runs, one.runs) << one.capability << ' ' << one.arch;
  }
}

TEST(CudaRunsCode, RefusesOtherText) {
  for (const char *text : {"", "sm_", "sm_x", "sm_90b", "sm_90aa", "86",
                           "compute_86", "sm_-86", "sm_99999999999"}) {
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
  EXPECT_EQ(status.message().find("libcuda.so.1 could not be opened"), 0U);
}

} // namespace
} // namespace air::rt
