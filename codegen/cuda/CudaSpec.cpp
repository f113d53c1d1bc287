//===- CudaSpec.cpp - operands and compilation of CUDA kernels ------------===//
#include "codegen/cuda/CudaSpec.h"

#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Nvrtc.h"
#include "formats/support/Thread.h"

#include <algorithm>
#include <atomic>
#include <map>

namespace air::codegen::cuda {
namespace {

constexpr uint64_t kFloat = sizeof(float);

bool isGlu(const DecodeMatMul &spec) {
  return spec.output == MatMulOutput::SiluGlu ||
         spec.output == MatMulOutput::GeluGlu;
}

/// Fills in the kinds and sizes of the operands whose names mean the same in
/// all kernels.
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
  }

  void buffer(const char *name, BindingAccess access, uint64_t bytes) {
    set(name, {"", BindingKind::Buffer, access, BatchArray::TokenIds,
               DType::F32, bytes});
  }
  void tensor(const char *name, uint64_t bytes, DType dtype = DType::F32) {
    set(name, {"", BindingKind::Tensor, BindingAccess::Read,
               BatchArray::TokenIds, dtype, bytes});
  }
  void cache(BindingAccess access) {
    set("kv_cache", {"", BindingKind::Kv, access});
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
  // The generator has checked that the columns are whole blocks.
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
  bindings.tensor("weights", kernel.weightBytes, spec.dtype);
  bindings.buffer("x", BindingAccess::Read,
                  element * spec.tokens * spec.columns);
  bindings.buffer("y",
                  spec.output == MatMulOutput::Add ? BindingAccess::ReadWrite
                                                   : BindingAccess::Write,
                  kFloat * spec.tokens * spec.rows);
  bindings.tensor("norm_weight", kFloat * spec.columns);
  bindings.tensor("norm_bias", kFloat * spec.columns);
  bindings.tensor("bias", kFloat * spec.rows * (isGlu(spec) ? 2 : 1));
  bindings.tensor("q_norm", kFloat * spec.heads.pages.headDim);
  bindings.tensor("k_norm", kFloat * spec.heads.pages.headDim);
  bindings.buffer("angles", BindingAccess::Read,
                  kFloat * spec.tokens * spec.heads.ropeDim);
  bindings.cache(BindingAccess::Write);
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

class NvrtcCompiler : public CudaCompiler {
public:
  explicit NvrtcCompiler(Nvrtc library) : nvrtc(std::move(library)) {}

  std::string_view intrinsics() const override {
    return deviceIntrinsicsText();
  }
  std::string version() const override { return "NVRTC " + nvrtc.version(); }
  Result<std::vector<uint8_t>>
  compile(const std::string &text, const std::string &name,
          const CudaTarget &target) const override {
    AIR_ASSIGN_OR_RETURN(CompiledKernel kernel,
                         nvrtc.compile(text, name, target));
    return std::move(kernel.cubin);
  }

private:
  Nvrtc nvrtc;
};

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
  };
  return std::visit(Generate{target, intrinsics}, spec);
}

std::vector<CudaBinding> cudaBindings(const CudaSpec &spec,
                                      const CudaKernel &kernel) {
  return std::visit([&](const auto &kind) { return bindingsOf(kind, kernel); },
                    spec);
}

bool hasDependentLaunch(const CudaSpec &spec) {
  return std::visit([](const auto &kind) { return kind.dependentLaunch; },
                    spec);
}

uint64_t flopsPerToken(const CudaSpec &spec) {
  const auto *matmul = std::get_if<DecodeMatMul>(&spec);
  return matmul == nullptr ? 0
                           : uint64_t{2} * matmul->rows * matmul->columns *
                                 (isGlu(*matmul) ? 2 : 1);
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
               const CudaCompiler &compiler, unsigned threads) {
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
          compiler.compile(kernels[i].text, kernels[i].name, target);
      if (code) {
        codes[i] = *std::move(code);
      } else {
        made[i] = code.status().withContext("kernel " + kernels[i].name);
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
