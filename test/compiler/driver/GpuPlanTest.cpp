//===- GpuPlanTest.cpp - plans whose kernels run on a GPU -----------------===//
#include "GpuModel.h"

#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/WeightForm.h"
#include "formats/machine/GpuTable.h"
#include "formats/plan/PackLayout.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanFile.h"
#include "test/formats/gguf/GgufBuilder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace air::compiler {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Bytes = std::vector<uint8_t>;

/// A compiler that returns the kernel's name instead of machine code. The
/// results differ in size, as cubins do.
class NameCompiler : public codegen::cuda::CudaCompiler {
public:
  std::string_view intrinsics() const override {
    return codegen::cuda::deviceIntrinsicsText();
  }
  std::string version() const override { return "names 1"; }
  Result<Bytes> compile(const std::string &text, const std::string &name,
                        const codegen::cuda::CudaTarget &target,
                        codegen::cuda::CodeForm form) const override {
    EXPECT_THAT(text, HasSubstr("#define KERNEL_NAME " + name + "\n"));
    EXPECT_EQ(target.name, expected);
    ++calls;
    if (name.starts_with(failing)) {
      return internalError("does not compile");
    }
    const std::string code =
        form == codegen::cuda::CodeForm::Ptx ? "ptx of " + name + '\0' : name;
    return Bytes(code.begin(), code.end());
  }

  std::string failing = "none";
  std::string expected = "sm_86";
  mutable std::atomic<int> calls = 0;
};

class GpuPlan : public testing::Test {
protected:
  void SetUp() override {
    const Status made = folder.make("--type Q4_K_M --layers 2");
    ASSERT_TRUE(made.isOk()) << made.message();
    options.model = folder.model();
    options.target = "rtx3060";
    options.threads = 2;
    options.cuda = compiler;
  }

  Result<PlanFile> pack(const std::string &name) {
    return packModel(options, folder.path(name));
  }

  /// Returns the status of packing with options that `change` has altered.
  template <typename F> Status refusal(F change) {
    change(options);
    return pack("refused.air").status();
  }

  GpuModel folder;
  std::shared_ptr<NameCompiler> compiler = std::make_shared<NameCompiler>();
  CompileOptions options;
};

/// The bytes of the tensor's rows, taken from the model's file. The rows are in
/// the order that they have in the plan.
Bytes sourceRows(const ModelSource &source, const plan::Tensor &tensor,
                 bool isGlu) {
  std::vector<const SourceTensor *> parts;
  // The second copy of a tied table has a number at the end of its name.
  std::string names = tensor.name()->str();
  names = names.starts_with("token_embd") ? "token_embd.weight" : names;
  while (!names.empty()) {
    const std::string name = names.substr(0, names.find('+'));
    names.erase(0, name.size() + 1);
    parts.push_back(source.find(name));
    EXPECT_NE(parts.back(), nullptr) << name;
  }
  const auto dtype = *dtypeFromId(tensor.dtype());
  const uint64_t row = *rowBytes(dtype, tensor.columns());
  Bytes bytes(tensor.rows() * row);
  uint64_t at = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    for (uint64_t r = 0; r < parts[p]->data.size() / row; ++r, ++at) {
      const uint64_t to = isGlu ? codegen::cuda::gluRow(r, p == 1) : at;
      std::copy_n(parts[p]->data.begin() + static_cast<ptrdiff_t>(r * row), row,
                  bytes.begin() + static_cast<ptrdiff_t>(to * row));
    }
  }
  return bytes;
}

