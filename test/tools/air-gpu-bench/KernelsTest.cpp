//===- KernelsTest.cpp - the description of a kernel folder ---------------===//
#include "tools/air-gpu-bench/Kernels.h"

#include "formats/plan/T16Indices.h"
#include "tools/air-gpu-bench/Operands.h"

#include <gtest/gtest.h>

namespace air::gpubench {
namespace {

TEST(KernelFolder, ReadsWhatItWrites) {
  KernelFolder folder;
  folder.target = "sm_90a";
  folder.nvrtc = "13.0";
  folder.multiprocessors = 132;
  folder.registers = {{"a", 72}, {"b", 40}};
  const Result<KernelFolder> read = parseFolder(folderText(folder), "/x");
  ASSERT_TRUE(read.isOk()) << read.status().message();
  EXPECT_EQ(read->target, "sm_90a");
  EXPECT_EQ(read->nvrtc, "13.0");
  EXPECT_EQ(read->multiprocessors, 132U);
  EXPECT_EQ(read->registers, folder.registers);
  EXPECT_EQ(read->path, "/x");
}

TEST(KernelFolder, RefusesMalformedDescriptions) {
  struct Case {
    const char *text;
    const char *message;
  };
  for (
      const Case &one : std::initializer_list<Case>{
          {"", "not a JSON object"},
          {"[]", "not a JSON object"},
          {"{\"target\":\"sm_90a\"", "not a JSON object"},
          {"{\"target\":\"sm_90a\"}", "not a JSON object"},
          {R"({"target":1,"nvrtc":"13.0","multiprocessors":1,"registers":{}})",
           "target is not a string"},
          {R"({"target":"a","nvrtc":13,"multiprocessors":1,"registers":{}})",
           "nvrtc is not a string"},
          {R"({"target":"a","nvrtc":"13","multiprocessors":0,"registers":{}})",
           "multiprocessors"},
          {R"({"target":"a","nvrtc":"13","multiprocessors":-5,"registers":{}})",
           "multiprocessors"},
          {R"({"target":"a","nvrtc":"13","multiprocessors":1,"registers":[]})",
           "registers is not an object"},
          {R"({"target":"a","nvrtc":"13","multiprocessors":1,"registers":{"k":256}})",
           "registers of k"},
          {R"({"target":"a","nvrtc":"13","multiprocessors":1,"registers":{},"more":1})",
           "not a JSON object"},
      }) {
    const Result<KernelFolder> folder = parseFolder(one.text, "/x");
    ASSERT_FALSE(folder.isOk()) << one.text;
    EXPECT_EQ(folder.status().code(), ErrorCode::Corrupt);
    EXPECT_NE(folder.status().message().find(one.message), std::string::npos)
        << folder.status().message();
  }
}

TEST(Cases, EveryNameIsOneKernelAndEveryDTypeHasOddShapes) {
  const codegen::cuda::CudaTarget target = *codegen::cuda::cudaTarget("sm_90a");
  const Cases cases = casesFor(target, 132);
  const auto kernels = kernelsOf(cases, target);
  ASSERT_TRUE(kernels.isOk()) << kernels.status().message();
  const auto oddOf = [&](DType dtype, auto matches) {
    int count = 0;
    for (const codegen::cuda::DecodeMatMul &spec : cases.odd) {
      count += spec.dtype == dtype && spec.rows % 16 != 0 && matches(spec);
    }
    return count;
  };
  for (const DType dtype : t16DTypes()) {
    EXPECT_GE(
        oddOf(dtype, [](const auto &s) { return s.layout == Layout::T16; }), 4)
        << info(dtype).name;
  }
  for (const DType dtype : t16IndexDTypes()) {
    EXPECT_EQ(
        oddOf(dtype,
              [](const auto &s) { return s.layout == Layout::T16Indices; }),
        6)
        << info(dtype).name;
  }
  // Only BF16 and F16 can have tiles that share activations. On this target,
  // each has two such cases with AsyncCopy and two with BulkCopy.
  const auto isHeld = [](const auto &s) { return s.tiling.heldTiles > 1; };
  EXPECT_EQ(oddOf(DType::BF16, isHeld), 4);
  EXPECT_EQ(oddOf(DType::F16, isHeld), 4);
  EXPECT_EQ(oddOf(DType::Q4_K, isHeld), 0);
}

// The comparison that checks the results of a GPU must find a single wrong
// element.
TEST(Operands, ASingleMissingTermOrNaNIsSeen) {
  const Operands operands =
      makeOperands(DType::Q8_0, Layout::T16, 32, 4096, 1, 3);
  std::vector<float> y(operands.expected.begin(), operands.expected.end());
  EXPECT_LT(compare(operands, y, 32, 1).worstShare, 0.1);
  y[7] += static_cast<float>(operands.magnitudes[7] / 4096);
  EXPECT_GT(compare(operands, y, 32, 1).worstShare, 1);
  EXPECT_EQ(compare(operands, y, 32, 1).worstAt, 7U);
  y[7] = __builtin_nanf("");
  EXPECT_GT(compare(operands, y, 32, 1).worstShare, 1);
}

} // namespace
} // namespace air::gpubench
