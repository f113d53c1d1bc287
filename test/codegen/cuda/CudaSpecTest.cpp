//===- CudaSpecTest.cpp - operands and compilation of kernels -------------===//
#include "codegen/cuda/CudaSpec.h"

#include "codegen/cuda/Intrinsics.h"
#include "test/codegen/cuda/Forms.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::codegen::cuda {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

/// The bindings of a kernel for sm_86 as "NAME KIND ACCESS BYTES". The KIND of
/// a tensor is its dtype.
std::vector<std::string> bindingsOf(const CudaSpec &spec) {
  const Result<CudaKernel> kernel =
      generateKernel(spec, *cudaTarget("sm_86"), deviceIntrinsicsText());
  EXPECT_TRUE(kernel.isOk()) << kernel.status().message();
  std::vector<std::string> list;
  const char *kinds[] = {"", "buffer", "kv", "batch"};
  const char *accesses[] = {"", "r", "w", "rw"};
  for (const CudaBinding &binding : cudaBindings(spec, *kernel)) {
    list.push_back(binding.name + " " +
                   (binding.kind == BindingKind::Tensor
                        ? std::string(info(binding.dtype).name)
                        : kinds[static_cast<size_t>(binding.kind)]) +
                   " " + accesses[static_cast<size_t>(binding.access)] + " " +
                   std::to_string(binding.bytes));
  }
  return list;
}

constexpr KvPages kPages = {
    .headDim = 64, .kvHeads = 2, .pageBytes = 65536, .tablePages = 4};

TEST(CudaSpec, BindingsOfTheFirstKernel) {
  BeginStep spec;
  spec.dtype = DType::Q8_0;
  spec.vocabulary = 300;
  spec.columns = 256;
  spec.tokens = 8;
  spec.ropeDim = 64;
  // A row of 256 columns of Q8_0 has 8 blocks of 34 bytes.
  EXPECT_THAT(bindingsOf(spec),
              testing::ElementsAre(
                  "token_ids batch r 0", "table Q8_0 r 81600",
                  "x buffer w 8192", "rope_positions batch r 0",
                  "inverse_frequency F64 r 256", "angles buffer w 2048"));
  EXPECT_EQ(flopsPerToken(spec), 0U);
  EXPECT_FALSE(hasDependentLaunch(spec));
  spec.dependentLaunch = true;
  EXPECT_TRUE(hasDependentLaunch(spec));
  spec.dependentLaunch = false;
  // Without embeddings, the kernel reads neither token ids nor weights.
  spec.vocabulary = 0;
  spec.columns = 0;
  EXPECT_THAT(bindingsOf(spec),
              testing::ElementsAre("rope_positions batch r 0",
                                   "inverse_frequency F64 r 256",
                                   "angles buffer w 2048"));
  EXPECT_EQ(weightBytesRead(spec, {}), 0U);
}

TEST(CudaSpec, BindingsOfAMatMulOfHeads) {
  DecodeMatMul spec;
  spec.dtype = DType::Q8_0;
  spec.rows = 384;
  spec.columns = 256;
  spec.tokens = 8;
  spec.multiprocessors = 28;
  spec.input = MatMulInput::RmsNorm;
  spec.output = MatMulOutput::Heads;
  spec.hasBias = true;
  spec.heads = {.queryHeads = 4,
                .keyHeads = 2,
                .qkNorm = true,
                .rope = RopeKind::Neox,
                .ropeDim = 64,
                .pages = kPages};
  spec.tiling = defaultDecodeTiling(spec, *cudaTarget("sm_86"));
  // The weights have 24 tiles of 16 rows. Each tile has 2 units of 128
  // columns, which take 2176 bytes each. Each of the 6 heads has a counter.
  EXPECT_THAT(bindingsOf(spec),
              testing::ElementsAre(
                  "weights Q8_0 r 104448", "x buffer r 8192",
                  "y buffer w 12288", "partials buffer w 0",
                  "counters buffer rw 24", "norm_weight F32 r 1024",
                  "bias F32 r 1536", "angles buffer r 2048", "q_norm F32 r 256",
                  "k_norm F32 r 256", "positions batch r 0",
                  "block_tables batch r 0", "kv_cache kv w 0"));
  EXPECT_EQ(flopsPerToken(spec), 2U * 384 * 256);
}

