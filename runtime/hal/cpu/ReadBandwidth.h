//===- ReadBandwidth.h - how fast this machine reads memory -----*- C++ -*-===//
//
// The bound that decode is measured against: every thread of a pool reads its
// contiguous part of a buffer again and again, with the widest loads the CPU
// has and nothing else to do. A buffer larger than the last cache measures
// DRAM; one of a small model's size measures the cache that would hold it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H
#define AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H

#include "formats/support/Status.h"
#include "runtime/hal/Device.h"
#include "runtime/hal/cpu/ThreadPool.h"

#include <cstdint>

namespace air::rt {

/// Bytes of the largest cache that CPU 0 sees; 0 when the system doesn't say.
uint64_t lastLevelCacheBytes();

class ReadBandwidth {
public:
  /// Takes `bytes` (rounded up to 64 a thread) of memory from `device` and
  /// writes all of it. `pool` outlives this.
  static Result<ReadBandwidth> create(Device &device, ThreadPool &pool,
                                      uint64_t bytes);

  /// Bytes per second, the best of `samples`, each at least `milliseconds`
  /// long.
  double measure(uint32_t samples, uint32_t milliseconds);

private:
  struct Job;
  static void read(void *context, uint32_t thread);

  ThreadPool *pool = nullptr;
  const uint8_t *data = nullptr;
  uint64_t blocksPerThread = 0; ///< of 64 bytes
};

/// Bytes per second that `threads` threads together read from DRAM: the best of
/// `samples`, each at least `milliseconds` long. For that time it takes a
/// buffer of four times the last cache, and of 256 MiB at least. Errors:
/// DoesNotFit when that is more than half of `memoryBytes` (0: not known),
/// those of CpuDevice.
Result<double> measureDramBandwidth(uint32_t threads, uint64_t memoryBytes,
                                    uint32_t samples, uint32_t milliseconds);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H
