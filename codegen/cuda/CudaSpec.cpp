//===- CudaSpec.cpp - operands and compilation of CUDA kernels ------------===//
#include "codegen/cuda/CudaSpec.h"

#include "codegen/cuda/Cubin.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/KernelParts.h"
#include "codegen/cuda/Nvrtc.h"
#include "formats/support/Thread.h"

#include <algorithm>
#include <atomic>
#include <map>

namespace air::codegen::cuda {
namespace {

constexpr uint64_t kFloat = sizeof(float);

/// Fills in the kinds and sizes of the operands whose names mean the same in
/// all kernels. Each function skips the operands that the kernel does not have.
class Bindings {
public:
  explicit Bindings(const CudaKernel &kernel) {
    for (const std::string &name : kernel.bindings) {
      list.push_back({name});
    }
    buffer("partials", BindingAccess::Write, kernel.partialBytes);
    buffer("counters", BindingAccess::ReadWrite, kernel.counterBytes);
    batch("token_ids", BatchArray::TokenIds);
    batch("positions", BatchArray::Positions);
    batch("rope_positions", BatchArray::RopePositions);
    batch("block_tables", BatchArray::BlockTables);
    batch("token_count", BatchArray::TokenCount);
    batch("sequences", BatchArray::Sequences);
    batch("tile_count", BatchArray::TileCount);
    batch("tiles", BatchArray::Tiles);
    batch("output_count", BatchArray::OutputCount);
    batch("output_rows", BatchArray::OutputRows);
  }

  void buffer(const char *name, BindingAccess access, uint64_t bytes) {
    set(name, {"", BindingKind::Buffer, access, BatchArray::TokenIds,
               DType::F32, Layout::Rows, bytes});
  }
  void tensor(const char *name, uint64_t bytes, DType dtype = DType::F32,
              Layout layout = Layout::Rows) {
    set(name, {"", BindingKind::Tensor, BindingAccess::Read,
               BatchArray::TokenIds, dtype, layout, bytes});
  }
  void cache(BindingAccess access) {
    set("kv_cache", {"", BindingKind::Kv, access});
  }
  /// Fills in an array of the batch that the kernel changes.
  void changed(const char *name, BatchArray array) {
    set(name, {"", BindingKind::Batch, BindingAccess::ReadWrite, array});
  }
  /// Fills in the operands that all matmul kernels share.
  void product(MatMulOutput output, uint64_t rows, uint64_t tokens, DType dtype,
               Layout layout, uint64_t weightBytes) {
    tensor("weights", weightBytes, dtype, layout);
    buffer("y",
           output == MatMulOutput::Add || output == MatMulOutput::SiluUp
               ? BindingAccess::ReadWrite
               : BindingAccess::Write,
           kFloat * tokens * rows);
    tensor("bias", kFloat * rows * (isGlu(output) ? 2 : 1));
    tensor("row_scales", kFloat * rows * (isGlu(output) ? 2 : 1));
  }
  /// Fills in the operands with which a kernel normalises its input.
  void norm(uint64_t columns) {
    tensor("norm_weight", kFloat * columns);
    tensor("norm_bias", kFloat * columns);
  }
  /// Fills in the operands with which a kernel applies QK-norm and RoPE to
  /// heads of q and k, and the KV cache, in which it stores k and v.
  void finishedHeads(const HeadRows &heads, uint64_t tokens) {
    tensor("q_norm", kFloat * heads.pages.headDim);
    tensor("k_norm", kFloat * heads.pages.headDim);
    buffer("angles", BindingAccess::Read, kFloat * tokens * heads.ropeDim);
    cache(BindingAccess::Write);
  }

