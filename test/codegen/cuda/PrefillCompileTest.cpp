//===- PrefillCompileTest.cpp - compiles prefill kernels for every target -===//
//
// If the environment variable AIR_TEST_ALL is set, the matmuls without wgmma of
// all dtypes and layouts, and attention with all head sizes, are compiled for
// every target. Otherwise, each of these matmuls is compiled for only one
// target, and attention only for a third of the combinations of head size,
// operands (split or not) and target. These still include every head size and
// every target.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/Cubin.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Nvrtc.h"
#include "codegen/cuda/PrefillAttention.h"
#include "codegen/cuda/PrefillHeads.h"
#include "codegen/cuda/PrefillMatMul.h"
#include "test/codegen/cuda/Forms.h"

#include <gtest/gtest.h>

namespace air::codegen::cuda {
namespace {

bool leavesOut(uint32_t index) { return !testsEverything() && index % 3 != 0; }

PrefillMatMul matMulOf(const Form &form, uint32_t maxTokens,
                       const CudaTarget &target) {
  PrefillMatMul spec;
  spec.dtype = form.dtype;
  spec.layout = form.layout;
  spec.rows = 4096;
  spec.columns = 4096;
  spec.maxTokens = maxTokens;
  spec.dependentLaunch = target.hasDependentLaunch;
  spec.tiling = defaultPrefillTiling(spec, target, 108);
  return spec;
}

PrefillAttention attentionOf(uint32_t headDim, bool split,
                             const CudaTarget &target) {
  PrefillAttention spec;
  spec.queryHeads = 32;
  spec.pages = {.headDim = headDim, .kvHeads = 8, .tablePages = 128};
  spec.pages.pageBytes = 32 * kvLayerBytes(spec.pages);
  spec.queryStride = 48 * headDim;
  spec.maxTiles = 64;
  spec.splitOperands = split;
  spec.dependentLaunch = target.hasDependentLaunch;
  spec.tiling = defaultAttentionTiling(spec, target);
  return spec;
}

class PrefillStep : public ::testing::Test {
protected:
  void SetUp() override {
    Result<Nvrtc> opened = Nvrtc::open("");
    if (!opened.isOk()) {
      GTEST_SKIP() << "needs NVRTC: " << opened.status().message();
    }
    nvrtc.emplace(*std::move(opened));
  }

  void expectFits(const Result<CudaKernel> &kernel, const CudaTarget &target) {
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    SCOPED_TRACE(kernel->name);
    const Result<CompiledKernel> code =
        nvrtc->compile(kernel->text, kernel->name, target);
    ASSERT_TRUE(code.isOk()) << code.status().message();
    EXPECT_EQ(code->resources.spillBytes, 0U);
    EXPECT_EQ(code->resources.stackBytes, 0U);
    // If the assembler inserts a wait after every wgmma, which makes the kernel
    // slow, it warns of "serialization".
    EXPECT_EQ(code->log.find("serializ"), std::string::npos) << code->log;
    // The hardware allocates registers per warp, in units of 256.
    EXPECT_LE((code->resources.registers * 32 + 255) / 256 * 256 *
                  kernel->threads / 32,
              target.registersPerMultiprocessor);
    EXPECT_LE(kernel->sharedBytes, target.sharedBytesPerBlock);
    ++compiled;
  }