TEST_F(GpuPlan, HoldsTheSourcesBytesAndTheCode) {
  Result<PlanFile> file = pack("a.air");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  const plan::Plan &plan = file->plan();
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    EXPECT_TRUE(file->verifySegment(i).isOk());
  }
  Result<Compiler> model = Compiler::load(options);
  ASSERT_TRUE(model.isOk());
  size_t matrices = 0;
  size_t joined = 0;
  for (const plan::Tensor *tensor : *plan.tensors()) {
    const auto layout = static_cast<Layout>(tensor->layout());
    if (tensor->rows() == 1) {
      continue;
    }
    const std::string name = tensor->name()->str();
    const bool isGlu = name.find("ffn_gate") != std::string::npos;
    matrices += layout == Layout::T16 ? 1 : 0;
    joined += isGlu ? 1 : 0;
    EXPECT_EQ(layout, name == "token_embd.weight" ? Layout::Rows : Layout::T16)
        << name;
    const Bytes expected = sourceRows(model->source(), *tensor, isGlu);
    Bytes unpacked(expected.size());
    const plan::Segment &segment = *plan.segments()->Get(tensor->segment());
    unpackRows(*dtypeFromId(tensor->dtype()), layout, tensor->rows(),
               tensor->columns(),
               file->bytes().subspan(segment.offset() + tensor->offset(),
                                     tensor->bytes()),
               unpacked);
    EXPECT_EQ(unpacked, expected) << name;
  }
  EXPECT_EQ(joined, 2U);
  EXPECT_GT(matrices, 2U * 4);

  std::set<std::string> names;
  for (const plan::Executable *executable : *plan.executables()) {
    EXPECT_EQ(executable->format(), plan::CodeFormat::Cubin);
    EXPECT_EQ(executable->device(), 1U);
    ASSERT_EQ(executable->entries()->size(), 1U);
    const std::string name = executable->entries()->Get(0)->str();
    names.insert(name);
    const plan::Segment &segment = *plan.segments()->Get(executable->segment());
    const auto code =
        file->bytes().subspan(segment.offset(), segment.stored_bytes());
    EXPECT_EQ(std::string(code.begin(), code.end()), name);
  }
  EXPECT_EQ(names.size(), plan.executables()->size());
  EXPECT_EQ(compiler->calls, static_cast<int>(names.size()));
  EXPECT_THAT(plan.codegen_fingerprint()->str(), HasSubstr(", t16 3, names 1"));
}

/// For each executable of the GPU, the machine code and the PTX that the plan
/// stores.
std::vector<std::pair<std::string, std::string>> codesOf(const PlanFile &file) {
  std::vector<std::pair<std::string, std::string>> codes;
  for (const plan::Executable *executable : *file.plan().executables()) {
    const auto bytes = file.segmentBytes(executable->segment());
    const std::string all(bytes.begin(), bytes.end());
    const bool isPtx = executable->format() == plan::CodeFormat::Ptx;
    const uint64_t offset = executable->ptx_offset() != 0
                                ? executable->ptx_offset()
                                : (isPtx ? 0 : all.size());
    codes.emplace_back(all.substr(0, offset), all.substr(offset));
  }
  return codes;
}

std::vector<std::string> kernelsOf(const PlanFile &file) {
  std::vector<std::string> names;
  for (const plan::Executable *executable : *file.plan().executables()) {
    names.push_back(executable->entries()->Get(0)->str());
  }
  return names;
}

TEST_F(GpuPlan, PtxFollowsTheCode) {
  options.ptx = true;
  Result<PlanFile> file = pack("a.air");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_EQ(file->plan().machine()->devices()->Get(0)->ptx_arch()->str(),
            "compute_86");
  const auto codes = codesOf(*file);
  ASSERT_EQ(codes.size(), file->plan().executables()->size());
  for (uint32_t i = 0; i < codes.size(); ++i) {
    const plan::Executable &executable = *file->plan().executables()->Get(i);
    const std::string name = executable.entries()->Get(0)->str();
    EXPECT_EQ(executable.format(), plan::CodeFormat::Cubin);
    EXPECT_EQ(codes[i].first, name);
    EXPECT_EQ(codes[i].second, "ptx of " + name + '\0');
  }
}

