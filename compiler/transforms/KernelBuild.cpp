//===- KernelBuild.cpp - kernels that compile while the plan is written ---===//
#include "compiler/transforms/KernelBuild.h"

#include "codegen/cuda/CachingCompiler.h"
#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <sys/resource.h>
#include <utility>

namespace air::compiler {

Result<codegen::KernelArtifact>
KernelBuild::compileOrFind(const CpuKernels &list, unsigned threads) const {
  const std::string text =
      "cpu\n" + codegen::codegenFingerprint() + '\n' + list.text;
  if (cache) {
    if (std::optional<std::vector<uint8_t>> object = cache->find(text)) {
      codegen::KernelArtifact found;
      found.object = *std::move(object);
      AIR_ASSIGN_OR_RETURN(found.entries,
                           codegen::describeKernels(list.specs, list.profile));
      return found;
    }
  }
  AIR_ASSIGN_OR_RETURN(
      codegen::KernelArtifact compiled,
      codegen::compileKernels(list.specs, list.profile, threads));
  if (cache) {
    cache->store(text, compiled.object);
  }
  return compiled;
}

void KernelBuild::compile(const CpuKernels &list, unsigned threads) {
  Result<codegen::KernelArtifact> compiled = compileOrFind(list, threads);
  if (compiled) {
    artifact = *std::move(compiled);
  } else {
    status = compiled.status();
  }
  end = monotonicSeconds();
  done = true;
}

void KernelBuild::start(CpuKernels list, unsigned threads) {
  reservedBytes = reservationFor(list.specs.size());
  done = false;
  if (isBackground) {
    Result<Thread> started = Thread::start([this, list, threads] {
      // Kernels are compiled with a lower priority than the threads that pack
      // and write the weights, because the disk would idle while these threads
      // wait for a CPU. On Linux, setpriority() changes the priority of the
      // calling thread, and the threads that it starts inherit it. If
      // setpriority() fails, the build only takes longer.
      constexpr int kNice = 10;
      (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + kNice);
      compile(list, threads);
    });
    if (started) {
      thread = *std::move(started);
      return;
    }
  }
  compile(list, threads);
  if (!isBackground) {
    reservedBytes = std::max<uint64_t>(reservedBytes, artifact.object.size());
  }
}

Status
KernelBuild::compileCuda(const std::vector<codegen::cuda::CudaSpec> &specs,
                         const codegen::cuda::CudaTarget &target,
                         unsigned threads) {
  using codegen::cuda::CodeForm;
  if (!cuda) {
    AIR_ASSIGN_OR_RETURN(cuda, codegen::cuda::openNvrtcCompiler());
    if (cache) {
      cuda = codegen::cuda::withCache(std::move(cuda), cache);
    }
    cuda = codegen::cuda::withMemory(std::move(cuda));
  }
  version = cuda->version();
  for (const codegen::cuda::CudaSpec &spec : specs) {
    AIR_ASSIGN_OR_RETURN(
        codegen::cuda::CudaKernel kernel,
        codegen::cuda::generateKernel(spec, target, cuda->intrinsics()));
    kernels.push_back(std::move(kernel));
  }
  codes.resize(kernels.size());
  if (!target.needsPtx) {
    AIR_ASSIGN_OR_RETURN(codes, codegen::cuda::compileKernels(kernels, target,
                                                              CodeForm::Cubin,
                                                              *cuda, threads));
  }
  for (const std::vector<uint8_t> &code : codes) {
    cubinBytes.push_back(code.size());
  }
  if (wantsPtx || target.needsPtx) {
    ptxName = codegen::cuda::ptxArch(target);
    AIR_ASSIGN_OR_RETURN(const std::vector<std::vector<uint8_t>> texts,
                         codegen::cuda::compileKernels(
                             kernels, target, CodeForm::Ptx, *cuda, threads));
    for (size_t i = 0; i < codes.size(); ++i) {
      codes[i].insert(codes[i].end(), texts[i].begin(), texts[i].end());
    }
  }
  cudaEnd = monotonicSeconds();
  return Status::ok();
}

std::vector<KernelBuild::CudaCode> KernelBuild::cudaCodes() const {
  std::vector<CudaCode> list;
  for (size_t i = 0; i < codes.size(); ++i) {
    const std::span<const uint8_t> code = codes[i];
    list.push_back({code.first(cubinBytes[i]), code.subspan(cubinBytes[i])});
  }
  return list;
}

Result<std::vector<std::span<const uint8_t>>> KernelBuild::images() {
  AIR_ASSIGN_OR_RETURN(const codegen::KernelArtifact *compiled, wait());
  std::vector<std::span<const uint8_t>> list;
  if (codes.empty() || reservedBytes != 0) {
    list.emplace_back(compiled->object);
  }
  list.insert(list.end(), codes.begin(), codes.end());
  return list;
}

Result<const codegen::KernelArtifact *> KernelBuild::wait() {
  thread.join();
  AIR_RETURN_IF_ERROR(status);
  return &std::as_const(artifact);
}

} // namespace air::compiler
