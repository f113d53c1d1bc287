//===- StepCompileTest.cpp - compiles a decode step for every target ------===//
#include "codegen/cuda/BeginStep.h"
#include "codegen/cuda/ChooseToken.h"
#include "codegen/cuda/Cubin.h"
#include "codegen/cuda/DecodeAttention.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Nvrtc.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kWidth = 4096;
constexpr uint32_t kHidden = 14336;
constexpr uint32_t kVocabulary = 128256;

struct Compiled {
  std::string role;
  CudaKernel kernel;
};

/// The kernels of one decode step of a model with 8 billion parameters.
Result<std::vector<Compiled>> stepOf(const CudaTarget &target, DType dtype,
                                     uint32_t tokens) {
  std::vector<Compiled> kernels;
  const std::string_view intrinsics = deviceIntrinsicsText();
  const bool dependent = target.hasDependentLaunch;
  KvPages pages = {.headDim = 128, .kvHeads = 8, .tablePages = 128};
  pages.pageBytes = 32 * kvLayerBytes(pages);

  BeginStep begin;
  begin.dtype = dtype;
  begin.vocabulary = kVocabulary;
  begin.columns = kWidth;
  begin.tokens = tokens;
  begin.ropeDim = 128;
  begin.dependentLaunch = dependent;
  AIR_ASSIGN_OR_RETURN(CudaKernel first,
                       generateBeginStep(begin, target, intrinsics));
  kernels.push_back({"begin", std::move(first)});

  const auto addMatMul = [&](const char *role, uint32_t rows, uint32_t columns,
                             MatMulInput input, MatMulOutput output) -> Status {
    DecodeMatMul spec;
    spec.dtype = dtype;
    spec.rows = rows;
    spec.columns = columns;
    spec.tokens = tokens;
    spec.multiprocessors = 28;
    spec.dependentLaunch = dependent;
    spec.input = input;
    spec.epsilon = 1e-5F;
    spec.splitActivations = dtype == DType::F16;
    spec.output = output;
    if (output == MatMulOutput::Heads) {
      spec.heads = {.queryHeads = 32,
                    .keyHeads = 8,
                    .valueHeads = 8,
                    .qkNorm = true,
                    .qkEpsilon = 1e-6F,
                    .rope = RopeKind::Neox,
                    .ropeDim = 128,
                    .pages = pages};
      spec.hasBias = true;
    }
    spec.tiling = defaultDecodeTiling(spec, target);
    AIR_ASSIGN_OR_RETURN(CudaKernel kernel,
                         generateDecodeMatMul(spec, target, intrinsics));
    kernels.push_back({role, std::move(kernel)});
    return Status::ok();
  };
  using enum MatMulInput;
  using enum MatMulOutput;
  AIR_RETURN_IF_ERROR(addMatMul("qkv", 6144, kWidth, RmsNorm, Heads));
  AIR_RETURN_IF_ERROR(addMatMul("attn_out", kWidth, kWidth, Float, Add));
  AIR_RETURN_IF_ERROR(addMatMul("ffn_in", kHidden, kWidth, RmsNorm, SiluGlu));
  AIR_RETURN_IF_ERROR(addMatMul("ffn_out", kWidth, kHidden, Float, Add));
  AIR_RETURN_IF_ERROR(addMatMul("gelu", kHidden, kWidth, LayerNorm, GeluGlu));
  AIR_RETURN_IF_ERROR(addMatMul("head", kVocabulary, kWidth, RmsNorm, Store));

  for (const uint32_t dim : {64U, 128U, 256U}) {
    DecodeAttention attention;
    attention.queryHeads = 32;
    attention.pages = pages;
    attention.pages.headDim = dim;
    attention.pages.pageBytes = 32 * kvLayerBytes(attention.pages);
    attention.tokens = tokens;
    attention.queryStride = 48 * dim;
    attention.splits = 8;
    attention.dependentLaunch = dependent;
    AIR_ASSIGN_OR_RETURN(CudaKernel kernel, generateDecodeAttention(
                                                attention, target, intrinsics));
    kernels.push_back({"attn" + std::to_string(dim), std::move(kernel)});
  }
  for (const Choice choice : {Choice::Greedy, Choice::Draw}) {
    ChooseToken choose;
    choose.choice = choice;
    choose.vocabulary = kVocabulary;
    choose.tokens = tokens;
    choose.blocks = 28;
    choose.warps = choice == Choice::Greedy ? 8 : 16;
    choose.advance = true;
    choose.dependentLaunch = dependent;
    AIR_ASSIGN_OR_RETURN(CudaKernel kernel,
                         generateChooseToken(choose, target, intrinsics));
    kernels.push_back(
        {choice == Choice::Greedy ? "greedy" : "draw", std::move(kernel)});
  }
  return kernels;
}