TEST(CudaSpec, BindingsThatDependOnTheOutput) {
  DecodeMatMul spec;
  spec.dtype = DType::Q8_0;
  spec.rows = 256;
  spec.columns = 256;
  spec.multiprocessors = 28;
  spec.input = MatMulInput::Float;
  spec.output = MatMulOutput::Add;
  EXPECT_THAT(bindingsOf(spec), testing::Contains("y buffer rw 1024"));
  // The matrix has 256 rows of the gate and 256 rows of `up`.
  spec.output = MatMulOutput::SiluGlu;
  spec.hasBias = true;
  EXPECT_THAT(bindingsOf(spec),
              testing::IsSupersetOf({"weights Q8_0 r 139264", "y buffer w 1024",
                                     "bias F32 r 2048"}));
  EXPECT_EQ(flopsPerToken(spec), 4U * 256 * 256);
  spec.hasRowScales = true;
  EXPECT_THAT(bindingsOf(spec), testing::Contains("row_scales F32 r 2048"));
  spec.output = MatMulOutput::SiluUp;
  EXPECT_THAT(
      bindingsOf(spec),
      testing::IsSupersetOf({"y buffer rw 1024", "row_scales F32 r 1024"}));
}

TEST(CudaSpec, BindingsOfAttention) {
  DecodeAttention spec;
  spec.queryHeads = 4;
  spec.pages = kPages;
  spec.tokens = 8;
  spec.queryStride = 512;
  spec.splits = 2;
  // 8 tokens, 2 KV heads and 2 splits need 32 thread blocks. Each of them
  // writes a state of 16 + 8 * 64 floats to `partials`: for each of 8 queries,
  // the largest score, the sum of the softmax weights, and an output vector of
  // headDim = 64 elements.
  EXPECT_THAT(bindingsOf(spec),
              testing::ElementsAre("q buffer r 16384", "positions batch r 0",
                                   "block_tables batch r 0", "kv_cache kv r 0",
                                   "out buffer w 8192",
                                   "partials buffer w 67584",
                                   "counters buffer rw 64"));
}

TEST(CudaSpec, BindingsOfAPrefillMatMul) {
  PrefillMatMul spec;
  spec.dtype = DType::Q8_0;
  spec.rows = 384;
  spec.columns = 256;
  spec.maxTokens = 20;
  spec.output = MatMulOutput::Add;
  spec.hasBias = true;
  // The operands of 8 tokens and 128 columns are stored together: 2 bytes for
  // each activation, and 8 bytes for the sum of every 32 activations of a
  // token. 20 tokens are 3 groups of 8, and 256 columns are 2 groups of 128.
  const uint64_t operands = 3 * 2 * (2 * 8 * 128 + 8 * 4 * 8);
  const std::string text = std::to_string(operands);
  EXPECT_THAT(bindingsOf(spec),
              testing::ElementsAre("weights Q8_0 r 104448",
                                   "operands buffer r " + text,
                                   "scales buffer r 96", "y buffer rw 30720",
                                   "token_count batch r 0", "bias F32 r 1536"));
  EXPECT_EQ(flopsPerToken(spec), 2U * 384 * 256);
  EXPECT_FALSE(computesOutputs(spec));
  PrefillInput input = prefillInputOf(spec);
  input.input = MatMulInput::RmsNorm;
  EXPECT_THAT(
      bindingsOf(input),
      testing::ElementsAre("x buffer r 20480", "operands buffer w " + text,
                           "scales buffer w 96", "token_count batch r 0",
                           "norm_weight F32 r 1024"));
  // An array of the batch lists the rows whose outputs are requested.
  spec.outputs = true;
  input.outputs = true;
  EXPECT_TRUE(computesOutputs(spec) && computesOutputs(input));
  EXPECT_THAT(bindingsOf(spec), testing::Contains("output_count batch r 0"));
  EXPECT_THAT(bindingsOf(input),
              testing::IsSupersetOf(
                  {"output_count batch r 0", "output_rows batch r 0"}));
}

