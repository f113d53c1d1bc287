//===- CudaDriver.h - one GPU, opened through libcuda.so.1 ------*- C++ -*-===//
//
// A CudaDriver has the primary context of one GPU, and one stream in this
// context. It finds a GPU, reports the driver's errors, loads kernels, and
// makes graphs of launches, for CudaDevice and for air-gpu-bench.
//
// Ownership: modules live as long as the CudaDriver. The caller frees memory,
// events and graphs before the CudaDriver is destroyed. Thread-safety: one
// caller at a time; a thread calls activate() before it calls the driver.
// Errors: Io with the name of the driver's function and the driver's own text,
// or DoesNotFit if that text is "out of memory".
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CUDA_CUDADRIVER_H
#define AIRPACK_RUNTIME_HAL_CUDA_CUDADRIVER_H

#include "formats/support/Status.h"
#include "runtime/hal/cuda/CudaFunctions.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

/// Which GPU to open.
struct CudaChoice {
  /// A number of at most two digits is the driver's ordinal of the GPU. Any
  /// other text is a part of the GPU's name; upper and lower case count as
  /// equal, and spaces are ignored: "rtx3060" finds "NVIDIA GeForce RTX 3060".
  /// Empty: any GPU.
  std::string device;
  /// The architecture of the code that the GPU must be able to run: "sm_86", or
  /// "sm_90a" for code that runs on GPUs of no other architecture. Empty: any.
  std::string arch;
  /// The architecture for which the PTX of the code was compiled, such as
  /// "compute_86". GPUs of this compute capability and later ones can run it.
  /// Empty: there is no PTX.
  std::string ptxArch;
  /// The GPU for which the kernels were made: a part of its name, as in
  /// `device`, and its number of multiprocessors. If the fields above allow
  /// several GPUs, a GPU that matches both the name and the number is opened,
  /// or else one that matches the number, or else the one with the lowest
  /// ordinal. "" and 0 state no preference.
  std::string likeName;
  uint32_t likeMultiprocessors = 0;
};

struct CudaFacts {
  std::string name;
  uint32_t capability = 0; ///< compute capability: 10 * major + minor
  uint32_t multiprocessors = 0;
  uint64_t l2Bytes = 0;
  uint64_t freeBytes = 0;  ///< free memory when the GPU was opened
  uint64_t totalBytes = 0; ///< the memory that the driver can use
  uint32_t ordinal = 0;    ///< the GPU's index in the driver
  /// The newest CUDA version that the driver supports, such as "13.0".
  std::string driverVersion;
};

struct CudaLaunch {
  void *function = nullptr;
  uint32_t gridX = 1;
  uint32_t gridY = 1;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0;
  bool dependent = false; ///< may start while the previous launch still runs
  /// Device pointers. If the kernel has more parameters than there are
  /// arguments, it gets 0 for the others.
  std::vector<uint64_t> arguments;
};

/// Whether a GPU of this compute capability (10 * major + minor) runs code for
/// `arch`. It also runs code for earlier architectures of the same major
/// number, except those whose name ends in "a" (CUDA C++ Programming Guide,
/// "Binary Compatibility"). If `arch` is a name for PTX, such as "compute_86",
/// every GPU of the named compute capability (here 8.6) or a later one runs the
/// PTX. Unsupported if `arch` names no architecture.
Result<bool> cudaRunsCode(uint32_t capability, std::string_view arch);

/// Returns the text by which messages name a GPU. It begins with the ordinal:
/// "0 (NVIDIA GeForce RTX 3060, compute capability 8.6)".
std::string gpuLabel(const CudaFacts &gpu);

/// Whether `part` is a part of `name`, the name of a GPU. Upper and lower case
/// count as equal, and spaces are ignored.
bool isPartOfGpuName(std::string_view part, std::string_view name);

class CudaDriver {
public:
  /// Opens the GPU that matches the choice best. Errors: Unsupported (no
  /// driver, a driver for a CUDA version before 12.0, no GPU, or `arch` names
  /// no architecture), Usage (no GPU is called `device`), Mismatch (none of the
  /// GPUs that `device` allows can run the code).
  static Result<std::unique_ptr<CudaDriver>> open(const CudaChoice &choice);
  /// Returns another object for the same GPU, with a stream of its own. Any
  /// thread may call it, even while another one uses this object.
  Result<std::unique_ptr<CudaDriver>> again() const;
  /// Returns how many GPUs the machine has, at least 1. The errors are those of
  /// open() with an empty choice.
  static Result<uint32_t> countGpus();
  /// Returns the GPUs that `device` (see CudaChoice) allows, in ascending order
  /// of their ordinals. Because no GPU is opened, only the name, the compute
  /// capability, the number of multiprocessors and the ordinal are set. The
  /// errors are those of open().
  static Result<std::vector<CudaFacts>> listGpus(const std::string &device);
  ~CudaDriver();
  CudaDriver(const CudaDriver &) = delete;
  CudaDriver &operator=(const CudaDriver &) = delete;

