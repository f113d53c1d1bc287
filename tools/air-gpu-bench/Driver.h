//===- Driver.h - the CUDA driver, opened at run time -----------*- C++ -*-===//
//
// The few functions of libcuda.so.1 that measuring needs (CUDA Driver API
// reference). The library is not linked, and `open` reports when it is missing.
// A Driver has one context on one device and is used by one thread.
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
  uint32_t capability = 0; ///< 10 * major + minor
  uint32_t multiprocessors = 0;
  uint64_t l2Bytes = 0;
  uint64_t freeBytes = 0;
  std::string driverVersion; ///< the CUDA version it supports: "13.0"
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

/// Modules live until `unloadAll`, and memory lives until `release`, or else
/// until the Driver is destroyed. Errors are Io with the driver's own text.
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

  /// Loads the kernel of a cubin, ready to be launched with `sharedBytes`.
  Result<void *> load(std::span<const uint8_t> cubin, const std::string &name,
                      uint32_t sharedBytes);
  /// Unloads all modules.
  Status unloadAll();

  /// Enqueues a launch. `finish` reports errors of the kernel itself.
  Status launch(const Launch &launch);
  Status finish();

  /// The milliseconds of each of `replays` replays of a graph of these
  /// launches, after one warm-up replay.
  Result<std::vector<double>> replay(const std::vector<Launch> &launches,
                                     uint32_t replays);
  /// The same for a graph of copies within the device.
  Result<double> copyMilliseconds(DevicePointer to, DevicePointer from,
                                  uint64_t bytes, uint32_t times);
  /// The milliseconds to copy `bytes` bytes from pinned host memory in pieces
  /// of `piece` bytes.
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
