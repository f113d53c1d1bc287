//===- ReadBandwidth.h - how fast this machine reads memory -----*- C++ -*-===//
//
// Measures the bandwidth of memory reads, which is an upper bound for the speed
// of decode. Every thread of a pool reads its contiguous part of a buffer
// repeatedly, with the widest loads of the CPU, and does nothing else. It reads
// one stream of ascending addresses, or two at the same time, whichever is
// faster; which one that is depends on the CPU, on the number of threads and on
// what else uses the memory. If the buffer is much larger than the last-level
// caches, the result is the bandwidth of DRAM. If the buffer fits into a cache,
// the result is the bandwidth of that cache, which is the bound for models that
// also fit into it.
//
// Only one thread at a time may use an object.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H
#define AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H

#include "formats/support/Status.h"
#include "runtime/hal/Device.h"
#include "runtime/hal/cpu/ThreadPool.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace air::rt {

/// The size in bytes of the L3 cache of CPU 0, or of its L2 or L1 data cache if
/// the system reports no higher level; 0 if the system reports no cache.
uint64_t lastLevelCacheBytes();

class ReadBandwidth {
public:
  /// Allocates a buffer of `bytes` bytes from `device`, rounded up so that the
  /// part of each thread is a multiple of 64 bytes, and writes all of it.
  /// `device` and `pool` must outlive the result.
  static Result<ReadBandwidth> create(Device &device, ThreadPool &pool,
                                      uint64_t bytes);

  /// Measures reads of memory that exists already, for example of weights.
  /// Every thread reads its part of each range. The size of a range is first
  /// rounded down to a multiple of 64 bytes times the number of threads. `pool`
  /// and the memory must outlive the result.
  static ReadBandwidth over(ThreadPool &pool,
                            std::vector<std::span<const uint8_t>> ranges);

  /// Returns the bandwidth in bytes per second, the best of `samples` samples.
  /// Each sample takes at least `milliseconds` milliseconds. The first call
  /// also compares one stream with two, which takes about as long as ten
  /// samples; later calls read in the way that was faster. Returns 0 if there
  /// is nothing to read.
  double measure(uint32_t samples, uint32_t milliseconds);
  /// Like measure(), but returns the bandwidths of all samples, in the order in
  /// which they were taken; empty if there is nothing to read.
  std::vector<double> sample(uint32_t samples, uint32_t milliseconds);
  /// Returns the bandwidth in bytes per second, the best of reads that together
  /// take about `seconds` seconds, but at least four reads of the whole memory.
  /// One stream and two are read in turns, so that nothing has to be compared
  /// beforehand. Returns 0 if there is nothing to read.
  double bestWithin(double seconds);
  /// Makes the next sample compare one stream with two again. For a caller that
  /// doubts the samples: if others used the memory during the comparison, the
  /// comparison may have chosen the slower way.
  void compareAgain() { readsTwoStreams.reset(); }

  /// The part of the buffer that thread `thread` of the pool reads. The parts
  /// are adjacent, in the order of the threads. Only the results of create()
  /// have a buffer.
  std::span<const uint8_t> part(uint32_t thread) const;

private:
  struct Job;
  static void read(void *context, uint32_t thread);
  /// Runs the job once, and returns the time in seconds.
  double secondsOf(Job &job);
  /// Sets `readsTwoStreams`, by reads that take at least `milliseconds`
  /// milliseconds each.
  void chooseStreams(uint32_t milliseconds);
  std::span<const uint8_t> partOf(std::span<const uint8_t> range,
                                  uint32_t thread) const;

  ThreadPool *pool = nullptr;
  /// The ranges that are read. The size of each is a multiple of 64 bytes times
  /// the number of threads.
  std::vector<std::span<const uint8_t>> memory;
  /// Whether every thread reads two streams. Not set before the first sample.
  std::optional<bool> readsTwoStreams;
  /// How often all ranges are read in a sample, so that it takes long enough.
  uint64_t repeats = 1;
};

/// Returns the size in bytes of a buffer that is much larger than the caches:
/// four times the total size of all last-level caches, but at least 256 MiB.
/// `memoryBytes` is the size of the RAM. Fails with DoesNotFit if the buffer
/// would take more than half of the RAM, but never if `memoryBytes` is 0, which
/// means that the size of the RAM is not known.
Result<uint64_t> dramBufferBytes(uint64_t memoryBytes);

/// Returns the bytes per second that `threads` threads together read from a
/// buffer of dramBufferBytes() bytes, as bestWithin(seconds) measures it.
/// Errors: those of dramBufferBytes() and of CpuDevice.
Result<double> measureDramBandwidth(uint32_t threads, uint64_t memoryBytes,
                                    double seconds);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_READBANDWIDTH_H
