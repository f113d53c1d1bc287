//===- SourceReader.h - blocks made from a model's file ---------*- C++ -*-===//
//
// Reads a reference plan as if it contained all bytes of its weights. A request
// is divided into runs (ReferencedBytes.h). Each of kReferenceReads threads
// reads the range of a run from the plan or a source file, bypassing the page
// cache if possible, and arranges it in the memory of the request.
//
// A range may begin and end anywhere in a file, but only whole blocks of
// kBlockAlignment bytes are read, so the rest of the blocks in which the range
// begins and ends is read, too. A row block of which two requests need parts is
// read twice; requests of the sizes that sizeOfBlock() returns avoid this.
//
// Ownership: borrows the plan, the sources and the ReferencedBytes, but opens
// the files itself. Thread-safety and errors: as for RawWeightReader.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_SOURCEREADER_H
#define AIRPACK_RUNTIME_IO_SOURCEREADER_H

#include "formats/plan/PlanFile.h"
#include "formats/plan/SourceFiles.h"
#include "runtime/io/RawWeightReader.h"

#include <vector>

namespace air::rt {

class SourceReader final : public RawWeightReader {
public:
  /// Opens a reader that uses the Pread method. If `wanted` is Buffered, or if
  /// one of the files cannot be read without the page cache (OpenedReader::note
  /// then says so), the reader uses the Buffered method instead. `plan` must
  /// have been opened from a file.
  static Result<OpenedReader> open(const PlanFile &plan,
                                   const SourceFiles &sources,
                                   const ReferencedBytes &bytes,
                                   IoMethod wanted);
  ~SourceReader() override { stopThreads(); }

  uint64_t sizeOfBlock(uint64_t offset, uint64_t most,
                       uint64_t wanted) const override;

protected:
  uint64_t alignment() const override { return 1; }
  Status make(const BlockRequest &request, uint32_t thread) override;

private:
  SourceReader(const PlanFile &plan, const SourceFiles &sourceFiles,
               const ReferencedBytes &referenced, IoMethod method)
      : RawWeightReader(plan.plan(), method, kReferenceReads),
        sources(sourceFiles), bytes(referenced) {}
  Status openFiles(const PlanFile &plan);
  /// The size of the largest range of a file that fits into the staging memory
  /// of a thread, wherever it begins and ends.
  uint64_t largestRange() const {
    return staging(0).size() - 2 * kBlockAlignment;
  }

  const SourceFiles &sources;
  const ReferencedBytes &bytes;
  std::vector<BlockFile> files; ///< the plan, then the sources
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_SOURCEREADER_H
