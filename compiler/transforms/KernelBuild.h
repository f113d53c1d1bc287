//===- KernelBuild.h - kernels that compile while the plan is written -----===//
//
// The pass compile-kernels starts a KernelBuild. The passes after it need the
// size of the kernels, because weights can only stay in the RAM that the
// kernels leave. So that these passes need not wait for the compiler, the
// plan's budgets reserve a number of bytes for each kernel. The number does not
// depend on the compiled code, so the plan does not depend on when the kernels
// are compiled.
//
// Ownership: the destructor waits until nothing is being compiled.
// Thread-safety: one thread. Errors: those of codegen::compileKernels().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_KERNELBUILD_H
#define AIRPACK_COMPILER_TRANSFORMS_KERNELBUILD_H

#include "codegen/KernelSpec.h"
#include "formats/machine/MachineProfile.h"
#include "formats/support/Thread.h"

#include <atomic>
#include <vector>

namespace air::compiler {

class KernelBuild {
public:
  /// The default number of bytes that the plan reserves for each kernel.
  /// Kernels for x86-64 take 2.4 to 17 KiB each. If those of a plan need more
  /// than what is reserved, the plan is made again with their real size.
  static constexpr uint64_t kReservedBytes = uint64_t{32} << 10;

  /// If `background` is true, start() returns before the kernels are compiled.
  explicit KernelBuild(bool background, uint64_t reservedEach = kReservedBytes)
      : isBackground(background), bytesEach(reservedEach) {}
  ~KernelBuild() { thread.join(); }
  KernelBuild(const KernelBuild &) = delete;
  KernelBuild &operator=(const KernelBuild &) = delete;

  /// Compiles `specs`, of which no two are equal. If no thread can be started,
  /// start() compiles them itself. May be called once.
  void start(std::vector<codegen::KernelSpec> specs,
             const MachineProfile &profile, unsigned threads);

  /// The number of bytes that start() will reserve for `count` kernels, unless
  /// it compiles them itself and they turn out to be larger.
  uint64_t reservationFor(size_t count) const { return count * bytesEach; }

  /// The number of bytes that are reserved for the kernels: their number times
  /// the bytes for each. Without a background thread, it is their actual size
  /// once they are compiled, if that is larger.
  uint64_t reserved() const { return reservedBytes; }

  /// Whether the kernels have been compiled, or have failed to.
  bool isDone() const { return done; }

  /// Waits until the kernels have been compiled. If there are none, returns an
  /// artifact without entries.
  Result<const codegen::KernelArtifact *> wait();

  /// The time in seconds at which the build ended, on the clock of
  /// monotonicSeconds(). wait() must have been called.
  double endSeconds() const { return end; }

private:
  void compile(const std::vector<codegen::KernelSpec> &specs,
               const MachineProfile &profile, unsigned threads);

  bool isBackground;
  uint64_t bytesEach;
  uint64_t reservedBytes = 0;
  // The thread writes the members below, and sets `done` last.
  Status status;
  codegen::KernelArtifact artifact;
  double end = 0;
  std::atomic<bool> done = true;
  Thread thread;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_KERNELBUILD_H
