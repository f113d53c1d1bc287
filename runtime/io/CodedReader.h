//===- CodedReader.h - blocks decoded from coded segments -------*- C++ -*-===//
//
// Reads weights that are stored with a codec. Each requested block is handled
// by one of kCodedReads threads. The thread reads from the plan's file all
// chunks that the block overlaps, decodes them, and writes the bytes of the
// block to the memory of the request. Segments without a codec are read
// directly into the memory of the request.
//
// The reader does not verify digests; its caller must.
//
// Ownership: borrows the PlanFile. Thread-safety and errors: as for
// RawWeightReader; a block fails with Corrupt if a chunk cannot be decoded.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_CODEDREADER_H
#define AIRPACK_RUNTIME_IO_CODEDREADER_H

#include "formats/codec/ChunkCodec.h"
#include "formats/plan/PlanFile.h"
#include "runtime/io/RawWeightReader.h"

#include <vector>

namespace air::rt {

class CodedReader final : public RawWeightReader {
public:
  /// Opens a reader that uses the Pread method. If `wanted` is Buffered, or if
  /// the plan cannot be read without the page cache (OpenedReader::note then
  /// says so), the reader uses the Buffered method instead. `plan` must have
  /// been opened from a file.
  static Result<OpenedReader> open(const PlanFile &plan, IoMethod wanted);
  ~CodedReader() override { stopThreads(); }

  /// In segments with a codec, blocks end where chunks end, unless `most` is
  /// too small for that.
  uint64_t sizeOfBlock(uint64_t offset, uint64_t most,
                       uint64_t wanted) const override;

protected:
  Status make(const BlockRequest &request, uint32_t thread) override;

private:
  CodedReader(const PlanFile &planFile, BlockFile opened, IoMethod method);

  const PlanFile &plan;
  BlockFile file;
  /// The largest number of raw bytes in a block, at least that in a chunk.
  uint64_t largestBlock = 0;
  uint64_t largestChunk = 0; ///< the largest number of raw bytes in a chunk
  std::vector<ChunkScratch> scratch; ///< one for each thread
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_CODEDREADER_H