// PTX with wgmma instructions would not run on later GPUs, because only sm_90a
// has them.
TEST_F(GpuPlan, PtxIsMadeOfKernelsThatLaterGpusCanRun) {
  options.target = "h100";
  compiler->expected = "sm_90a";
  Result<PlanFile> file = pack("a.air");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_THAT(kernelsOf(*file), Contains(HasSubstr("_wgmma")));
  options.ptx = true;
  compiler->expected = "sm_90";
  file = pack("b.air");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  const plan::Device &device = *file->plan().machine()->devices()->Get(0);
  EXPECT_EQ(device.arch()->str(), "sm_90");
  EXPECT_EQ(device.ptx_arch()->str(), "compute_90");
  EXPECT_THAT(kernelsOf(*file), Not(Contains(HasSubstr("_wgmma"))));
}

// sm_130 does not exist yet. Of the known targets, sm_120 is the newest.
TEST_F(GpuPlan, ForAGpuThatIsNewerThanAllTargetsThereIsOnlyPtx) {
  options.machine = *resolveProfile("rtx5090");
  options.machine->gpus[0].arch = "sm_130";
  compiler->expected = "sm_120";
  Result<PlanFile> file = pack("a.air");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  const plan::Device &device = *file->plan().machine()->devices()->Get(0);
  EXPECT_EQ(device.arch()->str(), "sm_130");
  EXPECT_EQ(device.ptx_arch()->str(), "compute_120");
  for (const auto &[code, ptx] : codesOf(*file)) {
    EXPECT_EQ(code, "");
    EXPECT_THAT(ptx, StartsWith("ptx of "));
  }
}

TEST_F(GpuPlan, EverythingIsOnTheGpu) {
  Result<PlanFile> file = pack("a.air");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  const plan::Plan &plan = file->plan();
  ASSERT_EQ(plan.machine()->devices()->size(), 1U);
  const plan::Device &device = *plan.machine()->devices()->Get(0);
  EXPECT_EQ(device.arch()->str(), "sm_86");
  EXPECT_EQ(device.multiprocessors(), 28U);
  EXPECT_EQ(plan.arena_bytes(), 0U);
  EXPECT_GT(device.arena_bytes(), 0U);
  EXPECT_EQ(plan.max_tokens(), 512U);
  EXPECT_EQ(plan.max_outputs(), 64U);
  ASSERT_EQ(plan.programs()->size(), 4U);
  for (const plan::Program *program : *plan.programs()) {
    const bool isPrefill = program->max_tokens() > 8;
    EXPECT_EQ(program->tile_tokens() != 0, isPrefill);
    // Each of the two layers has five steps. The embedding and the output head
    // have one step each.
    EXPECT_EQ(program->steps()->size(), 2U * 5 + 2);
    EXPECT_EQ(program->steps()->Get(0)->kind(), plan::StepKind::Embed);
    for (const plan::Step *step : *program->steps()) {
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        const std::string entry = plan.executables()
                                      ->Get(dispatch->executable())
                                      ->entries()
                                      ->Get(dispatch->entry())
                                      ->str();
        // The output head computes at most 64 rows.
        const bool isHead = step->kind() == plan::StepKind::Head;
        const uint64_t most = isHead && isPrefill ? 64 : program->max_tokens();
        EXPECT_THAT(entry, HasSubstr("_m" + std::to_string(most) + "_"));
        EXPECT_THAT(entry, HasSubstr("sm_86"));
        EXPECT_EQ(dispatch->launch()->rows_from() == plan::RowsFrom::Outputs,
                  isHead && isPrefill);
      }
    }
  }
  for (const plan::Buffer *buffer : *plan.buffers()) {
    EXPECT_EQ(buffer->device(), 1U);
    EXPECT_EQ(buffer->is_zeroed(), buffer->name()->str() == "counters");
    if (buffer->is_output()) {
      EXPECT_EQ(buffer->rows_from(), plan::RowsFrom::Outputs);
      EXPECT_EQ(buffer->bytes(), 64 * 4 * plan.model()->vocabulary());
    }
  }
  EXPECT_EQ(plan.caches()->Get(0)->order(), plan::KvOrder::Mma);
  ASSERT_EQ(plan.placements()->size(), 1U);
  const plan::Placement &placement = *plan.placements()->Get(0);
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    EXPECT_EQ(placement.device()->Get(i), 1U);
  }
  ASSERT_EQ(placement.predictions()->size(), 2U);
  EXPECT_EQ(placement.predictions()->Get(0)->limit()->str(), "vram");
}