  std::optional<Nvrtc> nvrtc;
  uint32_t compiled = 0;
};

TEST_F(PrefillStep, MatMulsOfEveryFormFitTheirTargetsWithoutSpills) {
  const std::vector<Form> forms = allForms();
  size_t turn = 0;
  for (const CudaTarget &target : cudaTargets()) {
    size_t index = turn++;
    for (const Form &form : forms) {
      if (index++ % cudaTargets().size() != 0 && !testsEverything()) {
        continue;
      }
      expectFits(generatePrefillMatMul(matMulOf(form, 512, target), target,
                                       deviceIntrinsicsText()),
                 target);
    }
  }
  EXPECT_EQ(compiled,
            forms.size() * (testsEverything() ? cudaTargets().size() : 1));
}

TEST_F(PrefillStep, MatMulsWithWgmmaFitWithoutSpills) {
  const CudaTarget target = *cudaTarget("sm_90a");
  // Unless AIR_TEST_ALL is set, each form is compiled for only one of the three
  // numbers of tokens.
  const bool all = testsEverything();
  std::vector<Form> forms = allForms();
  std::erase_if(forms, [&](const Form &form) {
    return !canUseWgmma(form.dtype, target);
  });
  EXPECT_GE(forms.size(), allForms().size() - 3);
  size_t turn = 0;
  for (const uint32_t tokens : {64U, 512U, 16U}) {
    size_t index = turn++;
    for (const Form &form : forms) {
      if (index++ % 3 != 0 && !all) {
        continue;
      }
      PrefillMatMul spec = matMulOf(form, tokens, target);
      spec.wgmma = true;
      spec.splitActivations = form.dtype == DType::F16;
      spec.tiling = defaultPrefillTiling(spec, target, 108);
      expectFits(generatePrefillMatMul(spec, target, deviceIntrinsicsText()),
                 target);
    }
  }
  EXPECT_EQ(compiled, forms.size() * (all ? 3 : 1));
}

TEST_F(PrefillStep, AttentionFitsItsTargetsWithoutSpills) {
  uint32_t index = 0;
  for (const uint32_t headDim : {64U, 128U, 256U}) {
    for (const bool split : {false, true}) {
      for (const CudaTarget &target : cudaTargets()) {
        if (leavesOut(index++)) {
          continue;
        }
        expectFits(generatePrefillAttention(attentionOf(headDim, split, target),
                                            target, deviceIntrinsicsText()),
                   target);
      }
    }
  }
  EXPECT_GE(compiled, 7 * 6 / 3U);
}

TEST_F(PrefillStep, VariantsFitEveryTargetWithoutSpills) {
  const std::string_view intrinsics = deviceIntrinsicsText();
  for (const CudaTarget &target : cudaTargets()) {
    PrefillMatMul split = matMulOf({DType::F16, Layout::T16}, 512, target);
    split.splitActivations = true;
    split.tiling = defaultPrefillTiling(split, target, 108);
    expectFits(generatePrefillMatMul(split, target, intrinsics), target);
    for (const uint32_t tokens : {16U, 64U}) {
      PrefillMatMul glu = matMulOf({DType::Q4_K, Layout::T16}, tokens, target);
      glu.output = MatMulOutput::SiluGlu;
      glu.hasBias = true;
      expectFits(generatePrefillMatMul(glu, target, intrinsics), target);
    }
    PrefillInput input;
    input.columns = 4096;
    input.maxTokens = 512;
    input.input = MatMulInput::LayerNorm;
    input.epsilon = 1e-5F;
    input.dependentLaunch = target.hasDependentLaunch;
    expectFits(generatePrefillInput(input, target, intrinsics), target);
    PrefillHeads heads;
    heads.heads = {.queryHeads = 32,
                   .keyHeads = 8,
                   .valueHeads = 8,
                   .qkNorm = true,
                   .qkEpsilon = 1e-6F,
                   .rope = RopeKind::Neox,
                   .ropeDim = 128,
                   .pages = {.headDim = 128, .kvHeads = 8, .tablePages = 128}};
    heads.heads.pages.pageBytes = 32 * kvLayerBytes(heads.heads.pages);
    heads.maxTokens = 512;
    heads.dependentLaunch = target.hasDependentLaunch;
    expectFits(generatePrefillHeads(heads, target, intrinsics), target);
  }
  EXPECT_EQ(compiled, 7 * 5U);
}

// The figures below were counted with NVRTC 13.0 and rounded up. A higher count
// means that the source of a kernel has become less efficient.
TEST_F(PrefillStep, KernelsHaveNoMoreInstructionsThanCommitted) {
  const std::string_view intrinsics = deviceIntrinsicsText();
  struct Figure {
    const char *target;
    uint64_t q4k, q6k, attention;
  };
  for (const Figure &figure :
       {Figure{"sm_86", 720, 960, 2000}, Figure{"sm_90a", 1450, 1940, 2040}}) {
    const CudaTarget target = *cudaTarget(figure.target);
    const auto expectAtMost = [&](const Result<CudaKernel> &kernel,
                                  uint64_t most) {
      ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
      const Result<CompiledKernel> code =
          nvrtc->compile(kernel->text, kernel->name, target);
      ASSERT_TRUE(code.isOk()) << code.status().message();
      const auto counts = countInstructions(code->cubin, kernel->name);
      ASSERT_TRUE(counts.isOk()) << counts.status().message();
      uint64_t all = 0;
      for (const auto &[opcode, count] : *counts) {
        all += count;
      }
      EXPECT_LE(all, most) << kernel->name;
    };
    expectAtMost(
        generatePrefillMatMul(matMulOf({DType::Q4_K, Layout::T16}, 512, target),
                              target, intrinsics),
        figure.q4k);
    expectAtMost(
        generatePrefillMatMul(matMulOf({DType::Q6_K, Layout::T16}, 512, target),
                              target, intrinsics),
        figure.q6k);
    expectAtMost(generatePrefillAttention(attentionOf(128, false, target),
                                          target, intrinsics),
                 figure.attention);
  }
}

} // namespace
} // namespace air::codegen::cuda
