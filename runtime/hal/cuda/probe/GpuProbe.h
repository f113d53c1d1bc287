//===- GpuProbe.h - measures a GPU's memory and copies ----------*- C++ -*-===//
//
// Measures how fast a GPU reads and writes its memory, by copies within the
// memory, and how fast blocks of several sizes are copied between page-locked
// host memory and the GPU. All times are measured by the GPU. The measurements
// take turns (Rounds.h), and the results are medians, except that the bandwidth
// of the memory is also stated as the best sample, because it serves as an
// upper bound.
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

/// The size in bytes of the copies with which airrun brings weights to a GPU.
inline constexpr uint64_t kWeightCopyBytes = uint64_t{4} << 20;

/// Copies of blocks of `bytes` bytes between the host and the GPU.
struct CopyRate {
  uint64_t bytes = 0;
  // The rate of many copies, one directly after another, in bytes per second.
  uint64_t toGpu = 0;
  uint64_t toHost = 0;
  // The time of one copy alone, in nanoseconds.
  uint64_t toGpuNs = 0;
  uint64_t toHostNs = 0;
};

struct GpuProbeResult {
  CudaFacts facts;
  // The bandwidth of copies within the GPU: bytes read plus bytes written, per
  // second.
  uint64_t bestBandwidth = 0;
  uint64_t medianBandwidth = 0;
  std::vector<CopyRate> copies; ///< sorted by size, not empty
};

/// Measures one GPU for about `seconds` seconds, but takes at least three
/// rounds. Errors: those of CudaDriver, and DoesNotFit if less of the GPU's
/// memory is free than the measurement needs.
Result<GpuProbeResult> probeGpu(const CudaChoice &gpu, double seconds);

/// What plans and predictions need to know about the GPU. Its arch is the
/// newest one for which there are kernels that the GPU can run, or "" if there
/// is none. f16_ops, which is not measured, is the nominal rate of the built-in
/// GPU with this name, arch and number of multiprocessors, or 0 if there is
/// none.
GpuProfile profileOf(const GpuProbeResult &result);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_PROBE_GPUPROBE_H
