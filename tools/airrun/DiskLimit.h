//===- DiskLimit.h - how fast the disk reads a plan -------------*- C++ -*-===//
//
// Measures the rate at which this machine reads the file of a plan without the
// page cache. The rate limits the speed of plans that read weights in every
// pass. The code is independent of the runtime's readers: its threads call
// pread with O_DIRECT. It tries a few combinations of block size and number of
// threads, and uses the fastest one. Where the file system refuses O_DIRECT,
// the threads read through the page cache and drop what they have read.
//
// The blocks go to successive places of the memory that the caller provides, as
// the weights of a plan go to its ring. Other memory could give another rate: a
// smaller buffer may stay in a cache of the CPU and be filled faster than any
// ring, and transfers from the disk to small pages may be slower than to huge
// pages.
//
// Ownership: a DiskLimit owns its descriptor and, if the caller provides no
// memory, a buffer. Thread-safety: one caller at a time. Errors: Io.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_DISKLIMIT_H
#define AIRPACK_TOOLS_AIRRUN_DISKLIMIT_H

#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>

namespace air {

class DiskLimit {
public:
  /// The size of the buffer that is used if the caller provides no memory.
  static constexpr uint64_t kBufferBytes = uint64_t{8} << 20;
  /// A sample reads this many bytes into memory, rounded up to whole blocks.
  /// But memory of more bytes is filled once, and memory of fewer than
  /// kSampleBytes / kMostFills bytes is filled kMostFills times.
  static constexpr uint64_t kSampleBytes = uint64_t{64} << 20;
  static constexpr uint64_t kMostFills = 8;

  /// Opens a file. sample() will read its bytes [begin, end).
  static Result<DiskLimit> create(const std::string &path, uint64_t begin,
                                  uint64_t end);
  DiskLimit(DiskLimit &&other) noexcept;
  DiskLimit &operator=(DiskLimit &&) = delete;
  ~DiskLimit();

  /// Reads bytes of the file into `memory` (kSampleBytes says how many), and
  /// returns the rate in bytes per second. Each call starts where the previous
  /// one ended. At the end of the range [begin, end), it continues at `begin`.
  /// `memory` begins at a page boundary and has at least one page; if it is
  /// empty, the bytes go to a buffer of kBufferBytes. The first call also takes
  /// two samples with each combination of block size and number of threads, and
  /// chooses the combination with the fastest sample.
  Result<double> sample(std::span<uint8_t> memory);

private:
  struct Combination {
    uint32_t threads = 0;
    uint64_t blockBytes = 0;
  };
  DiskLimit() = default;
  Status allocate();
  Result<double> read(const Combination &how, std::span<uint8_t> memory);

  std::string path;
  int descriptor = -1;
  bool isDirect = true;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t at = 0; ///< offset in the file at which the next sample begins
  uint8_t *buffer = nullptr;
  Combination best;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_DISKLIMIT_H
