//===- GpuLimit.h - the bandwidth of a GPU's memory -------------*- C++ -*-===//
//
// Measures how fast the driver copies from one buffer in the memory of a GPU to
// another. Each byte is read once and written once, so it counts twice.
//
// Ownership: opens the GPU for itself, although a session has already opened
// it, and owns the buffers. Thread-safety: one caller at a time. Errors: as
// CudaDriver.h states.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_GPULIMIT_H
#define AIRPACK_TOOLS_AIRRUN_GPULIMIT_H

#include "runtime/hal/cuda/CudaCopies.h"

#include <memory>

namespace air {

class GpuLimit {
public:
  /// Each of the two buffers has half as many bytes as a pass reads, but at
  /// most CudaCopies::usualBytes(). Errors: also DoesNotFit if the GPU has no
  /// room for the buffers.
  static Result<std::unique_ptr<GpuLimit>> create(const rt::CudaChoice &gpu,
                                                  double passBytes);

  /// "cache" if what a pass reads fits in the GPU's L2 cache, otherwise "vram".
  const char *link() const { return name; }
  /// The bandwidth in bytes per second, from the best of several samples.
  Result<double> measure();
  /// The rate of copies from pinned host memory to the GPU, in bytes per
  /// second.
  Result<double> measureUpload();

private:
  GpuLimit() = default;

  std::unique_ptr<rt::CudaDriver> driver;
  std::unique_ptr<rt::CudaCopies> copies; ///< borrows `driver`
  const char *name = "";
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_GPULIMIT_H