TEST(CudaSpec, BindingsOfPrefillHeadsAndAttention) {
  PrefillHeads heads;
  heads.heads = {.queryHeads = 4,
                 .keyHeads = 2,
                 .valueHeads = 2,
                 .qkNorm = true,
                 .rope = RopeKind::Neox,
                 .ropeDim = 64,
                 .pages = kPages};
  heads.maxTokens = 20;
  EXPECT_THAT(bindingsOf(heads),
              testing::ElementsAre(
                  "y buffer rw 40960", "token_count batch r 0",
                  "sequences batch r 0", "angles buffer r 5120",
                  "q_norm F32 r 256", "k_norm F32 r 256", "positions batch r 0",
                  "block_tables batch r 0", "kv_cache kv w 0"));
  PrefillAttention attention;
  attention.queryHeads = 4;
  attention.pages = kPages;
  attention.maxTiles = 20;
  attention.queryStride = 512;
  EXPECT_THAT(bindingsOf(attention),
              testing::ElementsAre("q buffer r 40960", "positions batch r 0",
                                   "block_tables batch r 0", "kv_cache kv r 0",
                                   "out buffer w 20480", "tile_count batch r 0",
                                   "tiles batch r 0"));
  EXPECT_EQ(flopsPerToken(attention), 0U);
}

TEST(CudaSpec, BindingsOfAChoice) {
  ChooseToken spec;
  spec.vocabulary = 1000;
  spec.tokens = 8;
  spec.blocks = 3;
  spec.advance = true;
  EXPECT_THAT(
      bindingsOf(spec),
      testing::ElementsAre("logits buffer r 32000", "token_ids batch rw 0",
                           "partials buffer w 192", "counters buffer rw 32",
                           "token_count batch r 0", "positions batch rw 0",
                           "rope_positions batch rw 0"));
  EXPECT_EQ(flopsPerToken(spec), 0U);
  EXPECT_FALSE(computesOutputs(spec));
}

/// Compiles a kernel to its name instead of code, and counts the calls.
class NameCompiler : public CudaCompiler {
public:
  std::string_view intrinsics() const override { return ""; }
  std::string version() const override { return "names"; }
  Result<std::vector<uint8_t>> compile(const std::string &text,
                                       const std::string &name,
                                       const CudaTarget &,
                                       CodeForm) const override {
    ++calls;
    if (text.starts_with("bad")) {
      return internalError("does not compile");
    }
    return std::vector<uint8_t>(name.begin(), name.end());
  }
  Result<std::optional<uint32_t>>
  parameters(std::span<const uint8_t>, const std::string &) const override {
    return parameterCount;
  }
  mutable std::atomic<size_t> calls = 0;
  std::optional<uint32_t> parameterCount;
};

CudaKernel kernelOf(const std::string &name, const std::string &text) {
  CudaKernel kernel;
  kernel.name = name;
  kernel.text = text;
  return kernel;
}

/// Expects that the generator accepts the default tiling of a decode matmul
/// with each of three kinds of activations. Returns the number of kernels that
/// were tried.
uint32_t expectDefaultTilingFits(DecodeMatMul spec, const CudaTarget &target) {
  using enum MatMulInput;
  uint32_t kernels = 0;
  for (const MatMulInput input : {Half, Float, RmsNorm}) {
    spec.input = input;
    spec.tiling = defaultDecodeTiling(spec, target);
    const Result<CudaKernel> kernel = generateDecodeMatMul(spec, target, "");
    EXPECT_TRUE(kernel.isOk()) << kernel.status().message();
    ++kernels;
  }
  return kernels;
}

