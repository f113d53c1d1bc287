//===- RawWeightReader.h - a reader of raw bytes of weights -----*- C++ -*-===//
//
// Kernels read the raw bytes of weights, which some plans do not contain.
// RawWeightReader is the base class of the readers for such plans: CodedReader
// decodes the bytes, and SourceReader converts them from a model's file.
// Callers request blocks by their offsets in an imaginary file that contains
// the raw bytes of all segments of weights, one segment after the other
// (rawOffsets() of StreamSchedule.h). Each of several threads produces one
// block at a time: it reads what it needs into its own staging memory, and
// writes the result to the memory of the request. While some threads compute,
// others wait for the disk.
//
// Ownership: borrows the plan. Thread-safety and errors: as for BlockReader.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_RAWWEIGHTREADER_H
#define AIRPACK_RUNTIME_IO_RAWWEIGHTREADER_H

#include "formats/plan/plan_generated.h"
#include "runtime/io/BlockFile.h"
#include "runtime/io/ThreadedReader.h"

#include <span>
#include <utility>
#include <vector>

namespace air::rt {

class RawWeightReader : public ThreadedReader {
public:
  ~RawWeightReader() override;

protected:
  /// `depth` is the number of threads, and also the largest number of requests
  /// in flight. `plan` must have been verified.
  RawWeightReader(const plan::Plan &plan, IoMethod method, uint32_t depth);

  /// Allocates `bytes` bytes of staging memory and divides them equally among
  /// the threads, in multiples of kBlockAlignment. Errors: DoesNotFit.
  Status allocateStaging(uint64_t bytes);
  /// The part of the staging memory that belongs to a thread.
  std::span<uint8_t> staging(uint32_t thread) const {
    return {memory + thread * partBytes, partBytes};
  }

  struct Place {
    uint32_t segment = 0; ///< its index in the plan
    uint64_t at = 0;      ///< offset in the segment
  };
  /// Returns the segment that contains the byte at `offset` of the imaginary
  /// file of raw bytes, and the offset of that byte in the segment.
  Place placeOf(uint64_t offset) const;

  /// Reads the bytes [offset, offset + bytes) of a file, and returns where they
  /// are in `to`. Whole blocks of kBlockAlignment are read, so `to` needs room
  /// for up to a block more at each end, and must begin at a multiple of
  /// kBlockAlignment.
  Result<std::span<const uint8_t>> readRange(const BlockFile &file,
                                             uint64_t offset, uint64_t bytes,
                                             uint8_t *to);

  /// Fills the memory of a request. `thread` is the index of the calling
  /// thread, below `depth`.
  virtual Status make(const BlockRequest &request, uint32_t thread) = 0;
  BlockDone read(const BlockRequest &request, uint32_t thread) final {
    return {request.id, make(request, thread)};
  }

private:
  /// The offset of each segment of weights in the imaginary file of raw bytes,
  /// and its index in the plan. Sorted by offset.
  std::vector<std::pair<uint64_t, uint32_t>> begins;
  uint8_t *memory = nullptr; ///< the staging memory of all threads
  uint64_t memoryBytes = 0;
  uint64_t partBytes = 0; ///< bytes of each thread's part
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_RAWWEIGHTREADER_H
