//===- CodedReader.h - blocks decoded from coded segments -------*- C++ -*-===//
//
// Reads weights that are stored with a codec. To its user, this is a reader of
// a file that holds the raw bytes of all segments of weights one after the
// other (rawOffsets()). For each block, a thread reads the chunks that contain
// it from the plan into memory of its own, and decodes them to where the block
// belongs. While some threads decode, others wait for the disk. Segments
// without a codec are read to their place directly.
//
// The threads do not verify digests, which cover raw bytes; the user of the
// reader does, as for plans without coded segments.
//
// Ownership: borrows the PlanFile. Thread-safety and errors: those of
// BlockReader; a block fails with Corrupt if a chunk cannot be decoded.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_CODEDREADER_H
#define AIRPACK_RUNTIME_IO_CODEDREADER_H

#include "formats/codec/ChunkCodec.h"
#include "formats/plan/PlanFile.h"
#include "runtime/io/BlockFile.h"
#include "runtime/io/ThreadedReader.h"

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace air::rt {

class CodedReader final : public ThreadedReader {
public:
  /// Opens a reader with the method Pread. It uses Buffered instead if `wanted`
  /// is Buffered, or if the plan cannot be read past the page cache; in the
  /// latter case, OpenedReader::note says so. `plan` must have been opened from
  /// a file.
  static Result<OpenedReader> open(const PlanFile &plan, IoMethod wanted);
  ~CodedReader() override;

  /// Blocks end where chunks do.
  uint64_t sizeOfBlock(uint64_t offset, uint64_t most,
                       uint64_t wanted) const override;

protected:
  BlockDone read(const BlockRequest &request, uint32_t thread) override;

private:
  CodedReader(const PlanFile &planFile, BlockFile opened, IoMethod method);
  Status allocateStaging();
  Status make(const BlockRequest &request, uint32_t thread);
  Status readStored(uint64_t offset, std::span<uint8_t> to);
  std::pair<uint32_t, uint64_t> placeOf(uint64_t offset) const;

  /// The memory of one thread.
  struct Slot {
    std::span<uint8_t> stored; ///< for the stored bytes of a block
    std::span<uint8_t> raw;    ///< for a chunk of which only a part is wanted
    ChunkScratch scratch;
  };

  const PlanFile &plan;
  BlockFile file;
  /// For each segment of weights, where it begins (rawOffsets()) and its index
  /// in the plan. Sorted by where they begin.
  std::vector<std::pair<uint64_t, uint32_t>> begins;
  uint64_t largestChunk = 0; ///< raw bytes
  uint8_t *staging = nullptr;
  uint64_t stagingSize = 0;
  std::vector<Slot> slots; ///< one for each thread
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_CODEDREADER_H
