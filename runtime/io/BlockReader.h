//===- BlockReader.h - reads blocks of a file in the background -*- C++ -*-===//
//
// A BlockReader copies blocks of a file to memory while its caller does other
// work. Up to depth() requests are in flight at a time; they complete in any
// order. There are three methods (IoMethod): io_uring with O_DIRECT, threads
// that call pread with O_DIRECT, and threads that call pread through the page
// cache. The last method drops the pages of each block afterwards. Otherwise a
// model that is read again and again would displace what other programs have
// cached.
//
// With O_DIRECT the device writes to the caller's memory itself. Offset, length
// and address of a request are therefore multiples of kBlockAlignment
// (DiskRates.h). Where O_DIRECT requires a larger alignment, opening a reader
// fails. Only a request that ends at the end of the file may have another
// length. Its memory must have room for the length rounded up to
// kBlockAlignment; the contents of the additional bytes are unspecified.
//
// A read that returns fewer bytes than it should is continued, and one that was
// interrupted is repeated. A request fails with Io if the device reports an
// error, or if the file has become shorter. The message names the file and the
// offset.
//
// Ownership: the reader opens the file again, and keeps what it opened until it
// is destroyed. If the file is replaced with another file of the same name, the
// reader continues to read the original. Memory belongs to the caller, and must
// stay valid until the request has completed or the reader has been destroyed.
// The destructor waits for the requests that are in flight. A request cannot be
// cancelled, since the device may write to its memory at any time until it has
// completed.
//
// Thread-safety: a reader is used by one thread at a time, not necessarily the
// one that opened it. bytesRead() may be called by any thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_BLOCKREADER_H
#define AIRPACK_RUNTIME_IO_BLOCKREADER_H

#include "formats/machine/DiskRates.h"
#include "formats/support/Status.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace air::rt {

inline constexpr uint32_t kMaxReaderDepth = kMaxDiskDepth;

struct BlockRequest {
  uint64_t offset = 0; ///< where the block begins in the file
  uint64_t bytes = 0;  ///< at least 1
  uint8_t *to = nullptr;
  uint64_t id = 0; ///< chosen by the caller, and returned in BlockDone
};

struct BlockDone {
  uint64_t id = 0;
  Status status; ///< if it is an error, the contents of the memory are unknown
};

class BlockReader;

/// Opens a reader of the file that `descriptor` refers to. `path` is only used
/// in messages. `descriptor` is no longer needed once the function has
/// returned. Unless the method is Buffered or the file is empty, reads one
/// block, to find out whether the system and the file system support the
/// method. Errors: Unsupported if they do not, Corrupt if the file is not a
/// regular file, Usage unless 1 <= depth <= kMaxReaderDepth, Io.
Result<std::unique_ptr<BlockReader>> openBlockReader(int descriptor,
                                                     const std::string &path,
                                                     IoMethod method,
                                                     uint32_t depth);

class BlockReader {
public:
  virtual ~BlockReader() = default;
  BlockReader(const BlockReader &) = delete;
  BlockReader &operator=(const BlockReader &) = delete;

  /// Starts to read a block. Errors: Internal if the request is not valid, for
  /// example not aligned, or if depth() requests are in flight already, Io if
  /// the system refuses. After an error, wait() will not return the request.
  Status submit(const BlockRequest &request);

  /// Waits until a request has completed, and returns which one. Errors:
  /// Internal if none is in flight, Io if the system fails and the failure does
  /// not belong to any one request.
  Result<BlockDone> wait();

  /// The size in bytes that a block from `offset` on should have: at most
  /// `most`, and about `wanted`. Some readers choose the size so that no two
  /// blocks need the same bytes of the file.
  virtual uint64_t sizeOfBlock(uint64_t offset, uint64_t most,
                               uint64_t wanted) const {
    (void)offset;
    return std::min(most, wanted);
  }

  /// From now on, wait() delays its return so that on average no more than this
  /// number of bytes per second are read; 0 removes the limit.
  void limitRate(uint64_t bytesPerSecond) { rateLimit = bytesPerSecond; }

  uint32_t inFlight() const { return flying; }
  uint32_t depth() const { return mostInFlight; }
  IoMethod method() const { return way; }
  /// The bytes that the system has returned so far, in all requests together.
  uint64_t bytesRead() const { return total.load(std::memory_order_relaxed); }

protected:
  BlockReader(IoMethod method, uint32_t depth)
      : way(method), mostInFlight(depth) {}

  /// The offset and the address of a request must be multiples of this number.
  virtual uint64_t alignment() const { return kBlockAlignment; }

  /// start() implements submit() for a valid request, and finish() implements
  /// wait().
  virtual Status start(const BlockRequest &request) = 0;
  virtual Result<BlockDone> finish() = 0;
  void countBytes(uint64_t bytes) {
    total.fetch_add(bytes, std::memory_order_relaxed);
  }

private:
  friend Result<std::unique_ptr<BlockReader>>
  openBlockReader(int descriptor, const std::string &path, IoMethod method,
                  uint32_t depth);
  /// Reads one block of the file, which has `fileBytes` bytes, to find out
  /// whether the method works. bytesRead() does not count this block.
  Status tryReading(uint64_t fileBytes);

  IoMethod way;
  uint32_t mostInFlight;
  uint32_t flying = 0;
  void keepLimit();

  uint64_t rateLimit = 0;
  uint64_t counted = 0; ///< bytes that keepLimit() has taken into account
  uint64_t dueNanoseconds = 0; ///< the time until which the limit delays wait()
  std::atomic<uint64_t> total{0};
};

struct OpenedReader {
  std::unique_ptr<BlockReader> reader;
  /// A sentence for the user that says why the requested method is not used;
  /// empty if it is used.
  std::string note;
};

/// Opens a reader with the method `wanted`. If that method cannot be used,
/// tries the methods that follow it in IoMethod. Errors: those of
/// openBlockReader() for the last method.
Result<OpenedReader> openBestReader(int descriptor, const std::string &path,
                                    IoMethod wanted, uint32_t depth);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_BLOCKREADER_H
