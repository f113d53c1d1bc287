//===- FakeDriver.h - a libcuda.so.1 that uses the emulator -----*- C++ -*-===//
//
// A shared object with the driver's name and the functions that CudaDriver.h
// calls. When it is linked into a test, opening "libcuda.so.1" finds it; other
// programs find it through LD_LIBRARY_PATH. A module's bytes come from
// emulator::compileObject(), or are fakePtx() of such bytes. A test that links
// this library does not link AirEmulator, which this library contains.
//
// The fake driver is stricter than a real one:
//   - unless FakeCuda::copiesEarly is set, work on a stream is done only in a
//     call that waits for it. A copy from pinned memory, for example, reads its
//     source only during that call. If work on one stream needs the results of
//     another stream, but does not wait for an event of that stream, it may be
//     done before the results exist;
//   - new memory is filled with 0xff;
//   - the bytes around an allocation must not change, and every device address
//     of a copy, and every argument of a kernel that is not null, must lie in
//     an allocation;
//   - unknown handles, calls without a current context, launches with more
//     shared memory than was allowed, and launch attributes that the driver's
//     version does not support in graphs are errors;
//   - the order of threads is reversed from one kernel to the next;
//   - a dependent kernel of a graph sees NaN where the previous kernel wrote,
//     until it has waited for that kernel.
//
// If the environment variable AIR_FAKE_CUDA_LAUNCHES names a file, the number
// of kernels that a program has run is written to it when the program closes
// the GPU.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H

#include <cstdint>
#include <string>
#include <vector>

/// What the fake machine is like, and what goes wrong on it. Tests may change
/// every field at any time.
struct FakeCuda {
  int driverVersion = 13000;      ///< 1000 * major + 10 * minor, of CUDA
  int gpus = 1;                   ///< all alike, called "emulated GPU", unless:
  const char *lastName = nullptr; ///< the name of the last GPU
  int moreMultiprocessors = 0; ///< that each GPU has more than the one before
  int capability = 90;         ///< compute capability: 10 * major + minor
  /// The bytes of device memory that can still be allocated.
  uint64_t freeBytes = uint64_t{64} << 20;
  /// Whether streams that run no kernels do their work as early as events
  /// allow. Otherwise they do it as late as possible.
  bool copiesEarly = false;
  int failingAllocation = 0; ///< the n-th cuMemAlloc() from now fails; 0: none
  int failingKernel = 0;     ///< the n-th kernel from now fails; 0: none
  int kernelResult = 719;    ///< the CUresult of the kernel that fails
  int initResult = 0;        ///< if not 0, cuInit() returns it
  int moduleResult = 0;      ///< if not 0, loading a module returns it
  int cubinResult = 0;       ///< like moduleResult, but not for PTX
  int ptxModules = 0;        ///< how many modules were loaded from PTX
  /// Whether the driver reports how many parameters a kernel has.
  bool tellsParameters = true;
  /// If this is n > 0, the n-th call from now of a function that needs a
  /// context returns `callResult`, in most cases without doing anything. If
  /// `callResult` is 1, calls of cuFuncGetParamInfo() are not counted. Results
  /// from 700 to 799 make the GPU unusable.
  int failingCall = 0;
  int callResult = 1;
  /// Counts the allocations of device memory and of pinned memory.
  uint64_t allocations = 0;
  /// Count the bytes of all copies to the host, and from it.
  uint64_t bytesToHost = 0;
  uint64_t bytesFromHost = 0;
};

/// Returns a text that the fake driver accepts in place of PTX: a line with a
/// comment, then the bytes of a module in hexadecimal, then a zero byte.
inline std::vector<uint8_t> fakePtx(const std::vector<uint8_t> &module) {
  std::string text = "// PTX of the emulator\n";
  for (const uint8_t byte : module) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return {text.c_str(), text.c_str() + text.size() + 1};
}

extern "C" {
extern FakeCuda fakeCuda;
/// The number of allocations, modules, streams, graphs and events that were not
/// freed, plus how often the context is still retained.
int64_t fakeCudaLiveObjects();
/// Frees everything, as the end of a process does.
void fakeCudaReset();
}

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H
