//===- CachingCompiler.cpp - code that is not compiled twice --------------===//
#include "codegen/cuda/CachingCompiler.h"

#include <map>
#include <mutex>
#include <utility>

namespace air::codegen::cuda {
namespace {

/// Passes all calls except compile() on to another compiler. Derived classes
/// implement compile(), and keep the code that the other compiler returns.
class KeepingCompiler : public CudaCompiler {
public:
  explicit KeepingCompiler(std::shared_ptr<const CudaCompiler> compiler)
      : inner(std::move(compiler)) {}

  std::string_view intrinsics() const override { return inner->intrinsics(); }
  std::string version() const override { return inner->version(); }
  Result<std::optional<uint32_t>>
  parameters(std::span<const uint8_t> code,
             const std::string &name) const override {
    return inner->parameters(code, name);
  }

protected:
  std::shared_ptr<const CudaCompiler> inner;
};

/// Keeps code in memory.
class RememberingCompiler : public KeepingCompiler {
public:
  using KeepingCompiler::KeepingCompiler;

  Result<std::vector<uint8_t>> compile(const std::string &text,
                                       const std::string &name,
                                       const CudaTarget &target,
                                       CodeForm form) const override {
    const std::pair key(form == CodeForm::Ptx ? ptxArch(target)
                                              : std::string(target.name),
                        text);
    {
      const std::scoped_lock lock(mutex);
      if (const auto found = codes.find(key); found != codes.end()) {
        return found->second;
      }
    }
    AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> code,
                         inner->compile(text, name, target, form));
    const std::scoped_lock lock(mutex);
    codes[key] = code;
    return code;
  }

private:
  mutable std::mutex mutex;
  mutable std::map<std::pair<std::string, std::string>, std::vector<uint8_t>>
      codes;
};

/// Keeps code on disk.
class CachingCompiler : public KeepingCompiler {
public:
  CachingCompiler(std::shared_ptr<const CudaCompiler> compiler,
                  std::shared_ptr<const KernelCache> kernels)
      : KeepingCompiler(std::move(compiler)), cache(std::move(kernels)) {}

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

private:
  std::shared_ptr<const KernelCache> cache;
};

} // namespace

std::shared_ptr<const CudaCompiler>
withMemory(std::shared_ptr<const CudaCompiler> compiler) {
  return std::make_shared<RememberingCompiler>(std::move(compiler));
}

std::shared_ptr<const CudaCompiler>
withCache(std::shared_ptr<const CudaCompiler> compiler,
          std::shared_ptr<const KernelCache> cache) {
  return std::make_shared<CachingCompiler>(std::move(compiler),
                                           std::move(cache));
}

} // namespace air::codegen::cuda
