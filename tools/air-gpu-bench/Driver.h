//===- Driver.h - what air-gpu-bench does with a GPU ------------*- C++ -*-===//
//
// Memory, launches and timings on one GPU, on top of CudaDriver.h. A Driver is
// used by one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_DRIVER_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_DRIVER_H

#include "formats/support/Status.h"
#include "runtime/hal/cuda/CudaTimer.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace air::gpubench {

using DevicePointer = uint64_t;
using DeviceFacts = rt::CudaFacts;
using Launch = rt::CudaLaunch;

/// Modules live until unloadAll() is called or the Driver is destroyed. Memory
/// lives until release() is called or the process ends. Errors: those that
/// CudaDriver.h states.
class Driver {
public:
  static Result<std::unique_ptr<Driver>> open();
  Driver(const Driver &) = delete;
  Driver &operator=(const Driver &) = delete;

  const DeviceFacts &facts() const { return gpu->facts(); }

  Result<DevicePointer> allocate(uint64_t bytes) {
    return gpu->allocate(bytes);
  }
  Status release(DevicePointer memory);
  Status write(DevicePointer to, std::span<const uint8_t> bytes);
  Status read(DevicePointer from, std::span<uint8_t> bytes);
  Status copy(DevicePointer to, DevicePointer from, uint64_t bytes);
  Status fill(DevicePointer to, uint8_t value, uint64_t bytes);

  /// Loads the kernel `name` of a cubin, ready to be launched with
  /// `sharedBytes` bytes of shared memory.
  Result<void *> load(std::span<const uint8_t> cubin, const std::string &name,
                      uint32_t sharedBytes);
  Status unloadAll() { return gpu->unloadModules(); }

  /// Enqueues a launch. Errors of the kernel itself are reported by finish().
  Status launch(const Launch &launch) { return gpu->launch(launch); }
  Status finish() { return gpu->finish(); }

  /// Replays a graph of these launches, first once as a warm-up and then
  /// `replays` times. Returns the milliseconds of each replay after the
  /// warm-up.
  Result<std::vector<double>> replay(const std::vector<Launch> &launches,
                                     uint32_t replays);
  /// Times copies.
  rt::CudaTimer &copyTimer() { return *timer; }

private:
  Driver() = default;

  std::unique_ptr<rt::CudaDriver> gpu;
  std::unique_ptr<rt::CudaTimer> timer; ///< borrows `gpu`
};

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_DRIVER_H
