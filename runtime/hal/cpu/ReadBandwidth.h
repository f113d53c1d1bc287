//===- ReadBandwidth.h - how fast this machine reads memory -----*- C++ -*-===//
//
// Measures the upper bound that decode is compared with. Every thread of a pool
// reads its contiguous part of a buffer repeatedly, with the widest loads of
// the CPU, and does nothing else. A buffer larger than the last-level cache
// measures DRAM. A buffer as large as a small model measures the cache that
// would hold it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H
#define AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H

#include "formats/support/Status.h"
#include "runtime/hal/Device.h"
#include "runtime/hal/cpu/ThreadPool.h"

#include <cstdint>

namespace air::rt {

/// Bytes of the largest cache of CPU 0; 0 if the system does not report it.
uint64_t lastLevelCacheBytes();

class ReadBandwidth {
public:
  /// Allocates `bytes` from `device`, rounded up so that each thread has a
  /// multiple of 64, and writes all of them. `device` and `pool` must outlive
  /// the result.
  static Result<ReadBandwidth> create(Device &device, ThreadPool &pool,
                                      uint64_t bytes);

  /// Bytes per second: the best of `samples` samples, each of which takes at
  /// least `milliseconds`.
  double measure(uint32_t samples, uint32_t milliseconds);

private:
  struct Job;
  static void read(void *context, uint32_t thread);

  ThreadPool *pool = nullptr;
  const uint8_t *data = nullptr;
  uint64_t blocksPerThread = 0; ///< of 64 bytes
};

/// Bytes per second that `threads` threads together read from DRAM: the best of
/// `samples` samples, each of which takes at least `milliseconds`. During the
/// measurement it holds a buffer of four times the last-level cache, but at
/// least 256 MiB. Errors: DoesNotFit if the buffer is larger than half of
/// `memoryBytes` (0 means unknown), and those of CpuDevice.
Result<double> measureDramBandwidth(uint32_t threads, uint64_t memoryBytes,
                                    uint32_t samples, uint32_t milliseconds);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H
