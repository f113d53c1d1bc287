//===- DecodeRate.h - how fast all cores decode weights ---------*- C++ -*-===//
//
// Decodes chunks of weights (ChunkCodec.h) on all threads of a pool. The
// weights are bfloat16 numbers with a nearly normal distribution, as in most
// models, and are the same in every run. All threads decode the same 16 chunks
// of 256 KiB. Each thread has a buffer of its own, into which it decodes one
// chunk after the other.
//
// Ownership: the pool must outlive the object. Thread-safety: one caller at a
// time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_DECODERATE_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_DECODERATE_H

#include "formats/codec/ChunkCodec.h"
#include "runtime/hal/cpu/ThreadPool.h"

#include <cstdint>
#include <vector>

namespace air::rt {

class DecodeRate {
public:
  /// `threadCount` is the number of threads of the pool. Errors: those of
  /// encodeChunk().
  static Result<DecodeRate> create(ThreadPool &pool, uint32_t threadCount,
                                   ChunkCodec codec);

  /// Returns the rate at which all threads together decode, in decoded bytes
  /// per second, from one sample of at least two milliseconds. Errors: Internal
  /// if a chunk cannot be decoded.
  Result<double> sample();

private:
  DecodeRate(ThreadPool &threads, uint32_t threadCount, ChunkCodec wanted);

  struct Job;
  /// The memory of one thread.
  struct Slot {
    std::vector<uint8_t> raw;
    ChunkScratch scratch;
  };

  ThreadPool *pool;
  ChunkCodec codec;
  std::vector<std::vector<uint8_t>> chunks; ///< in coded form
  std::vector<Slot> slots;                  ///< one for each thread
  uint64_t turns = 1; ///< how often a sample decodes all chunks
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_DECODERATE_H
