//===- MemoryReaders.h - all cores read memory in the background *- C++ -*-===//
//
// Keeps the memory bus as busy as a decode pass does, so that the rate of a
// disk can be measured while its transfers compete with the cores for the
// memory bandwidth. Each thread of a pool reads its part of the memory again
// and again until the reading is stopped. The memory is a buffer that is too
// large for any cache, or memory that exists already, such as weights.
//
// Thread-safety: start() and stop() are called by one thread at a time; bytes()
// may be called by any thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_MEMORYREADERS_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_MEMORYREADERS_H

#include "formats/support/Status.h"
#include "formats/support/Thread.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/ReadBandwidth.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace air::rt {

class MemoryReaders {
public:
  /// Allocates and writes the buffer. `memoryBytes` is the size of the RAM, or
  /// 0 if it is not known. Errors: those of dramBufferBytes() and of CpuDevice.
  static Result<std::unique_ptr<MemoryReaders>> create(uint32_t threads,
                                                       uint64_t memoryBytes);
  /// Returns readers of memory that exists already, such as weights. This
  /// memory must outlive the readers. Every thread reads its part of each
  /// range, in whole pages of 4 KiB. Ranges that have less than a page for each
  /// thread are left out; if none is left, returns DoesNotFit. Errors: also
  /// those of CpuDevice.
  static Result<std::unique_ptr<MemoryReaders>>
  over(uint32_t threads, std::span<const std::span<const uint8_t>> ranges);
  ~MemoryReaders() { stop(); }
  MemoryReaders(const MemoryReaders &) = delete;
  MemoryReaders &operator=(const MemoryReaders &) = delete;

  /// Begins to read, and returns when all threads are reading. Must not be
  /// called again before stop(). Errors: Io if the system cannot start a
  /// thread.
  Status start();
  /// The number of bytes that all threads together have read so far. It grows
  /// in steps of kChunkBytes, or less at the end of a part.
  uint64_t bytes() const;
  /// Stops the threads, and returns when all of them have stopped. Does nothing
  /// if no thread is reading.
  void stop();

  /// A thread updates its count of bytes each time it has read this many.
  static constexpr uint64_t kChunkBytes = uint64_t{64} << 10;

private:
  struct alignas(64) Count {
    std::atomic<uint64_t> bytes{0};
  };

  explicit MemoryReaders(uint32_t threads) : counts(threads), parts(threads) {}
  static void read(void *context, uint32_t thread);

  std::unique_ptr<CpuDevice> device;
  ReadBandwidth memory;      ///< divides the buffer that create() allocates
  std::vector<Count> counts; ///< one per thread
  /// What each thread reads, in whole pages.
  std::vector<std::vector<std::span<const uint8_t>>> parts;
  std::atomic<bool> stopping{false};
  std::atomic<uint64_t> result{0}; ///< keeps the loads from being dead code
  Thread caller;                   ///< thread 0 of the pool
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_MEMORYREADERS_H