TEST_F(GpuPlan, DoesNotDependOnThreads) {
  Result<PlanFile> two = pack("two.air");
  ASSERT_TRUE(two.isOk()) << two.status().message();
  options.threads = 1;
  Result<PlanFile> one = pack("one.air");
  ASSERT_TRUE(one.isOk()) << one.status().message();
  EXPECT_TRUE(std::ranges::equal(one->bytes(), two->bytes()));
}

// There are kernels for matrices and embeddings of every dtype of weights. F64
// is left out, because air-gen does not write it.
TEST_F(GpuPlan, PacksEveryDTypeOfWeights) {
  const GpuProfile gpu = machineWithGpu(options.target)->gpus.front();
  std::set<DType> smaller;
  for (const DTypeInfo &type : allDTypes()) {
    if (!type.isWeight || type.id == DType::F64) {
      continue;
    }
    SCOPED_TRACE(type.name);
    const Status made =
        folder.make("--layers 1 --type " + std::string(type.name));
    ASSERT_TRUE(made.isOk()) << made.message();
    Result<PlanFile> file = pack("dtype.air");
    ASSERT_TRUE(file.isOk()) << file.status().message();
    Result<Compiler> model = Compiler::load(options);
    ASSERT_TRUE(model.isOk());
    size_t matrices = 0;
    size_t packed = 0;
    for (const plan::Tensor *tensor : *file->plan().tensors()) {
      if (tensor->rows() == 1) {
        continue;
      }
      ++matrices;
      EXPECT_EQ(tensor->dtype(), static_cast<uint32_t>(type.id));
      const auto layout = static_cast<Layout>(tensor->layout());
      if (layout != Layout::Rows) {
        EXPECT_EQ(layout, codegen::cuda::weightLayout(
                              type.id, *codegen::cuda::cudaTarget(gpu.arch),
                              gpu.multiprocessors, gpu.memoryBandwidth));
        smaller.insert(layout == Layout::T16Indices ? type.id : DType::F32);
        ++packed;
      }
      const bool isGlu =
          tensor->name()->str().find("ffn_gate") != std::string::npos;
      const Bytes expected = sourceRows(model->source(), *tensor, isGlu);
      Bytes unpacked(expected.size());
      const plan::Segment &segment =
          *file->plan().segments()->Get(tensor->segment());
      unpackRows(type.id, layout, tensor->rows(), tensor->columns(),
                 file->bytes().subspan(segment.offset() + tensor->offset(),
                                       tensor->bytes()),
                 unpacked);
      // In TQ1_0, different bytes can encode the same elements, so elements are
      // compared.
      const uint64_t elements = tensor->rows() * tensor->columns();
      std::vector<float> before(elements);
      std::vector<float> after(elements);
      dequantize(type.id, expected.data(), before.data(), elements);
      dequantize(type.id, unpacked.data(), after.data(), elements);
      EXPECT_EQ(before, after) << tensor->name()->str();
    }
    EXPECT_GT(matrices, 4U);
    EXPECT_EQ(packed + 1, matrices) << "all but the embeddings";
  }
  EXPECT_TRUE(smaller.contains(DType::IQ2_XXS));
  EXPECT_TRUE(smaller.contains(DType::IQ3_S));
}

