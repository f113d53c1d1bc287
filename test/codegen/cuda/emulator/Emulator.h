//===- Emulator.h - CUDA kernels on the host, for tests ---------*- C++ -*-===//
//
// The source of a kernel, preceded by HostIntrinsics.h, is compiled by the
// host's compiler. The threads of a block are fibers of one host thread, and
// blocks run one after another. The emulator is stricter than a GPU:
//   - shared memory starts as NaN;
//   - a warp collective or a barrier that not all threads reach ends the launch
//     with an error;
//   - the target of an asynchronous copy is overwritten when the copy is
//     issued, and its bytes arrive only when a thread waits for them;
//   - while wgmma are in flight, their accumulator holds NaN, and they read
//     shared memory when their warpgroup waits for them;
//   - in a launch that depends on an earlier kernel, the bytes that the earlier
//     kernel writes hold NaN until a thread has waited for that kernel;
//   - threads and blocks run in one order or its reverse, and the tests require
//     the same results;
//   - a launch with `findRaces` ends with an error at the first data race
//     (Races.h).
// The results of an mma or wgmma are computed in double precision and rounded
// once.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_EMULATOR_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_EMULATOR_H

#include "formats/support/Status.h"

#include <span>
#include <string>
#include <vector>

namespace air::emulator {

Result<std::string> hostIntrinsicsText();

/// Compiles kernels into one shared object for the host, and returns its bytes.
/// For every kernel whose source defines KERNEL_NAME as its name, the object
/// also has a symbol air_parameters_NAME: the number of its parameters, as
/// unsigned.
Result<std::vector<uint8_t>>
compileObject(const std::vector<std::string> &texts);

/// The kernels of one loaded shared object. The sources of different kernels
/// may define types of the same name, but the kernels' names must differ.
/// compile() returns a VerificationFailed error if the host's compiler does not
/// accept the sources, or if the object cannot be loaded.
class Library {
public:
  static Result<Library> compile(const std::vector<std::string> &texts);
  ~Library();
  Library(Library &&other) noexcept;
  Library &operator=(Library &&) = delete;

  /// Returns null if there is no kernel of this name.
  void *find(const std::string &name) const;

private:
  Library() = default;
  void *handle = nullptr;
};

inline constexpr size_t kMaxBindings = 14;

struct EmulatedLaunch {
  void *function = nullptr;
  uint32_t gridX = 1;
  uint32_t gridY = 1;
  uint32_t threads = 32;
  uint32_t sharedBytes = 0;
  bool reversed = false;        ///< reverse the order of threads and blocks
  std::vector<void *> bindings; ///< at most kMaxBindings
  /// The bytes that an earlier kernel writes, or empty if there is no such
  /// kernel. They hold NaN until a thread waits for that kernel.
  std::vector<std::span<uint8_t>> dependent;
  bool findRaces = false; ///< takes several times as long
  /// The names of the bindings, for messages about races; may be empty.
  std::vector<std::string> names;
};

/// Whether a test should look for races in its launch number `index`: in each
/// launch if AIR_TEST_ALL is set, and otherwise in the first of every seven.
bool shouldFindRaces(uint64_t index);

/// Runs a kernel. A VerificationFailed error names the block, the thread and
/// what went wrong.
Status run(const EmulatedLaunch &launch);

} // namespace air::emulator

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_EMULATOR_H
