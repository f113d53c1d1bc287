//===- DiskLimit.h - how fast the disk reads a plan -------------*- C++ -*-===//
//
// Measures the rate at which this machine reads the file of a plan without the
// page cache. The rate limits the speed of plans that read weights in every
// pass. The code is independent of the runtime's readers: its threads call
// pread with O_DIRECT. It tries a few combinations of block size and number of
// threads, and uses the fastest one. Where the file system refuses O_DIRECT,
// the threads read through the page cache and drop what they have read.
//
// Ownership: a DiskLimit owns its descriptor and its buffers. Thread-safety:
// one caller at a time. Errors: Io.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_DISKLIMIT_H
#define AIRPACK_TOOLS_AIRRUN_DISKLIMIT_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>

namespace air {

class DiskLimit {
public:
  /// The memory that the buffers take.
  static constexpr uint64_t kBufferBytes = uint64_t{8} << 20;

  /// Opens a file. measure() will read its bytes [begin, end).
  static Result<DiskLimit> create(const std::string &path, uint64_t begin,
                                  uint64_t end);
  DiskLimit(DiskLimit &&other) noexcept;
  DiskLimit &operator=(DiskLimit &&) = delete;
  ~DiskLimit();

  /// Reads about `bytes` bytes, starting where the previous call ended, and
  /// returns the rate in bytes per second. The first call measures every
  /// combination of block size and number of threads, and returns the highest
  /// rate. Later calls use the fastest combination.
  Result<double> measure(uint64_t bytes);

private:
  struct Combination {
    uint32_t threads = 0;
    uint64_t blockBytes = 0;
  };
  DiskLimit() = default;
  Result<double> measure(const Combination &how, uint64_t bytes);

  std::string path;
  int descriptor = -1;
  bool isDirect = true;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t at = 0; ///< offset in the file at which the next measurement begins
  uint8_t *buffer = nullptr;
  Combination best;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_DISKLIMIT_H
