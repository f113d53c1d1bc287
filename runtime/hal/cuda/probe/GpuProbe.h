//===- GpuProbe.h - measures a GPU's memory and copies ----------*- C++ -*-===//
//
// Measures how fast a GPU reads and writes its memory, by copies within the
// memory, and how fast blocks of several sizes are copied between page-locked
// host memory and the GPU. All times are measured by the GPU. The measurements
// take turns (Rounds.h), and each result is the median of its samples. For the
// bandwidth of the memory, the best sample is returned, too: profileOf() uses
// it as an upper bound on the rate at which kernels can read the memory.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CUDA_PROBE_GPUPROBE_H
#define AIRPACK_RUNTIME_HAL_CUDA_PROBE_GPUPROBE_H

#include "formats/machine/GpuProfile.h"
#include "formats/support/Status.h"
#include "runtime/hal/cuda/CudaDriver.h"

#include <cstdint>
#include <vector>

namespace air::rt {

/// The usual size in bytes of the copies with which passes bring weights to a
/// GPU.
inline constexpr uint64_t kWeightCopyBytes = uint64_t{4} << 20;

/// Copies of blocks of `bytes` bytes between the host and the GPU.
struct CopyRate {
  uint64_t bytes = 0;
  // The rate of many copies, one directly after another, in bytes per second.
  uint64_t toGpu = 0;
  uint64_t toHost = 0;
  // The time of a single copy on an otherwise idle GPU, in nanoseconds.
  uint64_t toGpuNs = 0;
  uint64_t toHostNs = 0;
};

struct GpuProbeResult {
  CudaFacts facts;
  // The best sample and the median of all samples of the bandwidth of copies
  // within the GPU's memory: bytes read plus bytes written, per second.
  uint64_t bestBandwidth = 0;
  uint64_t medianBandwidth = 0;
  std::vector<CopyRate> copies; ///< sorted by size, not empty
};

/// Measures one GPU for about `seconds` seconds, but takes at least three
/// rounds. Errors: those of CudaDriver, and DoesNotFit if less of the GPU's
/// memory is free than the measurement needs.
Result<GpuProbeResult> probeGpu(const CudaChoice &gpu, double seconds);

/// Returns what plans and predictions need to know about the measured GPU. In
/// the returned profile, `arch` is the architecture for which airpack makes
/// kernels for this GPU, or "" if the GPU is too old for any kernels. `f16Ops`
/// is not measured. It is copied from the built-in profile whose name is a part
/// of the GPU's name (isPartOfGpuName()) and whose arch and number of
/// multiprocessors are those of the GPU; it is 0 if there is no such profile.
GpuProfile profileOf(const GpuProbeResult &result);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_PROBE_GPUPROBE_H
