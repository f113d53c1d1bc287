//===- SourceReader.h - blocks made from a model's file ---------*- C++ -*-===//
//
// Reads a reference plan as if it contained all bytes of its weights. To the
// users of this reader, the raw bytes of the segments of weights form a file
// (rawOffsets() of StreamSchedule.h). A request is divided into runs
// (ReferencedBytes.h). Each of kReferenceReads threads reads the range of a run
// from the plan or a source file, past the page cache, into staging memory of
// its own, and arranges it in the memory of the request. While some threads
// arrange bytes, others read.
//
// A range begins and ends anywhere in a file, so up to a block more is read at
// each end. Row blocks that two requests share are read for both;
// sizeOfBlock() avoids such requests.
//
// Ownership: borrows the plan, the sources and the ReferencedBytes, and opens
// the files again. Thread-safety and errors: as BlockReader.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_SOURCEREADER_H
#define AIRPACK_RUNTIME_IO_SOURCEREADER_H

#include "formats/plan/PlanFile.h"
#include "formats/plan/SourceFiles.h"
#include "runtime/io/BlockFile.h"
#include "runtime/io/ThreadedReader.h"

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace air::rt {

class SourceReader final : public ThreadedReader {
public:
  /// Opens a reader with the method Pread, or with Buffered if `wanted` is
  /// Buffered or one of the files cannot be read past the page cache, which the
  /// note then says. `plan` must have been opened from a file.
  static Result<OpenedReader> open(const PlanFile &plan,
                                   const SourceFiles &sources,
                                   const ReferencedBytes &bytes,
                                   IoMethod wanted);
  ~SourceReader() override;

  uint64_t sizeOfBlock(uint64_t offset, uint64_t most,
                       uint64_t wanted) const override;

protected:
  uint64_t alignment() const override { return 1; }
  BlockDone read(const BlockRequest &request, uint32_t thread) override;

private:
  SourceReader(const SourceFiles &sourceFiles,
               const ReferencedBytes &referenced, IoMethod method)
      : ThreadedReader(method, kReferenceReads), sources(sourceFiles),
        bytes(referenced) {}
  Status openFiles(const PlanFile &plan);
  Status allocateStaging();
  Status make(const BlockRequest &request, uint32_t thread);
  Result<std::span<const uint8_t>> readRange(const FileRange &range,
                                             uint32_t thread);
  std::pair<uint32_t, uint64_t> placeOf(uint64_t offset) const;

  const SourceFiles &sources;
  const ReferencedBytes &bytes;
  std::vector<BlockFile> files; ///< the plan, then the sources
  /// Where each segment of weights begins, ascending, and its number.
  std::vector<std::pair<uint64_t, uint32_t>> begins;
  void *mapped = nullptr; ///< memory that contains the staging memory
  uint64_t mappedBytes = 0;
  uint8_t *staging = nullptr; ///< kReferenceReads slots
  uint64_t slotBytes = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_SOURCEREADER_H
