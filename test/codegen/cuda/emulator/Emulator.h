//===- Emulator.h - CUDA kernels on the host, for tests ---------*- C++ -*-===//
//
// The text of a kernel, with HostIntrinsics.h in front, compiled by the host's
// compiler. The threads of a block are fibers of one host thread; blocks run
// one after another. Stricter than a GPU:
//   - shared memory begins as NaN;
//   - a collective of a warp, or a barrier, that not all threads reach ends the
//     launch with an error;
//   - the target of an asynchronous copy is destroyed when the copy is issued,
//     and its bytes arrive only when somebody waits for them;
//   - bindings that an earlier kernel writes hold NaN until a thread has waited
//     for it, where the launch depends on one;
//   - threads run in one order or its reverse: results must be the same.
// Products of tensor cores are rounded once from double precision.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_EMULATOR_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_EMULATOR_H

#include "formats/support/Status.h"

#include <span>
#include <string>
#include <vector>

namespace air::emulator {

/// The text of HostIntrinsics.h.
Result<std::string> hostIntrinsicsText();

/// Kernels as the bytes of one shared object of the host.
Result<std::vector<uint8_t>>
compileObject(const std::vector<std::string> &texts);

/// Kernels in one shared object. Texts stand alone, each with its own types;
/// kernel names differ. Unsupported where there is no host compiler.
class Library {
public:
  static Result<Library> compile(const std::vector<std::string> &texts);
  ~Library();
  Library(Library &&other) noexcept;
  Library &operator=(Library &&) = delete;

  /// Null when there is no such kernel.
  void *find(const std::string &name) const;

private:
  Library() = default;
  void *handle = nullptr;
};

struct EmulatedLaunch {
  void *function = nullptr;
  uint32_t gridX = 1;
  uint32_t gridY = 1;
  uint32_t threads = 32;
  uint32_t sharedBytes = 0;
  bool reversed = false;        ///< order of threads and blocks
  std::vector<void *> bindings; ///< up to 5
  /// What an earlier kernel writes: NaN until the wait. Empty for launches that
  /// depend on none.
  std::span<uint8_t> dependent;
};

/// VerificationFailed with what went wrong.
Status run(const EmulatedLaunch &launch);

} // namespace air::emulator

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_EMULATOR_H
