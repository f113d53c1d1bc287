//===- CompilerTest.cpp - compiles model files to plans -------------------===//
#include "compiler/driver/Compiler.h"

#include "formats/dtype/DType.h"
#include "formats/machine/MachineProfile.h"
#include "formats/plan/PackLayout.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanFile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace air::compiler {
namespace {

using testing::HasSubstr;

std::string tiny(const std::string &name) {
  return std::string(AIR_TEST_INPUTS) + "/models/tiny/" + name + ".gguf";
}

CompileOptions optionsFor(const std::string &name) {
  CompileOptions options;
  options.model = tiny(name);
  options.target = "x86-64-v3";
  options.threads = 2;
  return options;
}

std::string outputPath(const std::string &name) {
  return testing::TempDir() + "/compiler-test-" + name + ".air";
}

/// Returns the bytes of the tensor `names`, as they are in the source. If
/// `names` is "a+b", the rows of tensor a are followed by those of tensor b.
std::vector<uint8_t> sourceBytes(const ModelSource &source, std::string names) {
  std::vector<uint8_t> bytes;
  while (!names.empty()) {
    std::string name = names.substr(0, names.find('+'));
    names.erase(0, name.size() + 1);
    const SourceTensor *tensor = source.find(name);
    EXPECT_NE(tensor, nullptr) << name;
    if (tensor != nullptr) {
      bytes.insert(bytes.end(), tensor->data.begin(), tensor->data.end());
    }
  }
  return bytes;
}

class EveryTinyModel : public testing::TestWithParam<const char *> {};

TEST_P(EveryTinyModel, IsAValidPlanOfTheSourcesBytes) {
  Result<Compiler> compiler = Compiler::load(optionsFor(GetParam()));
  ASSERT_TRUE(compiler.isOk()) << compiler.status().message();
  Status status = compiler->run("");
  ASSERT_TRUE(status.isOk()) << status.message();
  std::string path = outputPath(GetParam());
  uint64_t lastDone = 0;
  uint64_t total = 0;
  Result<AtomicFile> output = AtomicFile::create(path);
  ASSERT_TRUE(output.isOk()) << output.status().message();
  Result<uint64_t> bytes =
      compiler->write(*std::move(output), [&](uint64_t done, uint64_t all) {
        EXPECT_GE(done, lastDone);
        lastDone = done;
        total = all;
      });
  ASSERT_TRUE(bytes.isOk()) << bytes.status().message();
  EXPECT_EQ(lastDone, total);

  Result<PlanFile> file = PlanFile::open(path);
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_EQ(file->bytes().size(), *bytes);
  const plan::Plan &plan = file->plan();
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    Status verdict = file->verifySegment(i);
    EXPECT_TRUE(verdict.isOk()) << verdict.message();
  }

  // Unpacking a tensor of the plan must restore the source's bytes.
  size_t matrices = 0;
  for (const plan::Tensor *tensor : *plan.tensors()) {
    std::string name = tensor->name()->str();
    if (name == "inverse_frequencies") {
      EXPECT_EQ(tensor->dtype(), static_cast<uint16_t>(DType::F64));
      continue;
    }
    std::span<const uint8_t> stored =
        file->segmentBytes(tensor->segment())
            .subspan(tensor->offset(), tensor->bytes());
    std::vector<uint8_t> expected = sourceBytes(compiler->source(), name);
    std::vector<uint8_t> unpacked(expected.size());
    unpackRows(*dtypeFromId(tensor->dtype()),
               static_cast<Layout>(tensor->layout()), tensor->rows(),
               tensor->columns(), stored, unpacked);
    EXPECT_EQ(unpacked, expected) << name;
    matrices += tensor->rows() > 1 ? 1 : 0;
  }
  // There are five matrices in each of two layers (qkv, output, gate, up and
  // down), an embedding table, and in some models a separate output matrix.
  EXPECT_GE(matrices, 2U * 5U + 1U);
  std::remove(path.c_str());
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryTinyModel,
                         testing::Values("llama2", "llama3", "mistral", "qwen2",
                                         "qwen3"),
                         [](const auto &param) {
                           return std::string(param.param);
                         });

/// Makes a plan with kernels from `cache`. Returns the file's content.
std::string planWith(std::shared_ptr<const codegen::KernelCache> cache) {
  CompileOptions options = optionsFor("qwen2");
  options.kernelCache = std::move(cache);
  Result<Compiler> compiler = Compiler::load(options);
  EXPECT_TRUE(compiler.isOk()) << compiler.status().message();
  EXPECT_TRUE(compiler->run("").isOk());
  const std::string path = outputPath("cached");
  EXPECT_TRUE(compiler->write(*AtomicFile::create(path), {}).isOk());
  std::ifstream file(path, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(file), {});
  std::remove(path.c_str());
  return content;
}

