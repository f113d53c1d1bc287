//===- KernelRun.h - launches CUDA kernels on the emulator ------*- C++ -*-===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_KERNELRUN_H
#define AIRPACK_TEST_CODEGEN_CUDA_KERNELRUN_H

#include "codegen/cuda/DecodeMatMul.h"
#include "test/codegen/cuda/emulator/Emulator.h"

#include <cstring>
#include <map>
#include <span>

namespace air::emulator {

/// The bytes of the buffers that a kernel's bindings address, by the names of
/// the bindings. "partials" and "counters" need no entries, because launch()
/// allocates the memory for these bindings.
using Buffers = std::map<std::string, std::vector<uint8_t>>;

template <typename T>
std::vector<uint8_t> bytesOf(const std::vector<T> &values) {
  const auto *first = reinterpret_cast<const uint8_t *>(values.data());
  return {first, first + values.size() * sizeof(T)};
}

template <typename T>
std::vector<T> valuesOf(const std::vector<uint8_t> &bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  }
  return values;
}

inline std::vector<uint8_t> unwrittenFloats(uint64_t count) {
  return std::vector<uint8_t>(count * 4, 0xff);
}

/// The memory that a kernel's bindings address, by name.
using Views = std::map<std::string, std::span<uint8_t>>;

/// Runs a kernel on `views`, which it changes, and looks for data races if
/// `findRaces` is true. If `dependent` names a buffer, its bytes are NaN until
/// the kernel waits for the previous kernel. If `reversed` is true, threads and
/// blocks run in the opposite order. Fails if the kernel or a buffer is
/// missing, if the emulator finds an error, or if a counter is not 0 at the
/// end.
Status launch(const Library &library, const codegen::cuda::CudaKernel &kernel,
              const Views &views, const std::string &dependent = "",
              bool reversed = false, bool findRaces = false);

/// Runs a kernel twice on equal buffers, with threads and blocks in opposite
/// orders. Fails if the results differ. Some of the launches are searched for
/// races (shouldFindRaces).
Status launchBothWays(const Library &library,
                      const codegen::cuda::CudaKernel &kernel, Buffers &buffers,
                      const std::string &dependent = "");

} // namespace air::emulator

#endif // AIRPACK_TEST_CODEGEN_CUDA_KERNELRUN_H