class DecodeStep : public ::testing::Test {
protected:
  void SetUp() override {
    Result<Nvrtc> opened = Nvrtc::open("");
    if (!opened.isOk()) {
      GTEST_SKIP() << "needs NVRTC: " << opened.status().message();
    }
    nvrtc.emplace(*std::move(opened));
  }
  std::optional<Nvrtc> nvrtc;
};

// Every kernel is compiled for about a third of the targets, or for all of them
// if the environment variable AIR_TEST_ALL is set.
TEST_F(DecodeStep, EveryKernelFitsEveryTargetWithoutSpills) {
  const bool all = std::getenv("AIR_TEST_ALL") != nullptr;
  size_t firstTurn = 0;
  for (const CudaTarget &target : cudaTargets()) {
    const Result<std::vector<Compiled>> kernels =
        stepOf(target, DType::Q4_K, 8);
    ASSERT_TRUE(kernels.isOk()) << kernels.status().message();
    size_t turn = firstTurn++;
    for (const auto &[role, kernel] : *kernels) {
      if (turn++ % 3 != 0 && !all) {
        continue;
      }
      SCOPED_TRACE(kernel.name);
      const Result<CompiledKernel> code =
          nvrtc->compile(kernel.text, kernel.name, target);
      ASSERT_TRUE(code.isOk()) << code.status().message();
      EXPECT_EQ(code->resources.spillBytes, 0U);
      EXPECT_EQ(code->resources.stackBytes, 0U);
      // The hardware allocates registers per warp, in units of 256.
      EXPECT_LE((code->resources.registers * 32 + 255) / 256 * 256 *
                    kernel.threads / 32,
                target.registersPerMultiprocessor);
      EXPECT_LE(kernel.sharedBytes, target.sharedBytesPerBlock);
    }
  }
}

// The figures below were counted with NVRTC 13.0 and rounded up. A higher count
// means that the source of a kernel has become less efficient.
TEST_F(DecodeStep, KernelsHaveNoMoreInstructionsThanCommitted) {
  const std::map<std::string, uint64_t> most[2] = {
      {{"begin", 240},
       {"qkv", 1680},
       {"attn_out", 1040},
       {"ffn_in", 1280},
       {"attn128", 3220},
       {"greedy", 430},
       {"draw", 3530}},
      {{"attn_out", 700}},
  };
  uint32_t compared = 0;
  for (const bool split : {false, true}) {
    for (const char *name : {"sm_86", "sm_90a"}) {
      const CudaTarget target = *cudaTarget(name);
      const Result<std::vector<Compiled>> kernels =
          stepOf(target, split ? DType::F16 : DType::Q4_K, 1);
      ASSERT_TRUE(kernels.isOk()) << kernels.status().message();
      for (const auto &[role, kernel] : *kernels) {
        const auto limit = most[split].find(role);
        if (limit == most[split].end()) {
          continue;
        }
        const Result<CompiledKernel> code =
            nvrtc->compile(kernel.text, kernel.name, target);
        ASSERT_TRUE(code.isOk()) << code.status().message();
        const auto counts = countInstructions(code->cubin, kernel.name);
        ASSERT_TRUE(counts.isOk()) << counts.status().message();
        uint64_t all = 0;
        for (const auto &[opcode, count] : *counts) {
          all += count;
        }
        EXPECT_LE(all, limit->second) << role << ' ' << kernel.name;
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 16U);
}

} // namespace
} // namespace air::codegen::cuda
