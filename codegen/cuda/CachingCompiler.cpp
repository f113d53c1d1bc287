//===- CachingCompiler.cpp - kernels of a GPU from the cache --------------===//
#include "codegen/cuda/CachingCompiler.h"

#include <utility>

namespace air::codegen::cuda {
namespace {

class CachingCompiler : public CudaCompiler {
public:
  CachingCompiler(std::shared_ptr<const CudaCompiler> compiler,
                  std::shared_ptr<const KernelCache> kernels)
      : inner(std::move(compiler)), cache(std::move(kernels)) {}

  std::string_view intrinsics() const override { return inner->intrinsics(); }
  std::string version() const override { return inner->version(); }

  Result<std::vector<uint8_t>> compile(const std::string &text,
                                       const std::string &name,
                                       const CudaTarget &target,
                                       CodeForm form) const override {
    const bool isPtx = form == CodeForm::Ptx;
    const std::string input = (isPtx ? "ptx " + ptxArch(target)
                                     : "cubin " + std::string(target.name)) +
                              '\n' + version() + '\n' + name + '\n' + text;
    if (std::optional<std::vector<uint8_t>> code = cache->find(input)) {
      return *std::move(code);
    }
    AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> code,
                         inner->compile(text, name, target, form));
    cache->store(input, code);
    return code;
  }

  Result<std::optional<uint32_t>>
  parameters(std::span<const uint8_t> code,
             const std::string &name) const override {
    return inner->parameters(code, name);
  }

private:
  std::shared_ptr<const CudaCompiler> inner;
  std::shared_ptr<const KernelCache> cache;
};

} // namespace

std::shared_ptr<const CudaCompiler>
withCache(std::shared_ptr<const CudaCompiler> compiler,
          std::shared_ptr<const KernelCache> cache) {
  return std::make_shared<CachingCompiler>(std::move(compiler),
                                           std::move(cache));
}

} // namespace air::codegen::cuda