  const CudaFacts &facts() const { return device; }
  const CudaFunctions &functions() const { return *cuda; }
  void *stream() const { return work; }

  /// Calls a function of the driver. After an error that makes the GPU unusable
  /// for this process, all later calls return that error.
  template <typename... Parameters, typename... Arguments>
  Status call(const CudaFunction<Parameters...> &function,
              Arguments... arguments) {
    return lost.isOk() ? check(function.pointer(arguments...), function.name)
                       : lost;
  }

  /// Makes the context current in the calling thread.
  Status activate() { return call(cuda->contextSetCurrent, context); }

  /// Records that a program was enqueued. An error that makes the GPU unusable
  /// names the program if all runs that may be incomplete are of this program.
  void noteProgram(uint32_t program);
  /// How many runs noteProgram() has recorded.
  uint64_t notedRuns() const { return runCount; }
  /// Records that the first `count` runs are complete.
  void noteComplete(uint64_t count);

  Result<uint64_t> allocate(uint64_t bytes);
  /// Loads a cubin, or PTX that ends with a zero byte, which the driver
  /// compiles. Corrupt if `image` is neither a complete ELF file nor a text
  /// that ends with a zero byte, or if the driver refuses it; Mismatch if it is
  /// for another architecture; Unsupported if the driver is too old for the
  /// PTX.
  Result<void *> loadModule(std::span<const uint8_t> image);
  /// Corrupt if the module has no kernel of this name.
  Result<void *> findKernel(void *module, const std::string &name);
  /// The number of parameters of a kernel, or nullopt if the driver does not
  /// report it.
  Result<std::optional<uint32_t>> countParameters(void *function);
  /// Allows launches of the kernel with up to `bytes` of dynamic shared memory.
  Status allowShared(void *function, uint32_t bytes);
  Status unloadModules();
  /// Whether all work before the event is complete.
  Result<bool> isComplete(void *event);

  /// Enqueues a launch. Errors of the kernel itself are reported by finish().
  Status launch(const CudaLaunch &launch);
  /// Makes an executable graph that runs the launches one after the other.
  Result<void *> makeGraph(std::span<const CudaLaunch> launches);
  /// Waits until all work of the stream is complete.
  Status finish();

private:
  CudaDriver() = default;
  /// Opens the driver, but no GPU.
  static Result<std::unique_ptr<CudaDriver>> start();
  Result<uint32_t> count();
  /// Sets `handle` to GPU `ordinal`, and describes that GPU as listGpus() does.
  Result<CudaFacts> find(uint32_t ordinal);
  /// The GPUs that `wanted` allows. If it allows none, the error lists all
  /// GPUs.
  Result<std::vector<CudaFacts>> list(const std::string &wanted);
  Status check(int code, const char *name);
  Status choose(const CudaChoice &choice);
  Status describe();
  /// Retains the context of the GPU `handle`, and creates the stream.
  Status begin();

  std::shared_ptr<const CudaFunctions> cuda;
  CudaFacts device;
  int handle = 0;
  int version = 0; ///< CUDA version: 1000 * major + 10 * minor
  void *context = nullptr;
  void *work = nullptr;
  std::vector<void *> modules;
  /// The arguments of a launch, and the addresses of these arguments. They are
  /// members so that only the first launch allocates memory.
  std::vector<uint64_t> argumentValues;
  std::vector<void *> argumentPlaces;
  Status lost;
  uint32_t program = 0;  ///< the program of the last run
  uint64_t runCount = 0; ///< runs that noteProgram() has recorded
  /// The runs are numbered from 1 in the order in which they were recorded. All
  /// runs from this number on are of `program`; the run before them is not.
  uint64_t sameSince = 0;
  /// The runs from 1 up to and including this number are known to be complete.
  uint64_t completeRuns = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_CUDADRIVER_H
