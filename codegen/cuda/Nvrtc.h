//===- Nvrtc.h - NVIDIA's run-time compiler, opened at run time -*- C++ -*-===//
//
// Nothing links against NVRTC. The library is opened at the path that the
// caller passes, or else from the dynamic loader's search path or from
// /usr/local/cuda. NVIDIA's documentation of NVRTC 12 and 13 specifies its
// functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_NVRTC_H
#define AIRPACK_CODEGEN_CUDA_NVRTC_H

#include "codegen/cuda/CudaTarget.h"

#include <memory>
#include <string>
#include <vector>

namespace air::codegen::cuda {

/// The resources that the assembler (ptxas) reports for one kernel.
struct KernelResources {
  uint32_t registers = 0;  ///< registers per thread
  uint32_t spillBytes = 0; ///< bytes of spill stores and loads per thread
  uint32_t stackBytes = 0;
};

struct CompiledKernel {
  std::vector<uint8_t> cubin; ///< an ELF file for the target's architecture
  KernelResources resources;
  std::string log; ///< the compiler's warnings and the assembler's report
};

/// Parses the report that `ptxas -v` prints about a program with one kernel.
/// Returns Corrupt if the report lacks one of the numbers.
Result<KernelResources> parseAssemblerReport(const std::string &log);

/// An open NVRTC library. It is closed when the last copy of the object is
/// destroyed. Calls from several threads are safe, because each compilation has
/// its own NVRTC program.
class Nvrtc {
public:
  /// Opens the library. `path` is a file or a folder; "" means the loader's
  /// search path and /usr/local/cuda. Returns Unsupported if no library can be
  /// opened (the message lists the paths that were tried), or if the library
  /// lacks a function or does not report its version.
  static Result<Nvrtc> open(const std::string &path);

  /// The version of NVRTC, such as "13.0.88", or "13.0" if the library does not
  /// state the last number. Versions that differ only in this number can
  /// generate different code.
  const std::string &version() const { return versionText; }
  const std::string &path() const { return openedPath; }

  /// Compiles `text`, which is CUDA C++ with one kernel, to machine code.
  /// `name` is the kernel's name in error messages. Returns Internal if the
  /// text does not compile, with the compiler's log, or if NVRTC fails
  /// otherwise. Other errors are those of parseAssemblerReport().
  Result<CompiledKernel> compile(const std::string &text,
                                 const std::string &name,
                                 const CudaTarget &target) const;

  /// Like compile(), but generates PTX for the architecture ptxArch(target).
  /// The result ends with a zero byte. Returns Internal in the same cases as
  /// compile().
  Result<std::vector<uint8_t>> compilePtx(const std::string &text,
                                          const std::string &name,
                                          const CudaTarget &target) const;

private:
  struct Functions;
  struct Output {
    std::vector<uint8_t> code;
    std::string log;
  };
  Result<Output> compileFor(const std::string &architecture,
                            const std::string &text, const std::string &name,
                            bool isPtx) const;
  std::shared_ptr<const Functions> functions;
  std::string versionText;
  std::string openedPath;
};

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_NVRTC_H
