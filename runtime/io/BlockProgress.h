//===- BlockProgress.h - one request, read by read --------------*- C++ -*-===//
//
// A single read may return fewer bytes than a request asks for, or be
// interrupted. BlockProgress says what has to be read next, takes the results
// of the reads, and knows when the request has been completed or has failed. It
// makes no system calls; readBlock() does.
//
// Thread-safety: plain data.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_BLOCKPROGRESS_H
#define AIRPACK_RUNTIME_IO_BLOCKPROGRESS_H

#include "runtime/io/BlockFile.h"
#include "runtime/io/BlockReader.h"

#include <cstdint>

namespace air::rt {

class BlockProgress {
public:
  /// The largest size of one read, in bytes. Linux reads at most 2 GiB minus a
  /// page at once.
  static constexpr uint64_t kMostBytes = uint64_t{1} << 30;
  /// A read that has been interrupted this number of times in succession counts
  /// as failed.
  static constexpr uint32_t kMostRepeats = 1000;

  BlockProgress() = default;
  explicit BlockProgress(const BlockRequest &block) : request(block) {}

  uint64_t id() const { return request.id; }

  /// The offset, the size and the address of the next read. All three are
  /// multiples of kBlockAlignment.
  uint64_t offset() const { return request.offset + done; }
  uint32_t bytes() const;
  uint8_t *to() const { return request.to + done; }

  /// Takes the result of the next read: the number of bytes, or an errno value
  /// with a minus sign. Returns whether this was the last read of the request.
  bool take(int64_t result);

  /// The request's result after its last read.
  BlockDone outcome(const BlockFile &file) const;

private:
  BlockRequest request;
  uint64_t done = 0;    ///< bytes that need not be read again; aligned
  uint64_t covered = 0; ///< bytes that have been read; at least `done`
  uint32_t repeats = 0;
  int failure = 0; ///< errno of the last read
};

/// Reads a block with pread(), in as many calls as it takes. Adds to `count`
/// the number of bytes that the system has returned.
BlockDone readBlock(const BlockFile &file, const BlockRequest &request,
                    uint64_t &count);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_BLOCKPROGRESS_H