// The numbers of columns are those of published models. Unless AIR_TEST_ALL is
// set, only every seventh combination of target, form of weights, columns and
// tokens is tested.
TEST(CudaSpec, DefaultTilingsOfDecodeMatMulsFitEveryTarget) {
  uint32_t index = 0;
  uint32_t kernels = 0;
  for (const CudaTarget &target : cudaTargets()) {
    for (const Form &form : allForms()) {
      for (const uint32_t columns :
           {1024U, 1536U, 2048U, 2560U, 3072U, 3584U, 4096U, 5120U, 6144U,
            8192U, 11008U, 12288U, 14336U, 16384U, 28672U, 53248U}) {
        for (const uint32_t tokens : {1U, 8U}) {
          if (index++ % 7 != 0 && !testsEverything()) {
            continue;
          }
          DecodeMatMul spec;
          spec.dtype = form.dtype;
          spec.layout = form.layout;
          spec.rows = 4096;
          spec.columns = columns;
          spec.tokens = tokens;
          spec.multiprocessors = 40;
          spec.dependentLaunch = target.hasDependentLaunch;
          kernels += expectDefaultTilingFits(spec, target);
        }
      }
    }
  }
  EXPECT_GE(kernels, cudaTargets().size() * allForms().size() * 3 * 4);
}

TEST(CudaSpec, EqualTextsAreCompiledOnce) {
  std::vector<CudaKernel> kernels;
  for (int i = 0; i < 40; ++i) {
    kernels.push_back(
        kernelOf("k" + std::to_string(i % 20), std::to_string(i % 20)));
  }
  for (const unsigned threads : {1U, 3U}) {
    const NameCompiler compiler;
    const auto codes = compileKernels(kernels, *cudaTarget("sm_86"),
                                      CodeForm::Cubin, compiler, threads);
    ASSERT_TRUE(codes.isOk());
    EXPECT_EQ(compiler.calls, 20U);
    for (size_t i = 0; i < kernels.size(); ++i) {
      EXPECT_EQ(std::string((*codes)[i].begin(), (*codes)[i].end()),
                kernels[i].name);
    }
  }
}

TEST(CudaSpec, TheFirstErrorIsReported) {
  const std::vector<CudaKernel> kernels = {kernelOf("good", "1"),
                                           kernelOf("first", "bad 1"),
                                           kernelOf("second", "bad 2")};
  for (const unsigned threads : {1U, 3U}) {
    const Status status =
        compileKernels(kernels, *cudaTarget("sm_86"), CodeForm::Cubin,
                       NameCompiler(), threads)
            .status();
    EXPECT_EQ(status.message(), "kernel first: does not compile");
  }
}

TEST(CudaSpec, CodeWithTheWrongNumberOfParametersIsRefused) {
  CudaKernel kernel = kernelOf("good", "1");
  kernel.bindings = {"a", "b", "c"};
  NameCompiler compiler;
  compiler.parameterCount = 3;
  const CudaTarget target = *cudaTarget("sm_86");
  EXPECT_TRUE(
      compileKernels({kernel}, target, CodeForm::Cubin, compiler, 1).isOk());
  compiler.parameterCount = 2;
  const Status status =
      compileKernels({kernel}, target, CodeForm::Cubin, compiler, 1).status();
  EXPECT_EQ(status.code(), ErrorCode::Internal);
  EXPECT_EQ(status.message(),
            "the machine code of kernel good has 2 "
            "parameters, but must have 3, one for each binding of the kernel");
}

TEST(CudaSpec, WithoutNvrtcItSaysHowToGetIt) {
  const auto compiler = openNvrtcCompiler();
  if (compiler) {
    EXPECT_THAT((*compiler)->version(), HasSubstr("NVRTC 1"));
    return;
  }
  EXPECT_EQ(compiler.status().code(), ErrorCode::Unsupported);
  // The message must say how to get NVRTC, and must say it only once.
  EXPECT_THAT(compiler.status().message(),
              AllOf(HasSubstr("which this machine lacks: no NVRTC library"),
                    EndsWith("or run `bash tools/install-deps.sh --cuda`, "
                             "which gets NVRTC from PyPI")));
  const std::string &message = compiler.status().message();
  EXPECT_EQ(message.find("install-deps"), message.rfind("install-deps"));
}

} // namespace
} // namespace air::codegen::cuda
