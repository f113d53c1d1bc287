//===- SourceTables.h - single rows of tables in a model's file -*- C++ -*-===//
//
// Provides the rows of embedding tables for a reference plan, whose tables lie
// in source files; TableRows.h serves plans that contain their tables. A pass
// needs only the rows of its tokens. Kernels need the alignment and the layout
// of the plan, so these rows are converted and written to separate memory,
// whose addresses do not change.
//
// The first time that a row of a chunk is needed, the whole chunk is converted
// and its digest verified. Only the pages that contain the row are kept. Such
// pages are dropped once they take a few MiB, unless the placement keeps the
// table in RAM.
//
// Ownership: borrows the plan, the sources and the ReferencedBytes. Thread-
// safety: one caller at a time. Errors: VerificationFailed, Io, and DoesNotFit
// if the system refuses addresses.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_SOURCETABLES_H
#define AIRPACK_RUNTIME_IO_SOURCETABLES_H

#include "formats/plan/PlanFile.h"
#include "formats/plan/SourceFiles.h"
#include "runtime/io/SegmentStore.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace air::rt {

class SourceTables {
public:
  /// endPass() leaves in memory at most about this number of bytes of the
  /// tables that the placement does not keep in RAM.
  static constexpr uint64_t kCachedBytes = uint64_t{8} << 20;

  static Result<std::unique_ptr<SourceTables>>
  create(const PlanFile &plan, const SourceFiles &sources,
         const ReferencedBytes &bytes);
  ~SourceTables();
  SourceTables(const SourceTables &) = delete;
  SourceTables &operator=(const SourceTables &) = delete;

  /// The memory of the segment's bytes, which require() fills in; empty if no
  /// step gathers rows of the segment.
  std::span<const uint8_t> table(uint32_t segment) const {
    return {tables[segment].memory, tables[segment].bytes};
  }

  /// Converts and verifies the bytes of the ranges. Each range must lie in a
  /// segment for which table() is not empty.
  Status require(std::span<const SegmentRange> ranges);

  /// If more than kCachedBytes bytes have been converted since pages were last
  /// dropped, drops the pages of all tables that `placement` does not keep in
  /// RAM.
  void endPass(const plan::Placement &placement);

  /// The total number of bytes converted so far. A page or chunk counts as a
  /// whole even if only a part of it was needed.
  uint64_t bytesNeeded() const { return needed; }

private:
  struct Table {
    uint8_t *memory = nullptr;
    uint64_t bytes = 0; ///< size of the table, rounded up to whole pages
    std::vector<bool> verified; ///< per chunk: whether its digest was right
    std::vector<bool> present;  ///< per page: whether it is in memory
  };

  SourceTables(const PlanFile &plan, const SourceFiles &sourceFiles,
               const ReferencedBytes &referenced)
      : file(plan), sources(sourceFiles), bytes(referenced),
        read(readerOf(plan, sourceFiles)),
        tables(plan.plan().segments()->size()) {}
  Status reserve(uint32_t segment);
  void ask(const SegmentRange &range);
  Status makePages(uint32_t segment, uint64_t begin, uint64_t end);

  const PlanFile &file;
  const SourceFiles &sources;
  const ReferencedBytes &bytes;
  ReadFile read;
  std::vector<Table> tables; ///< per segment of the plan
  std::vector<uint8_t> chunk;
  uint64_t needed = 0;
  uint64_t neededAtDrop = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_SOURCETABLES_H