  std::vector<CudaBinding> list;

private:
  void batch(const char *name, BatchArray array) {
    set(name, {"", BindingKind::Batch, BindingAccess::Read, array});
  }
  void set(const char *name, CudaBinding value) {
    for (CudaBinding &binding : list) {
      if (binding.name == name) {
        value.name = name;
        binding = value;
      }
    }
  }
};

std::vector<CudaBinding> bindingsOf(const BeginStep &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  // The generator has checked that a row consists of whole blocks.
  bindings.tensor("table",
                  spec.vocabulary * *rowBytes(spec.dtype, spec.columns),
                  spec.dtype);
  bindings.tensor("inverse_frequency", spec.ropeDim / 2 * sizeof(double),
                  DType::F64);
  bindings.buffer("x", BindingAccess::Write,
                  kFloat * spec.tokens * spec.columns);
  bindings.buffer("angles", BindingAccess::Write,
                  kFloat * spec.tokens * spec.ropeDim);
  return bindings.list;
}

std::vector<CudaBinding> bindingsOf(const DecodeMatMul &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  const uint64_t element = spec.input == MatMulInput::Half ? 2 : kFloat;
  bindings.product(spec.output, spec.rows, spec.tokens, spec.dtype, spec.layout,
                   kernel.weightBytes);
  bindings.buffer("x", BindingAccess::Read,
                  element * spec.tokens * spec.columns);
  bindings.norm(spec.columns);
  bindings.finishedHeads(spec.heads, spec.tokens);
  return bindings.list;
}

std::vector<CudaBinding> bindingsOf(const DecodeAttention &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  bindings.buffer("q", BindingAccess::Read,
                  kFloat * spec.tokens * spec.queryStride);
  bindings.buffer("out", BindingAccess::Write,
                  kFloat * spec.tokens * spec.queryHeads * spec.pages.headDim);
  bindings.cache(BindingAccess::Read);
  return bindings.list;
}

/// The size of "scales", which has a float for each token.
uint64_t scaleBytes(uint32_t maxTokens) {
  return kFloat * roundUp(maxTokens, 8);
}

std::vector<CudaBinding> bindingsOf(const PrefillInput &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  // x may have more rows, but the kernel reads at most maxTokens of them.
  bindings.buffer("x", BindingAccess::Read,
                  kFloat * spec.maxTokens * spec.columns);
  // generateKernel() has accepted the spec, so this cannot fail.
  bindings.buffer("operands", BindingAccess::Write, *prefillOperandBytes(spec));
  bindings.buffer("scales", BindingAccess::Write, scaleBytes(spec.maxTokens));
  bindings.norm(spec.columns);
  return bindings.list;
}

std::vector<CudaBinding> bindingsOf(const PrefillMatMul &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  bindings.product(spec.output, spec.rows, spec.maxTokens, spec.dtype,
                   spec.layout, kernel.weightBytes);
  bindings.buffer("operands", BindingAccess::Read,
                  *prefillOperandBytes(prefillInputOf(spec)));
  bindings.buffer("scales", BindingAccess::Read, scaleBytes(spec.maxTokens));
  return bindings.list;
}

std::vector<CudaBinding> bindingsOf(const PrefillHeads &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  const HeadRows &heads = spec.heads;
  bindings.buffer(
      "y", BindingAccess::ReadWrite,
      kFloat * spec.maxTokens * heads.pages.headDim *
          (uint64_t{heads.queryHeads} + heads.keyHeads + heads.valueHeads));
  bindings.finishedHeads(heads, spec.maxTokens);
  return bindings.list;
}

std::vector<CudaBinding> bindingsOf(const PrefillAttention &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  // maxTiles is also the largest number of tokens, because a tile may be a
  // single token.
  bindings.buffer("q", BindingAccess::Read,
                  kFloat * spec.maxTiles * spec.queryStride);
  bindings.buffer("out", BindingAccess::Write,
                  kFloat * spec.maxTiles * spec.queryHeads *
                      spec.pages.headDim);
  bindings.cache(BindingAccess::Read);
  return bindings.list;
}

std::vector<CudaBinding> bindingsOf(const ChooseToken &spec,
                                    const CudaKernel &kernel) {
  Bindings bindings(kernel);
  bindings.buffer("logits", BindingAccess::Read,
                  kFloat * spec.tokens * spec.vocabulary);
  // The elements of padding tokens keep their values, so the arrays count as
  // read, too.
  bindings.changed("token_ids", BatchArray::TokenIds);
  bindings.changed("positions", BatchArray::Positions);
  bindings.changed("rope_positions", BatchArray::RopePositions);
  if (spec.choice == Choice::Draw) {
    bindings.changed("token_count", BatchArray::TokenCount);
  }
  return bindings.list;
}

class NvrtcCompiler : public CudaCompiler {
public:
  explicit NvrtcCompiler(Nvrtc library) : nvrtc(std::move(library)) {}