/// A model of the Llama architecture with as many layers as there are dtypes of
/// weights. The seven matrices of a layer have different dtypes. Over all
/// layers, each of the seven has every dtype once. All weights are zero.
Bytes modelOfAllDTypes(const std::vector<DType> &dtypes) {
  constexpr uint64_t kWidth = 256;
  constexpr uint64_t kHidden = 512;
  const auto layers = static_cast<uint32_t>(dtypes.size());
  test::GgufBuilder builder;
  builder.text("general.architecture", "llama")
      .value<uint32_t>("llama.block_count", layers)
      .value<uint32_t>("llama.context_length", 256)
      .value<uint32_t>("llama.embedding_length", kWidth)
      .value<uint32_t>("llama.feed_forward_length", kHidden)
      .value<uint32_t>("llama.attention.head_count", 8)
      .value<uint32_t>("llama.attention.head_count_kv", 1)
      .value<float>("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  const auto add = [&](const std::string &name, DType dtype, uint64_t rows,
                       uint64_t columns) {
    std::vector<uint64_t> extents = {columns};
    if (rows != 1) {
      extents.push_back(rows);
    }
    builder.tensor({name, extents, static_cast<uint32_t>(dtype),
                    Bytes(rows * *rowBytes(dtype, columns))});
  };
  const struct {
    const char *name;
    uint64_t rows, columns;
  } matrices[] = {
      {"attn_q", kWidth, kWidth},    {"attn_k", 32, kWidth},
      {"attn_v", 32, kWidth},        {"attn_output", kWidth, kWidth},
      {"ffn_gate", kHidden, kWidth}, {"ffn_up", kHidden, kWidth},
      {"ffn_down", kWidth, kHidden}};
  add("token_embd.weight", DType::Q8_0, 64, kWidth);
  add("output_norm.weight", DType::F32, 1, kWidth);
  for (uint32_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    add(prefix + "attn_norm.weight", DType::F32, 1, kWidth);
    add(prefix + "ffn_norm.weight", DType::F32, 1, kWidth);
    size_t index = layer;
    for (const auto &matrix : matrices) {
      add(prefix + matrix.name + ".weight", dtypes[index++ % layers],
          matrix.rows, matrix.columns);
    }
  }
  return builder.build();
}

// In each of the four programs, each of a layer's seven matrices needs a kernel
// of its own for every dtype.
TEST_F(GpuPlan, AModelMayMixAllDTypes) {
  std::vector<DType> dtypes;
  for (const DTypeInfo &type : allDTypes()) {
    if (type.isWeight) {
      dtypes.push_back(type.id);
    }
  }
  const Bytes model = modelOfAllDTypes(dtypes);
  options.model = folder.path("mixed.gguf");
  std::ofstream(options.model, std::ios::binary)
      .write(reinterpret_cast<const char *>(model.data()),
             static_cast<std::streamsize>(model.size()));
  options.weightless = true;
  Result<PlanFile> file = pack("mixed.air");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_GE(file->plan().executables()->size(), 4 * 7 * dtypes.size());
}

TEST_F(GpuPlan, EqualKernelsOfSeveralTargetsAreCompiledOnce) {
  options.cuda = codegen::cuda::withMemory(compiler);
  options.weightless = true;
  Result<Compiler> first = Compiler::load(options);
  ASSERT_TRUE(first.isOk()) << first.status().message();
  ASSERT_TRUE(first->run("").isOk());
  const int calls = compiler->calls;
  EXPECT_GT(calls, 0);
  CompileOptions other = options;
  other.target = "rtx3070";
  other.cuda = nullptr;
  Result<Compiler> second = first->again(other);
  ASSERT_TRUE(second.isOk()) << second.status().message();
  ASSERT_TRUE(second->run("").isOk());
  const int more = compiler->calls - calls;
  // The RTX 3070 has more multiprocessors than the RTX 3060, the first target.
  // Only kernels whose grid depends on this number are compiled again.
  EXPECT_LT(more, calls);
  Result<Compiler> third = second->again(other);
  ASSERT_TRUE(third.isOk()) << third.status().message();
  ASSERT_TRUE(third->run("").isOk());
  EXPECT_EQ(compiler->calls, calls + more);
}

TEST_F(GpuPlan, WeightsAreCopiedToAPlanForAnotherGpu) {
  ASSERT_TRUE(pack("a.air").isOk());
  options.target = "rtx3070";
  Result<PlanFile> alone = pack("alone.air");
  ASSERT_TRUE(alone.isOk()) << alone.status().message();
  options.from = folder.path("a.air");
  Result<PlanFile> copied = pack("copied.air");
  ASSERT_TRUE(copied.isOk()) << copied.status().message();
  EXPECT_TRUE(std::ranges::equal(alone->bytes(), copied->bytes()));
}

