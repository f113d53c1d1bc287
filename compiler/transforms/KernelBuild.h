//===- KernelBuild.h - kernels that compile while the plan is written -----===//
//
// The pass compile-kernels starts a KernelBuild. Later passes need the size of
// the kernels, because weights can only stay in the RAM that the kernels leave
// free. So that these passes need not wait for the compiler, the plan's budgets
// reserve a number of bytes for each kernel of the CPU. The number does not
// depend on the compiled code, so the plan does not depend on when the kernels
// are compiled.
//
// Kernels of a GPU are never compiled in the background, so later passes know
// the sizes of their compiled code. GpuDemand.h states how many bytes the VRAM
// budget reserves for them.
//
// Ownership: the destructor waits until nothing is being compiled.
// Thread-safety: only one thread may use a KernelBuild. Errors: those of
// codegen::compileKernels().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_KERNELBUILD_H
#define AIRPACK_COMPILER_TRANSFORMS_KERNELBUILD_H

#include "codegen/KernelCache.h"
#include "codegen/KernelSpec.h"
#include "codegen/cuda/CudaSpec.h"
#include "formats/machine/MachineProfile.h"
#include "formats/support/Thread.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace air::compiler {

class KernelBuild {
public:
  /// The default number of bytes that the plan reserves for each kernel.
  /// Kernels for x86-64 take 2.4 to 17 KiB each. If the kernels of a plan need
  /// more than is reserved, the plan is made again with their real size.
  static constexpr uint64_t kReservedBytes = uint64_t{32} << 10;

  /// If `background` is true, start() returns before the kernels are compiled.
  /// `cudaCompiler` compiles kernels of a GPU; null means NVRTC. If `withPtx`
  /// is true, they are also compiled to PTX. `kernelCache` keeps compiled
  /// kernels; null means that all kernels are compiled.
  explicit KernelBuild(
      bool background, uint64_t reservedEach = kReservedBytes,
      std::shared_ptr<const codegen::cuda::CudaCompiler> cudaCompiler = nullptr,
      bool withPtx = false,
      std::shared_ptr<const codegen::KernelCache> kernelCache = nullptr)
      : isBackground(background), bytesEach(reservedEach),
        cuda(std::move(cudaCompiler)), wantsPtx(withPtx),
        cache(std::move(kernelCache)) {}
  ~KernelBuild() { thread.join(); }
  KernelBuild(const KernelBuild &) = delete;
  KernelBuild &operator=(const KernelBuild &) = delete;

  /// Kernels of the CPU.
  struct CpuKernels {
    std::vector<codegen::KernelSpec> specs; ///< all different
    MachineProfile profile;                 ///< the machine that runs them
    /// A text that identifies `specs` and `profile`. The cache finds the code
    /// of the kernels by this text.
    std::string text;
  };

  /// Compiles the kernels of `list` on up to `threads` threads. If the
  /// constructor got `background` and a thread can be started for it, start()
  /// returns at once; otherwise, it returns when the compilation has ended.
  /// wait() returns the errors. May be called only once.
  void start(CpuKernels list, unsigned threads);

  /// Generates and compiles the kernels of a GPU: to machine code and, if the
  /// constructor got `withPtx`, to PTX; if the target needs PTX, only to PTX.
  /// May be called only once. If the plan also has kernels of the CPU, the
  /// caller also calls start(). Errors are those of generateKernel(),
  /// compileKernels() and openNvrtcCompiler() (codegen/cuda/CudaSpec.h).
  Status compileCuda(const std::vector<codegen::cuda::CudaSpec> &specs,
                     const codegen::cuda::CudaTarget &target, unsigned threads);

  /// The code of a kernel of a GPU. One of the members may be empty.
  struct CudaCode {
    std::span<const uint8_t> cubin;
    std::span<const uint8_t> ptx;
  };
  /// The code that compileCuda() has compiled: one element for each of its
  /// `specs`, in the same order.
  std::vector<CudaCode> cudaCodes() const;

  /// The name of the architecture of the PTX; "" if there is none.
  const std::string &ptxArch() const { return ptxName; }

  /// The name and version of the compiler that compileCuda() has used; "" if
  /// compileCuda() has not been called.
  const std::string &cudaVersion() const { return version; }

  /// The compiler that compileCuda() has used or, if compileCuda() has not been
  /// called, the one given to the constructor.
  const std::shared_ptr<const codegen::cuda::CudaCompiler> &
  cudaCompiler() const {
    return cuda;
  }

  /// The kernels that compileCuda() has compiled, in the order of cudaCodes().
  const std::vector<codegen::cuda::CudaKernel> &cudaKernels() const {
    return kernels;
  }

  /// The number of bytes that start() reserves for `count` kernels before it
  /// knows their size.
  uint64_t reservationFor(size_t count) const { return count * bytesEach; }

  /// The number of bytes that start() has reserved for its kernels. If the
  /// constructor got `background`, it is reservationFor(the number of kernels);
  /// otherwise, it is the larger of that reservation and their actual size.
  uint64_t reserved() const { return reservedBytes; }

  /// Whether the compilation of the kernels has ended, with success or an
  /// error.
  bool isDone() const { return done; }

  /// Waits until the kernels have been compiled. If there are no kernels,
  /// returns an artifact without entries.
  Result<const codegen::KernelArtifact *> wait();

  /// Waits as wait() does, and returns the content of each segment of kernels:
  /// first that of the CPU's kernels, if there are any, and then those of a GPU
  /// in the order in which they were given.
  Result<std::vector<std::span<const uint8_t>>> images();

  /// The time in seconds at which the last kernel was compiled, on the clock of
  /// monotonicSeconds(). wait() must have been called.
  double endSeconds() const { return std::max(end, cudaEnd); }

private:
  void compile(const CpuKernels &list, unsigned threads);
  Result<codegen::KernelArtifact> compileOrFind(const CpuKernels &list,
                                                unsigned threads) const;

  bool isBackground;
  uint64_t bytesEach;
  uint64_t reservedBytes = 0;
  std::shared_ptr<const codegen::cuda::CudaCompiler> cuda;
  bool wantsPtx;
  std::shared_ptr<const codegen::KernelCache> cache;
  std::string version;
  std::vector<codegen::cuda::CudaKernel> kernels;
  /// The contents of each kernel's segment: machine code, PTX, or both in this
  /// order.
  std::vector<std::vector<uint8_t>> codes;
  std::vector<uint64_t> cubinBytes; ///< size of the machine code in `codes`
  std::string ptxName;
  double cudaEnd = 0; ///< when compileCuda() ended
  // compile() writes the members from `status` to `done`, perhaps in the
  // background thread, and sets `done` last.
  Status status;
  codegen::KernelArtifact artifact;
  double end = 0;
  std::atomic<bool> done = true;
  Thread thread;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_KERNELBUILD_H
