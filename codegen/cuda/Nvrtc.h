//===- Nvrtc.h - NVIDIA's run-time compiler, opened at run time -*- C++ -*-===//
//
// Nothing links against NVRTC: the library is opened where the caller says, by
// the loader's path, or in /usr/local/cuda. Functions and error texts are those
// of NVIDIA's NVRTC documentation, version 12 and 13.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_NVRTC_H
#define AIRPACK_CODEGEN_CUDA_NVRTC_H

#include "codegen/cuda/CudaTarget.h"

#include <memory>
#include <string>
#include <vector>

namespace air::codegen::cuda {

/// What the assembler said of one kernel.
struct KernelResources {
  uint32_t registers = 0;  ///< a thread
  uint32_t spillBytes = 0; ///< stored and loaded, a thread
  uint32_t stackBytes = 0;
};

struct CompiledKernel {
  std::vector<uint8_t> cubin; ///< ELF of the one architecture
  KernelResources resources;
  std::string log; ///< warnings and the assembler's report
};

/// Reads the report of `ptxas -v` for a text with one kernel; Corrupt when a
/// figure is missing.
Result<KernelResources> parseAssemblerReport(const std::string &log);

/// Movable; closes the library with the last user. Calls from several threads
/// are safe: each compilation is a program of its own.
class Nvrtc {
public:
  /// `path` is a file or a folder, or "" for the places above. Unsupported,
  /// with what was tried, where there is none.
  static Result<Nvrtc> open(const std::string &path);

  const std::string &version() const { return versionText; } ///< "13.0"
  const std::string &path() const { return openedPath; }

  /// Compiles a text with one kernel. Internal, with the compiler's log, when
  /// it does not compile.
  Result<CompiledKernel> compile(const std::string &text,
                                 const std::string &name,
                                 const CudaTarget &target) const;

private:
  struct Functions;
  std::shared_ptr<const Functions> functions;
  std::string versionText;
  std::string openedPath;
};

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_NVRTC_H
