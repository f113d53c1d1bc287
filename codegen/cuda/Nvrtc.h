//===- Nvrtc.h - NVIDIA's run-time compiler, opened at run time -*- C++ -*-===//
//
// Nothing links against NVRTC. The library is opened at the path that the
// caller gives, or else by the loader's search path or in /usr/local/cuda. The
// functions and error texts are those of NVIDIA's NVRTC documentation, versions
// 12 and 13.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_NVRTC_H
#define AIRPACK_CODEGEN_CUDA_NVRTC_H

#include "codegen/cuda/CudaTarget.h"

#include <memory>
#include <string>
#include <vector>

namespace air::codegen::cuda {

/// The resources that the assembler reports for one kernel.
struct KernelResources {
  uint32_t registers = 0;  ///< per thread
  uint32_t spillBytes = 0; ///< stored and loaded per thread
  uint32_t stackBytes = 0;
};

struct CompiledKernel {
  std::vector<uint8_t> cubin; ///< ELF file for the target's architecture
  KernelResources resources;
  std::string log; ///< warnings and the assembler's report
};

/// Parses the report of `ptxas -v` for a text with one kernel. Corrupt when a
/// figure is missing.
Result<KernelResources> parseAssemblerReport(const std::string &log);

/// Movable. The library is closed when the last object that uses it is
/// destroyed. Calls from several threads are safe, because each compilation has
/// its own NVRTC program.
class Nvrtc {
public:
  /// `path` is a file or a folder, or "" for the places above. Unsupported,
  /// with the paths that were tried, when no library is found.
  static Result<Nvrtc> open(const std::string &path);

  const std::string &version() const { return versionText; } ///< "13.0"
  const std::string &path() const { return openedPath; }

  /// Compiles a text with one kernel. Internal, with the compiler's log, when
  /// the text does not compile.
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
