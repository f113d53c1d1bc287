//===- Driver.h - the CUDA driver, opened at run time -----------*- C++ -*-===//
//
// Calls the few functions of libcuda.so.1 that the measurements need. They are
// described in NVIDIA's "CUDA Driver API" reference. The library is not linked:
// open() loads it, and returns an Unsupported error if it is missing. A Driver
// has one context on one device and is used by one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_DRIVER_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_DRIVER_H

#include "formats/support/Status.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace air::gpubench {

using DevicePointer = uint64_t;

struct DeviceFacts {
  std::string name;
  uint32_t capability = 0; ///< compute capability: 10 * major + minor
  uint32_t multiprocessors = 0;
  uint64_t l2Bytes = 0;
  uint64_t freeBytes = 0;
  /// The newest CUDA version that the driver supports, such as "13.0".
  std::string driverVersion;
};

struct Launch {
  void *function = nullptr;
  uint32_t gridX = 1;
  uint32_t gridY = 1;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0;
  bool dependent = false; ///< may start while the previous launch still runs
  std::vector<DevicePointer> arguments;
};

struct DriverFunctions;

/// Modules live until unloadAll() is called or the Driver is destroyed. Memory
/// lives until release() is called or the Driver is destroyed. If a call to the
/// CUDA driver fails, the error is Io with that driver's own text.
class Driver {
public:
  static Result<std::unique_ptr<Driver>> open();
  ~Driver();
  Driver(const Driver &) = delete;
  Driver &operator=(const Driver &) = delete;

  const DeviceFacts &facts() const { return device; }

  Result<DevicePointer> allocate(uint64_t bytes);
  Status release(DevicePointer memory);
  Status write(DevicePointer to, std::span<const uint8_t> bytes);
  Status read(DevicePointer from, std::span<uint8_t> bytes);
  Status copy(DevicePointer to, DevicePointer from, uint64_t bytes);
  Status fill(DevicePointer to, uint8_t value, uint64_t bytes);

  /// Loads the kernel `name` of a cubin, ready to be launched with
  /// `sharedBytes` bytes of shared memory.
  Result<void *> load(std::span<const uint8_t> cubin, const std::string &name,
                      uint32_t sharedBytes);
  /// Unloads the kernels that load() has loaded.
  Status unloadAll();

  /// Enqueues a launch. Errors of the kernel itself are reported by finish().
  Status launch(const Launch &launch);
  Status finish();

  /// Replays a graph of these launches, first once as a warm-up and then
  /// `replays` times. Returns the milliseconds of each replay after the
  /// warm-up.
  Result<std::vector<double>> replay(const std::vector<Launch> &launches,
                                     uint32_t replays);
  /// Copies `bytes` bytes within the device, first once as a warm-up and then
  /// `times` times. Returns the milliseconds of the fastest copy after the
  /// warm-up.
  Result<double> copyMilliseconds(DevicePointer to, DevicePointer from,
                                  uint64_t bytes, uint32_t times);
  /// Copies `bytes` bytes from pinned host memory to the device, in pieces of
  /// `piece` bytes, several times. Returns the milliseconds of the fastest
  /// repetition.
  Result<double> uploadMilliseconds(DevicePointer to, uint64_t bytes,
                                    uint64_t piece);

private:
  Driver() = default;
  Status check(int code, const char *what) const;

  std::unique_ptr<DriverFunctions> functions;
  DeviceFacts device;
  int ordinal = 0;
  void *stream = nullptr;
  void *begin = nullptr;
  void *end = nullptr;
  void *pinned = nullptr;
  uint64_t pinnedBytes = 0;
  std::vector<void *> modules;
};

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_DRIVER_H
