//===- CompileTest.cpp - compiles kernels with NVRTC for every target -----===//
#include "codegen/cuda/Cubin.h"
#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Nvrtc.h"
#include "codegen/cuda/Probes.h"
#include "codegen/cuda/WeightForm.h"
#include "test/codegen/cuda/Forms.h"

#include <cstring>
#include <elf.h>
#include <gtest/gtest.h>
#include <map>

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kMultiprocessors = 28;

DecodeMatMul matmulOf(DType dtype, uint32_t tokens, const CudaTarget &target,
                      Layout layout = Layout::T16) {
  DecodeMatMul spec;
  spec.dtype = dtype;
  spec.layout = layout;
  spec.rows = 4096;
  spec.columns = 4096;
  spec.tokens = tokens;
  spec.multiprocessors = kMultiprocessors;
  spec.dependentLaunch = target.hasDependentLaunch;
  spec.tiling = defaultDecodeTiling(spec, target);
  return spec;
}

class WithNvrtc : public ::testing::Test {
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

TEST_F(WithNvrtc, EveryKernelFitsItsTargetWithoutSpills) {
  // Unless AIR_TEST_ALL is set, each combination of a form and a number of
  // tokens is compiled for only one target.
  const std::vector<Form> forms = allForms();
  const bool all = testsEverything();
  size_t turn = 0;
  size_t compiled = 0;
  for (const CudaTarget &target : cudaTargets()) {
    size_t index = turn++;
    for (const Form &form : forms) {
      for (const uint32_t tokens : {1U, 8U}) {
        if (index++ % cudaTargets().size() != 0 && !all) {
          continue;
        }
        const DecodeMatMul spec =
            matmulOf(form.dtype, tokens, target, form.layout);
        const Result<CudaKernel> kernel =
            generateDecodeMatMul(spec, target, deviceIntrinsicsText());
        ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
        const Result<CompiledKernel> code =
            nvrtc->compile(kernel->text, kernel->name, target);
        ASSERT_TRUE(code.isOk()) << code.status().message();
        EXPECT_EQ(code->resources.spillBytes, 0U) << kernel->name;
        EXPECT_EQ(code->resources.stackBytes, 0U) << kernel->name;
        // The hardware allocates registers per warp, in units of 256 (CUDA
        // occupancy calculator).
        const uint32_t perWarp =
            (code->resources.registers * 32 + 255) / 256 * 256;
        EXPECT_LE(perWarp * spec.tiling.warps *
                      spec.tiling.blocksPerMultiprocessor,
                  target.registersPerMultiprocessor)
            << kernel->name;
        EXPECT_LE(kernel->sharedBytes, target.sharedBytesPerBlock);
        ++compiled;
      }
    }
  }
  EXPECT_EQ(compiled, forms.size() * 2 * (all ? cudaTargets().size() : 1));
}

/// Returns the number of instructions per weight in the loop of a kernel, which
/// is found by compiling two kernels. In each iteration of its loop, the first
/// kernel multiplies 2 T16 units of each of `heldTiles` tiles, and the second
/// kernel multiplies 4 units of each. The result is the difference between the
/// two kernels' numbers of instructions, divided by each lane's share of the
/// weights in the additional units.
Result<double> instructionsPerWeight(const Nvrtc &nvrtc, const Form &form,
                                     uint32_t tokens,
                                     const CudaTarget &target) {
  uint64_t counts[2] = {};
  uint32_t heldTiles = 1;
  for (const uint32_t group : {2U, 4U}) {
    DecodeMatMul spec = matmulOf(form.dtype, tokens, target, form.layout);
    // A T16 unit has at most 256 columns, so a row has at least 8 units. An
    // iteration processes at most 4 of them, so the loop runs at least twice
    // and remains a loop.
    spec.columns = 2048;
    spec.tiling = {.fetch = target.hasBulkCopy ? WeightFetch::BulkCopy
                                               : WeightFetch::AsyncCopy,
                   .warps = 1,
                   .groupUnits = group,
                   .heldTiles = spec.tiling.heldTiles};
    heldTiles = spec.tiling.heldTiles;
    AIR_ASSIGN_OR_RETURN(
        const CudaKernel kernel,
        generateDecodeMatMul(spec, target, deviceIntrinsicsText()));
    AIR_ASSIGN_OR_RETURN(const CompiledKernel code,
                         nvrtc.compile(kernel.text, kernel.name, target));
    AIR_ASSIGN_OR_RETURN(const auto kinds,
                         countInstructions(code.cubin, kernel.name));
    for (const auto &[kind, count] : kinds) {
      counts[group / 4] += count;
    }
  }
  const double weights =
      2.0 * t16Unit(form.dtype)->columns * 16 / 32 * heldTiles;
  return static_cast<double>(counts[1] - counts[0]) / weights;
}

// The figures below were counted with NVRTC 13.0 and rounded up. A higher count
// means that the kernel has become less efficient.
TEST_F(WithNvrtc, InstructionsPerWeightAreNoMoreThanCommitted) {
  struct Figure {
    DType dtype;
    double one, eight; ///< instructions per weight, for 1 and 8 tokens
    Layout layout = Layout::T16;
  };
  constexpr Layout kIndices = Layout::T16Indices;
  const Figure figures[] = {
      {DType::Q4_K, 1.55, 1.69},
      {DType::Q5_K, 2.36, 2.50},
      {DType::Q6_K, 1.87, 2.17},
      {DType::Q4_0, 1.22, 1.35},
      {DType::Q8_0, 1.10, 1.25},
      {DType::BF16, 0.32, 0.42},
      {DType::F16, 0.32, 0.32},
      {DType::MXFP4, 2.62, 2.75},
      {DType::Q4_1, 1.18, 1.34},
      {DType::Q5_0, 2.03, 2.15},
      {DType::Q5_1, 2.03, 2.18},
      {DType::IQ4_NL, 2.20, 2.30},
      {DType::IQ4_XS, 2.12, 2.27},
      {DType::Q2_K, 1.66, 1.86},
      {DType::Q3_K, 2.04, 2.35},
      {DType::IQ1_S, 1.90, 2.04},
      {DType::IQ1_M, 2.46, 2.75},
      {DType::IQ2_XXS, 1.65, 1.79},
      {DType::IQ2_XS, 2.61, 2.85},
      {DType::IQ2_S, 2.61, 2.85},
      {DType::IQ3_S, 1.15, 1.27},
      {DType::TQ2_0, 1.13, 1.25},
      {DType::NVFP4, 4.07, 4.17},
      {DType::IQ3_XXS, 2.13, 2.26},
      {DType::IQ1_S, 2.90, 3.08, kIndices},
      {DType::IQ1_M, 5.04, 5.34, kIndices},
      {DType::IQ2_XXS, 1.96, 2.08, kIndices},
      {DType::IQ2_XS, 4.97, 5.24, kIndices},
      {DType::IQ2_S, 4.75, 5.00, kIndices},
      {DType::IQ3_XXS, 3.35, 3.68, kIndices},
      {DType::IQ3_S, 3.53, 3.70, kIndices},
  };
  // The choice between the two layouts relies on these figures.
  for (const Figure &figure : figures) {
    if (const Result<WeightWork> work =
            weightWork(figure.dtype, figure.layout)) {
      EXPECT_EQ(work->instructions, figure.one) << info(figure.dtype).name;
    }
  }
  // There are four combinations of a target and a number of tokens. For each
  // dtype and layout, the instructions are counted for one combination or, if
  // AIR_TEST_ALL is set, for all four. No count may exceed its figure in the
  // list above. If AIR_TEST_ALL is set, the test also fails if a figure is much
  // higher than both of its counts, one for each target.
  size_t combination = 0;
  std::map<std::pair<const Figure *, uint32_t>, double> largest;
  for (const char *name : {"sm_86", "sm_90a"}) {
    const CudaTarget target = *cudaTarget(name);
    for (const uint32_t tokens : {1U, 8U}) {
      size_t turn = combination++;
      for (const Figure &figure : figures) {
        if (turn++ % 4 != 0 && !testsEverything()) {
          continue;
        }
        const Result<double> count = instructionsPerWeight(
            *nvrtc, {figure.dtype, figure.layout}, tokens, target);
        ASSERT_TRUE(count.isOk()) << count.status().message();
        const double committed = tokens == 1 ? figure.one : figure.eight;
        EXPECT_LE(*count, committed)
            << info(figure.dtype).name << ' ' << layoutName(figure.layout)
            << ' ' << tokens << ' ' << name;
        double &most = largest[{&figure, tokens}];
        most = std::max(most, *count);
      }
    }
  }
  for (const auto &[which, most] : largest) {
    const auto &[figure, tokens] = which;
    const double committed = tokens == 1 ? figure->one : figure->eight;
    if (testsEverything()) {
      EXPECT_GE(most, 0.96 * committed)
          << info(figure->dtype).name << ' ' << layoutName(figure->layout)
          << ' ' << tokens << ": the committed figure is too high";
    }
  }
}

TEST_F(WithNvrtc, TheSameTextGivesTheSameCode) {
  const CudaTarget target = *cudaTarget("sm_86");
  const CudaKernel kernel = *generateDecodeMatMul(
      matmulOf(DType::Q8_0, 1, target), target, deviceIntrinsicsText());
  const Result<CompiledKernel> first =
      nvrtc->compile(kernel.text, kernel.name, target);
  const Result<CompiledKernel> second =
      nvrtc->compile(kernel.text, kernel.name, target);
  ASSERT_TRUE(first.isOk() && second.isOk());
  EXPECT_EQ(first->cubin, second->cubin);
}

TEST_F(WithNvrtc, CodeHasAParameterForEachBinding) {
  for (const char *name : {"sm_75", "sm_90a", "sm_120"}) {
    const CudaTarget target = *cudaTarget(name);
    const CudaKernel kernel = *generateDecodeMatMul(
        matmulOf(DType::Q8_0, 1, target), target, deviceIntrinsicsText());
    const Result<CompiledKernel> code =
        nvrtc->compile(kernel.text, kernel.name, target);
    ASSERT_TRUE(code.isOk()) << code.status().message();
    const Result<uint32_t> parameters =
        countParameters(code->cubin, kernel.name);
    ASSERT_TRUE(parameters.isOk()) << parameters.status().message();
    EXPECT_EQ(*parameters, kernel.bindings.size()) << name;
  }
}

TEST_F(WithNvrtc, ProbesCompile) {
  const CudaTarget target = *cudaTarget("sm_90a");
  const std::string_view intrinsics = deviceIntrinsicsText();
  ReadProbe probe;
  probe.bytes = 64 << 20;
  probe.multiprocessors = kMultiprocessors;
  probe.tiling.fetch = WeightFetch::BulkCopy;
  for (const Result<CudaKernel> &kernel :
       {generateReadProbe(probe, target, intrinsics),
        generateCopyProbe(1 << 20, kMultiprocessors, target, intrinsics),
        generateLaunchProbe(1, true, target, intrinsics),
        generateWgmmaProbe(target, intrinsics)}) {
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    const Result<CompiledKernel> code =
        nvrtc->compile(kernel->text, kernel->name, target);
    ASSERT_TRUE(code.isOk()) << code.status().message();
    EXPECT_EQ(code->resources.spillBytes, 0U);
  }
}

TEST_F(WithNvrtc, ATextThatIsWrongIsAnErrorWithTheCompilersWords) {
  const Result<CompiledKernel> code =
      nvrtc->compile("extern \"C\" __global__ void broken() { nonsense; }",
                     "broken", *cudaTarget("sm_80"));
  ASSERT_FALSE(code.isOk());
  EXPECT_NE(code.status().message().find("nonsense"), std::string::npos);
  EXPECT_NE(code.status().message().find("sm_80"), std::string::npos);
}

TEST(Nvrtc, SaysWhatItTriedWhereThereIsNone) {
  const Result<Nvrtc> nvrtc = Nvrtc::open("/nowhere");
  ASSERT_FALSE(nvrtc.isOk());
  EXPECT_EQ(nvrtc.status().code(), ErrorCode::Unsupported);
  EXPECT_NE(nvrtc.status().message().find("/nowhere/libnvrtc.so.13"),
            std::string::npos);
  EXPECT_TRUE(nvrtc.status().message().ends_with(
      "or run `bash tools/install-deps.sh --cuda`, which gets NVRTC from PyPI"))
      << nvrtc.status().message();
}

TEST(Nvrtc, ReadsTheAssemblersReport) {
  // This is a report of ptxas 13.0.
  const std::string report =
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'k' for 'sm_90a'\n"
      "ptxas info    : Function properties for k\n"
      "    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n"
      "ptxas info    : Used 72 registers, used 1 barriers, 16 bytes cumulative "
      "stack size\n";
  const Result<KernelResources> resources = parseAssemblerReport(report);
  ASSERT_TRUE(resources.isOk()) << resources.status().message();
  EXPECT_EQ(resources->registers, 72U);
  EXPECT_EQ(resources->spillBytes, 20U);
  EXPECT_EQ(resources->stackBytes, 16U);
  for (const char *part :
       {"spill stores", "spill loads", "stack frame", "registers"}) {
    std::string broken = report;
    broken.replace(broken.find(part), 5, "?????");
    EXPECT_EQ(parseAssemblerReport(broken).status().code(), ErrorCode::Corrupt)
        << part;
  }
  EXPECT_FALSE(parseAssemblerReport("").isOk());
}

TEST(Cubin, RefusesWhatIsNone) {
  EXPECT_EQ(countInstructions({}, "k").status().code(), ErrorCode::Corrupt);
  std::vector<uint8_t> bytes(64, 0);
  EXPECT_FALSE(countInstructions(bytes, "k").isOk());
  EXPECT_FALSE(countParameters(bytes, "k").isOk());
}

TEST_F(WithNvrtc, CubinsThatAreCutOrLieAreRefused) {
  const CudaTarget target = *cudaTarget("sm_80");
  const CudaKernel kernel =
      *generateLaunchProbe(1, false, target, deviceIntrinsicsText());
  const std::vector<uint8_t> cubin =
      nvrtc->compile(kernel.text, kernel.name, target).operator*().cubin;
  ASSERT_TRUE(countInstructions(cubin, kernel.name).isOk());
  EXPECT_FALSE(countInstructions(cubin, "another").isOk());
  // A file that is truncated before its section headers must be refused. In a
  // cubin, the section headers come after all sections.
  Elf64_Ehdr header;
  std::memcpy(&header, cubin.data(), sizeof header);
  for (size_t size = 0; size < header.e_shoff; size += 61) {
    const std::vector<uint8_t> cut(cubin.begin(), cubin.begin() + size);
    EXPECT_FALSE(countInstructions(cut, kernel.name).isOk()) << size;
    EXPECT_FALSE(countParameters(cut, kernel.name).isOk()) << size;
  }
  // Whichever byte of the file header is corrupt, nothing may be read out of
  // bounds.
  for (size_t at = 0; at < 64; ++at) {
    std::vector<uint8_t> wrong = cubin;
    wrong[at] = 0xff;
    (void)countInstructions(wrong, kernel.name);
    (void)countParameters(wrong, kernel.name);
  }
  // A corrupt byte after the file header must not cause a read out of bounds
  // either. It may lie in the list of parameter records, and make a record so
  // long that it ends beyond the list.
  size_t refused = 0;
  for (size_t at = 64; at < cubin.size(); ++at) {
    std::vector<uint8_t> wrong = cubin;
    wrong[at] = 0x04;
    refused += countParameters(wrong, kernel.name).isOk() ? 0 : 1;
  }
  EXPECT_GT(refused, 0U);
}

TEST(DecodeMatMul, RefusesWhatCannotBe) {
  const CudaTarget hopper = *cudaTarget("sm_90a");
  const CudaTarget turing = *cudaTarget("sm_75");
  const std::string_view intrinsics = deviceIntrinsicsText();
  const DecodeMatMul good = matmulOf(DType::Q4_K, 1, hopper);
  ASSERT_TRUE(generateDecodeMatMul(good, hopper, intrinsics).isOk());
  const auto codeOf = [&](const DecodeMatMul &spec, const CudaTarget &target) {
    return generateDecodeMatMul(spec, target, intrinsics).status().code();
  };
  DecodeMatMul spec = good;
  spec.tokens = 9;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported);
  spec = good;
  spec.columns = 100;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported);
  spec = good;
  spec.dtype = DType::I8;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported);
  EXPECT_EQ(codeOf(good, turing), ErrorCode::Unsupported) << "no bulk copies";
  spec = good;
  spec.tiling.groupUnits = 16;
  spec.tiling.stages = 16;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::DoesNotFit);
  spec = good;
  spec.tiling.warps = 33;
  EXPECT_EQ(codeOf(spec, hopper), ErrorCode::Unsupported);
  for (const char *arch : {"sm_61", "sm_", "sm_90x", "gfx1100", "120"}) {
    EXPECT_EQ(cudaTarget(arch).status().code(), ErrorCode::Unsupported) << arch;
  }
}

