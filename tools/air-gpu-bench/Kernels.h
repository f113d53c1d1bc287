//===- Kernels.h - a folder of compiled kernels -----------------*- C++ -*-===//
//
// FOLDER/kernels.json states the GPU for which the folder was made, and
// FOLDER/NAME.cubin is a kernel's machine code. Cases.h lists the kernels.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_KERNELS_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_KERNELS_H

#include "tools/air-gpu-bench/Cases.h"

#include <map>
#include <string>

namespace air::gpubench {

struct KernelFolder {
  std::string path;
  std::string target;
  std::string nvrtc; ///< version of the NVRTC that compiled the kernels
  uint32_t multiprocessors = 0;
  std::map<std::string, uint32_t> registers; ///< per thread, by kernel name
};

/// The text of kernels.json.
std::string folderText(const KernelFolder &folder);

/// Parses kernels.json. Returns a Corrupt error, with the reason, if `text` is
/// not a JSON object with the keys that folderText() writes, or if a value has
/// another type or is out of its range.
Result<KernelFolder> parseFolder(const std::string &text,
                                 const std::string &path);

/// Generates the kernels of all cases, each kernel only once.
Result<std::vector<codegen::cuda::CudaKernel>>
kernelsOf(const Cases &cases, const codegen::cuda::CudaTarget &target);

/// Creates the folder `path` and compiles all kernels into it. A kernel that
/// spills registers is left out and therefore not measured. `nvrtcPath` is
/// passed to Nvrtc::open. If `texts` is true, the CUDA text of each kernel is
/// saved, too.
Status prepareFolder(const std::string &path, const std::string &targetName,
                     uint32_t multiprocessors, const std::string &nvrtcPath,
                     bool texts);

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_KERNELS_H
