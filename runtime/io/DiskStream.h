//===- DiskStream.h - what reads weights in every pass ----------*- C++ -*-===//
//
// A session that reads weights from the disk in every pass does so either for
// CPU kernels (StreamStore) or for copies to a GPU (HostRing). This interface
// tells the tools about these reads.
//
// Thread-safety: only the thread that runs the passes may call the functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_DISKSTREAM_H
#define AIRPACK_RUNTIME_IO_DISKSTREAM_H

#include "formats/machine/DiskRates.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace air::rt {

/// Totals since the stream was created.
struct StreamCounters {
  uint64_t diskBytes = 0;         ///< bytes that the reader has read
  uint64_t tableBytes = 0;        ///< bytesNeeded() of the embedding tables
  uint64_t waitedNanoseconds = 0; ///< time that steps have waited for weights
  // The members from here on describe the current placement.
  uint32_t placement = 0;
  uint64_t bytesPerPass = 0;
  uint64_t residentBytes = 0;
  uint64_t ringBytes = 0;
};

class DiskStream {
public:
  virtual ~DiskStream() = default;

  virtual StreamCounters counters() const = 0;
  /// Waits until the weights for the next pass have been read as far ahead as
  /// the ring allows. May only be called between passes.
  virtual void waitUntilIdle() = 0;
  /// Stops reading, and returns the ring. The caller may overwrite the ring
  /// until takeRingBack() is called, for example to measure the rate of the
  /// disk with the same memory. The result is empty if there is no ring, or if
  /// the disk does not write directly to the ring, because weights are decoded
  /// or rearranged first. May only be called between passes. takeRingBack()
  /// must be called before the next pass, even if lendRing() fails.
  virtual Result<std::span<uint8_t>> lendRing() = 0;
  /// Ends lendRing(): reading continues. What had been read ahead into the ring
  /// before lendRing() is read again. Errors: those of WeightStream::resume().
  virtual Status takeRingBack() = 0;
  /// The memory with the weights that stay in RAM.
  virtual std::vector<std::span<const uint8_t>> residentMemory() const = 0;
  /// At most this number of bytes are read per second; 0 means no limit.
  virtual uint64_t readLimit() const = 0;
  virtual IoMethod method() const = 0;
  /// A sentence for the user if method() is not the method that was asked for.
  virtual const std::string &note() const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_DISKSTREAM_H
