//===- CubinTest.cpp - what cubins state about their kernels --------------===//
#include "codegen/cuda/Cubin.h"

#include "codegen/cuda/Nvrtc.h"

#include <cstring>
#include <elf.h>
#include <gtest/gtest.h>

namespace air::codegen::cuda {
namespace {

/// A kernel with `shared` floats of shared memory; 0 for none.
std::string kernelWith(uint32_t shared) {
  const std::string begin =
      "extern \"C\" __global__ void __launch_bounds__(128) sum(float *a) {\n";
  return shared == 0
             ? begin + "  a[threadIdx.x] += 1;\n}\n"
             : begin + "  __shared__ float s[" + std::to_string(shared) +
                   "];\n"
                   "  s[threadIdx.x] = a[threadIdx.x];\n"
                   "  __syncthreads();\n"
                   "  a[threadIdx.x] = s[(threadIdx.x + 7) % 128];\n"
                   "}\n";
}

TEST(CubinFacts, AreWhatTheAssemblerReports) {
  const Result<Nvrtc> nvrtc = Nvrtc::open("");
  if (!nvrtc) {
    GTEST_SKIP() << nvrtc.status().message();
  }
  for (const CudaTarget &target : cudaTargets()) {
    for (const uint32_t shared : {0U, 130U, 1000U}) {
      const Result<CompiledKernel> code =
          nvrtc->compile(kernelWith(shared), "sum", target);
      ASSERT_TRUE(code.isOk()) << code.status().message();
      const Result<CubinFacts> facts = cubinFacts(code->cubin, "sum");
      ASSERT_TRUE(facts.isOk()) << target.name << facts.status().message();
      EXPECT_EQ(facts->registers, code->resources.registers) << target.name;
      EXPECT_EQ(facts->staticSharedBytes, 4 * shared) << target.name;
      // CUDA pads code to a multiple of 128 bytes.
      EXPECT_GT(facts->codeBytes, 0U);
      EXPECT_EQ(facts->codeBytes % 128, 0U);
      EXPECT_EQ(cubinFacts(code->cubin, "other").status().code(),
                ErrorCode::Corrupt);
    }
  }
}

TEST(CubinFacts, FilesThatAreCutOrLieAreRefused) {
  EXPECT_EQ(cubinFacts({}, "k").status().code(), ErrorCode::Corrupt);
  const Result<Nvrtc> nvrtc = Nvrtc::open("");
  if (!nvrtc) {
    GTEST_SKIP() << nvrtc.status().message();
  }
  const std::vector<uint8_t> cubin =
      nvrtc->compile(kernelWith(130), "sum", *cudaTarget("sm_80"))
          .operator*()
          .cubin;
  ASSERT_TRUE(cubinFacts(cubin, "sum").isOk());
  // The section headers come after all sections.
  Elf64_Ehdr header;
  std::memcpy(&header, cubin.data(), sizeof header);
  for (size_t size = 0; size < header.e_shoff; size += 61) {
    const std::vector<uint8_t> cut(
        cubin.begin(), cubin.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(cubinFacts(cut, "sum").isOk()) << size;
  }
  // Whichever byte is wrong, nothing may be read out of bounds.
  for (size_t at = 0; at < cubin.size(); ++at) {
    std::vector<uint8_t> wrong = cubin;
    wrong[at] = 0xff;
    (void)cubinFacts(wrong, "sum");
  }
}

TEST(Nvrtc, StatesItsRelease) {
  const Result<Nvrtc> nvrtc = Nvrtc::open("");
  if (!nvrtc) {
    GTEST_SKIP() << nvrtc.status().message();
  }
  int numbers = 0;
  for (const char c : nvrtc->version()) {
    numbers += c == '.' ? 1 : 0;
    EXPECT_TRUE(c == '.' || (c >= '0' && c <= '9')) << nvrtc->version();
  }
  EXPECT_EQ(numbers, 2) << nvrtc->version();
}

} // namespace
} // namespace air::codegen::cuda