// The CUDA C++ Programming Guide states which GPUs run which code, in "Binary
// Compatibility" and "Architecture-Specific Features".
TEST(CudaTarget, OtherGpusUseTheNewestTargetThatTheyRun) {
  const struct {
    const char *arch;
    const char *target;
    bool needsPtx;
  } cases[] = {{"sm_86", "sm_86", false},   {"sm_87", "sm_86", false},
               {"sm_90", "sm_90", false},   {"sm_90a", "sm_90a", false},
               {"sm_100", "sm_100", false}, {"sm_103a", "sm_100", false},
               {"sm_110", "sm_100", true},  {"sm_121", "sm_120", false},
               {"sm_130", "sm_120", true},  {"sm_72", "", false}};
  for (const auto &one : cases) {
    const Result<CudaTarget> target = cudaTarget(one.arch);
    ASSERT_EQ(target.isOk(), one.target[0] != 0) << one.arch;
    if (target) {
      EXPECT_EQ(target->name, one.target) << one.arch;
      EXPECT_EQ(target->needsPtx, one.needsPtx) << one.arch;
    }
  }
}

// The source must not use instructions that only one architecture has, because
// PTX for later GPUs cannot contain them.
TEST_F(WithNvrtc, MatMulsCompileToPtx) {
  for (const CudaTarget &known : cudaTargets()) {
    const CudaTarget target = *cudaTarget(portableArch(known.name));
    const Result<CudaKernel> kernel = generateDecodeMatMul(
        matmulOf(DType::Q4_K, 8, target), target, deviceIntrinsicsText());
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    const Result<std::vector<uint8_t>> ptx =
        nvrtc->compilePtx(kernel->text, kernel->name, target);
    ASSERT_TRUE(ptx.isOk()) << ptx.status().message();
    const std::string text(ptx->begin(), ptx->end());
    EXPECT_EQ(text.find('\0'), text.size() - 1);
    EXPECT_NE(
        text.find(".target sm_" + std::to_string(target.capability) + "\n"),
        std::string::npos);
  }
}

} // namespace
} // namespace air::codegen::cuda