  std::string_view intrinsics() const override {
    return deviceIntrinsicsText();
  }
  std::string version() const override { return "NVRTC " + nvrtc.version(); }
  Result<std::vector<uint8_t>> compile(const std::string &text,
                                       const std::string &name,
                                       const CudaTarget &target,
                                       CodeForm form) const override {
    if (form == CodeForm::Ptx) {
      return nvrtc.compilePtx(text, name, target);
    }
    AIR_ASSIGN_OR_RETURN(CompiledKernel kernel,
                         nvrtc.compile(text, name, target));
    return std::move(kernel.cubin);
  }
  Result<std::optional<uint32_t>>
  parameters(std::span<const uint8_t> code,
             const std::string &name) const override {
    AIR_ASSIGN_OR_RETURN(const uint32_t count, countParameters(code, name));
    return std::optional(count);
  }

private:
  Nvrtc nvrtc;
};

/// Checks that machine code takes as many arguments as its kernel has bindings.
Status checkParameters(const CudaKernel &kernel, std::span<const uint8_t> code,
                       const CudaCompiler &compiler) {
  AIR_ASSIGN_OR_RETURN(const std::optional<uint32_t> count,
                       compiler.parameters(code, kernel.name));
  return count.value_or(kernel.bindings.size()) == kernel.bindings.size()
             ? Status::ok()
             : internalError("the machine code of kernel " + kernel.name +
                             " has " + std::to_string(*count) +
                             " parameters, but must have " +
                             std::to_string(kernel.bindings.size()) +
                             ", one for each binding of the kernel");
}

} // namespace

Result<CudaKernel> generateKernel(const CudaSpec &spec,
                                  const CudaTarget &target,
                                  std::string_view intrinsics) {
  struct Generate {
    const CudaTarget &target;
    std::string_view intrinsics;
    Result<CudaKernel> operator()(const BeginStep &begin) const {
      return generateBeginStep(begin, target, intrinsics);
    }
    Result<CudaKernel> operator()(const DecodeMatMul &matmul) const {
      return generateDecodeMatMul(matmul, target, intrinsics);
    }
    Result<CudaKernel> operator()(const DecodeAttention &attention) const {
      return generateDecodeAttention(attention, target, intrinsics);
    }
    Result<CudaKernel> operator()(const PrefillInput &input) const {
      return generatePrefillInput(input, target, intrinsics);
    }
    Result<CudaKernel> operator()(const PrefillMatMul &matmul) const {
      return generatePrefillMatMul(matmul, target, intrinsics);
    }
    Result<CudaKernel> operator()(const PrefillHeads &heads) const {
      return generatePrefillHeads(heads, target, intrinsics);
    }
    Result<CudaKernel> operator()(const PrefillAttention &attention) const {
      return generatePrefillAttention(attention, target, intrinsics);
    }
    Result<CudaKernel> operator()(const ChooseToken &choose) const {
      return generateChooseToken(choose, target, intrinsics);
    }
  };
  return std::visit(Generate{target, intrinsics}, spec);
}

std::vector<CudaBinding> cudaBindings(const CudaSpec &spec,
                                      const CudaKernel &kernel) {
  return std::visit([&](const auto &kind) { return bindingsOf(kind, kernel); },
                    spec);
}

bool computesOutputs(const CudaSpec &spec) {
  const auto *input = std::get_if<PrefillInput>(&spec);
  const auto *matmul = std::get_if<PrefillMatMul>(&spec);
  return (input != nullptr && input->outputs) ||
         (matmul != nullptr && matmul->outputs);
}

bool hasDependentLaunch(const CudaSpec &spec) {
  return std::visit([](const auto &kind) { return kind.dependentLaunch; },
                    spec);
}

uint64_t flopsPerToken(const CudaSpec &spec) {
  const auto flops = [](const auto &matmul) {
    return uint64_t{2} * matmul.rows * matmul.columns *
           (isGlu(matmul.output) ? 2 : 1);
  };
  if (const auto *matmul = std::get_if<DecodeMatMul>(&spec)) {
    return flops(*matmul);
  }
  const auto *matmul = std::get_if<PrefillMatMul>(&spec);
  return matmul == nullptr ? 0 : flops(*matmul);
}

uint64_t weightBytesRead(const CudaSpec &spec, const CudaKernel &kernel) {
  const auto *begin = std::get_if<BeginStep>(&spec);
  return begin == nullptr ? kernel.weightBytes
                          : *rowBytes(begin->dtype, begin->columns);
}

Result<std::shared_ptr<const CudaCompiler>> openNvrtcCompiler() {
  Result<Nvrtc> nvrtc = Nvrtc::open("");
  if (!nvrtc) {
    return unsupportedError(
        "kernels of NVIDIA GPUs are compiled with NVRTC, which this machine "
        "lacks: " +
        nvrtc.status().message());
  }
  return std::shared_ptr<const CudaCompiler>(
      std::make_shared<NvrtcCompiler>(*std::move(nvrtc)));
}

Result<std::vector<std::vector<uint8_t>>>
compileKernels(const std::vector<CudaKernel> &kernels, const CudaTarget &target,
               CodeForm form, const CudaCompiler &compiler, unsigned threads) {
  std::map<std::string_view, size_t> firstOf; ///< first kernel with each text
  std::vector<size_t> distinct;
  for (size_t i = 0; i < kernels.size(); ++i) {
    if (firstOf.emplace(kernels[i].text, i).second) {
      distinct.push_back(i);
    }
  }
  std::vector<std::vector<uint8_t>> codes(kernels.size());
  std::vector<Status> made(kernels.size());
  std::atomic<size_t> next = 0;
  const auto drain = [&] {
    for (size_t at = next++; at < distinct.size(); at = next++) {
      const size_t i = distinct[at];
      Result<std::vector<uint8_t>> code =
          compiler.compile(kernels[i].text, kernels[i].name, target, form);
      if (!code) {
        made[i] = code.status().withContext("kernel " + kernels[i].name);
      } else if (form == CodeForm::Cubin) {
        made[i] = checkParameters(kernels[i], *code, compiler);
      }
      if (made[i].isOk()) {
        codes[i] = *std::move(code);
      }
    }
  };
  {
    std::vector<Thread> helpers;
    for (unsigned i = 1; i < threads && i < distinct.size(); ++i) {
      // If the system refuses a thread, compiling only takes longer.
      if (Result<Thread> helper = Thread::start(drain)) {
        helpers.push_back(*std::move(helper));
      }
    }
    drain();
  }
  for (size_t i = 0; i < kernels.size(); ++i) {
    AIR_RETURN_IF_ERROR(made[i]);
    codes[i] = codes[firstOf[kernels[i].text]];
  }
  return codes;
}

} // namespace air::codegen::cuda