TEST(Compiler, KernelsFromTheCacheMakeTheSamePlan) {
  const std::string folder = testing::TempDir() + "/compiler-test-kernels";
  std::filesystem::remove_all(folder);
  const auto cache = std::make_shared<const codegen::KernelCache>(
      *codegen::KernelCache::open(folder, "", "compiler"));
  const std::string compiled = planWith(nullptr);
  EXPECT_EQ(planWith(cache), compiled);
  const auto entries = std::filesystem::directory_iterator(folder);
  ASSERT_NE(entries, std::filesystem::directory_iterator());
  const std::string entry = entries->path();
  EXPECT_EQ(planWith(cache), compiled);

  // If the cache holds other code for the same kernel text, the plan contains
  // that code, which shows that code is taken from the cache.
  std::ifstream file(entry, std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(file), {});
  constexpr size_t kHeaderBytes = 32;
  constexpr std::string_view kCompiler = "compiler\n";
  uint64_t size = 0;
  std::memcpy(&size, content.data(), sizeof size);
  const std::string text =
      content.substr(kHeaderBytes, size).substr(kCompiler.size());
  std::vector<uint8_t> code(content.begin() + kHeaderBytes + size,
                            content.end());
  EXPECT_EQ(cache->find(text), code);
  code.back() ^= 1;
  cache->store(text, code);
  EXPECT_NE(planWith(cache), compiled);
  std::filesystem::remove_all(folder);
}

TEST(Compiler, StopsWhereItIsAsked) {
  Result<Compiler> compiler = Compiler::load(optionsFor("qwen2"));
  ASSERT_TRUE(compiler.isOk());
  EXPECT_THAT(compiler->moduleText(), HasSubstr("llm.model"));
  ASSERT_TRUE(compiler->run("fuse-steps").isOk());
  EXPECT_THAT(compiler->moduleText(), HasSubstr("plan.graph"));
  // The passes have not completed the plan, so it cannot be emitted.
  EXPECT_EQ(compiler->planJson().status().code(), ErrorCode::Internal);
  Result<AtomicFile> output = AtomicFile::create(outputPath("none"));
  ASSERT_TRUE(output.isOk()) << output.status().message();
  EXPECT_FALSE(compiler->write(*std::move(output), nullptr).isOk());
}

TEST(Compiler, NamesThePassesItHas) {
  EXPECT_THAT(passNames(), testing::ElementsAre(
                               "canonicalize", "fuse-steps", "verify-steps",
                               "select-kernels", "pack-segments", "split-steps",
                               "plan-memory", "verify-memory", "schedule-reads",
                               "compile-kernels", "place-weights",
                               "estimate-cost", "verify-plan"));
  Result<Compiler> compiler = Compiler::load(optionsFor("qwen2"));
  ASSERT_TRUE(compiler.isOk());
  Status status = compiler->run("no-such-pass");
  EXPECT_EQ(status.code(), ErrorCode::Usage);
  EXPECT_THAT(status.message(), HasSubstr("'no-such-pass'"));
}

std::string fileBytes(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Compiles and writes a model, and returns the bytes of the plan.
std::string packed(CompileOptions options, const std::string &name) {
  Result<Compiler> compiler = Compiler::load(std::move(options));
  EXPECT_TRUE(compiler.isOk());
  EXPECT_TRUE(compiler->run("").isOk());
  Result<AtomicFile> output = AtomicFile::create(outputPath(name));
  EXPECT_TRUE(output.isOk());
  Result<uint64_t> bytes = compiler->write(*std::move(output), nullptr);
  EXPECT_TRUE(bytes.isOk()) << bytes.status().message();
  EXPECT_TRUE(PlanFile::open(outputPath(name)).isOk());
  return fileBytes(outputPath(name));
}

// A plan is the same whether its kernels are compiled before or while the
// weights are written, even if the kernels exceed the space reserved for them.
TEST(Compiler, CompilingWhileWritingChangesNoByte) {
  for (const uint64_t kernelBytes :
       {KernelBuild::kReservedBytes, uint64_t{64}}) {
    CompileOptions options = optionsFor("qwen2");
    options.kernelBytes = kernelBytes;
    const std::string before = packed(options, "before");
    options.background = true;
    EXPECT_TRUE(before == packed(options, "meanwhile")) << kernelBytes;
  }
}

TEST(Compiler, PlansStateTheRatesOfTheirTarget) {
  // This target states more rates than most, and those of tile registers, too.
  CompileOptions options = optionsFor("qwen2");
  options.target = "sapphire-rapids";
  packed(options, "rates");
  const Result<PlanFile> file = PlanFile::open(outputPath("rates"));
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_EQ(fromPlan(*file->plan().machine()).cpu,
            resolveProfile("sapphire-rapids")->cpu);
}

TEST(Compiler, FailuresKeepTheirCodes) {
  CompileOptions options = optionsFor("qwen2");
  options.target = "nowhere";
  Result<Compiler> compiler = Compiler::load(options);
  ASSERT_TRUE(compiler.isOk());
  EXPECT_EQ(compiler->run("").code(), ErrorCode::Unsupported);

  options = optionsFor("qwen2");
  options.context = 4'000'000'000;
  options.slots = 65536;
  compiler = Compiler::load(options);
  ASSERT_TRUE(compiler.isOk());
  Status status = compiler->run("");
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(), HasSubstr("--ctx"));

  options.model = tiny("none");
  EXPECT_EQ(Compiler::load(options).status().code(), ErrorCode::Io);
}

} // namespace
} // namespace air::compiler