TEST_F(GpuPlan, AKernelThatDoesNotCompileIsNamed) {
  compiler->failing = "attention_";
  const Status status = refusal([](CompileOptions &) {});
  EXPECT_EQ(status.code(), ErrorCode::Internal);
  EXPECT_THAT(status.message(), StartsWith("kernel attention_h"));
  EXPECT_THAT(status.message(), HasSubstr("does not compile"));
}

TEST_F(GpuPlan, WhatTheGpuCannotDoIsRefused) {
  const struct {
    void (*change)(CompileOptions &);
    ErrorCode code;
    const char *message;
  } cases[] = {
      {[](CompileOptions &o) { o.kvType = "f32"; }, ErrorCode::Unsupported,
       "--kv-type f32: kernels of a GPU need a KV cache of float16"},
      {[](CompileOptions &o) { o.activations = "i8"; }, ErrorCode::Unsupported,
       "--activations: kernels of a GPU multiply float16 activations"},
      {[](CompileOptions &o) { o.pin = 50; }, ErrorCode::Unsupported,
       "--pin has no effect, because a plan for a GPU keeps as many weights"},
      {[](CompileOptions &o) { o.codec = "zstd"; }, ErrorCode::Unsupported,
       "--codec zstd: weights for a GPU cannot be stored with a codec"},
      {[](CompileOptions &o) { o.reference = true; }, ErrorCode::Unsupported,
       "--reference: the matrices of a plan for a GPU must be stored"},
      {[](CompileOptions &o) { o.tiles.emplace(); }, ErrorCode::Unsupported,
       "leave out --tune"},
      {[](CompileOptions &o) { o.vram = kDriverBytes + (1 << 16); },
       ErrorCode::DoesNotFit, "but --vram gives 1.00 GiB"},
      {[](CompileOptions &o) { o.ram = 1 << 20; }, ErrorCode::DoesNotFit,
       "but --ram gives 1.00 MiB"},
      {[](CompileOptions &o) { o.target = "rx7600"; }, ErrorCode::Unsupported,
       "needs the Vulkan backend"},
      {[](CompileOptions &o) {
         o.machine = *resolveProfile("rtx3060");
         o.machine->gpus[0].arch = "sm_70";
       },
       ErrorCode::Unsupported, "sm_70"},
  };
  for (const auto &bad : cases) {
    const CompileOptions before = options;
    const Status status = refusal(bad.change);
    options = before;
    EXPECT_EQ(compiler->calls, 0) << bad.message;
    EXPECT_EQ(status.code(), bad.code) << bad.message;
    EXPECT_THAT(status.message(), HasSubstr(bad.message));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST_F(GpuPlan, TheAdvisedContextFits) {
  options.vram = kDriverBytes + (16 << 20);
  options.context = 1 << 20;
  const Status status = pack("refused.air").status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_EQ(compiler->calls, 0);
  // The plan has 56 kernels: 11 in each of the two programs for decode steps,
  // 16 in each of the two for prefills, and two for the output head, which the
  // programs for prefills share. Until a kernel is compiled, 64 KiB are assumed
  // for it.
  EXPECT_THAT(status.message(), HasSubstr("kernels 3.50 MiB)"));
  const std::string before = "choose --ctx ";
  const size_t at = status.message().find(before);
  ASSERT_NE(at, std::string::npos) << status.message();
  options.context = std::stoull(status.message().substr(at + before.size()));
  EXPECT_GT(options.context, 1000U);
  const Result<PlanFile> file = pack("a.air");
  EXPECT_TRUE(file.isOk()) << file.status().message();
}

/// Returns the bytes of a plan in whose codegen_fingerprint `part` replaces the
/// revision of layout t16, ", t16 3". `part` must have the same length.
Bytes withRevision(const PlanFile &file, const std::string &part) {
  Bytes bytes(file.bytes().begin(), file.bytes().end());
  const std::string now = ", t16 3";
  EXPECT_EQ(part.size(), now.size());
  const auto at =
      std::search(bytes.begin(), bytes.end(), now.begin(), now.end());
  EXPECT_NE(at, bytes.end());
  std::ranges::copy(part, at);
  PlanHeader header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  Digest fingerprint{};
  std::memcpy(fingerprint.data(), header.targetFingerprint, 16);
  const uint64_t padded =
      file.plan().segments()->Get(0)->offset() - kPlanPageBytes;
  std::ranges::copy(
      encodeHeader(std::span(bytes).subspan(kPlanPageBytes, padded),
                   header.metadataBytes, header.fileBytes, fingerprint,
                   header.minor),
      bytes.begin());
  return bytes;
}

// A plan that states another revision of layout t16, or none, may arrange the
// matrices of this layout differently, so these matrices are packed again.
// Segments without such matrices are still copied.
TEST_F(GpuPlan, MatricesOfAnotherRevisionAreNotCopied) {
  const Result<PlanFile> first = pack("a.air");
  ASSERT_TRUE(first.isOk()) << first.status().message();
  const plan::Plan &plan = first->plan();
  std::set<uint32_t> segmentsOfMatrices;
  for (const plan::Tensor *tensor : *plan.tensors()) {
    if (static_cast<Layout>(tensor->layout()) == Layout::T16) {
      segmentsOfMatrices.insert(tensor->segment());
    }
  }
  uint64_t all = 0;
  uint64_t others = 0;
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    if (segment.kind() != plan::SegmentKind::Kernels) {
      all += segment.stored_bytes();
      others += segmentsOfMatrices.contains(i) ? 0 : segment.stored_bytes();
    }
  }
  EXPECT_GT(others, 0U);
  EXPECT_LT(others, all);
  options.from = folder.path("b.air");
  for (const auto &[part, copied] :
       {std::pair(", t16 3", all), std::pair(", t16 1", others),
        std::pair(", other", others)}) {
    SCOPED_TRACE(part);
    const Bytes bytes = withRevision(*first, part);
    std::ofstream(options.from, std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    Result<Compiler> loaded = Compiler::load(options);
    ASSERT_TRUE(loaded.isOk()) << loaded.status().message();
    ASSERT_TRUE(loaded->run("").isOk());
    Result<AtomicFile> file = AtomicFile::create(folder.path("c.air"));
    ASSERT_TRUE(file.isOk());
    const Status written = loaded->write(*std::move(file), {}).status();
    ASSERT_TRUE(written.isOk()) << written.message();
    EXPECT_EQ(loaded->copiedBytes(), copied);
    const Result<PlanFile> again = PlanFile::open(folder.path("c.air"));
    ASSERT_TRUE(again.isOk()) << again.status().message();
    EXPECT_TRUE(std::ranges::equal(again->bytes(), first->bytes()));
  }
}

TEST_F(GpuPlan, KernelFilesAreTextAndCode) {
  Result<Compiler> loaded = Compiler::load(options);
  ASSERT_TRUE(loaded.isOk()) << loaded.status().message();
  ASSERT_TRUE(loaded->run("select-kernels").isOk());
  Result<std::vector<KernelFile>> files = loaded->kernelFiles();
  ASSERT_TRUE(files.isOk()) << files.status().message();
  std::set<std::string> steps;
  for (const KernelFile &file : *files) {
    const std::string kernel(file.cubin.begin(), file.cubin.end());
    EXPECT_TRUE(file.name.ends_with("." + kernel)) << file.name;
    EXPECT_THAT(file.cuda, HasSubstr("#define KERNEL_NAME " + kernel));
    steps.insert(file.name.substr(0, file.name.find('.')));
  }
  EXPECT_THAT(steps, testing::IsSupersetOf({"attn", "embed", "head"}));
}

} // namespace
} // namespace air::compiler
