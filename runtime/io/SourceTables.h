//===- SourceTables.h - single rows of tables in a model's file -*- C++ -*-===//
//
// What TableRows.h is for a plan that contains its tables, this is for a
// reference plan: of a table whose rows lie in a source file, a pass needs only
// the rows of its tokens. Their bytes are made in memory of their own, whose
// addresses do not change, because kernels need the alignment and the layout
// of the plan.
//
// The first time that a row of a chunk is needed, the whole chunk is made and
// its digest verified. Only the pages with the row are kept. They are dropped
// once there are some MiB of them, unless the placement keeps the table in RAM.
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
  /// At most about this number of bytes stays in memory after endPass().
  static constexpr uint64_t kCachedBytes = uint64_t{8} << 20;

  static Result<std::unique_ptr<SourceTables>>
  create(const PlanFile &plan, const SourceFiles &sources,
         const ReferencedBytes &bytes);
  ~SourceTables();
  SourceTables(const SourceTables &) = delete;
  SourceTables &operator=(const SourceTables &) = delete;

  /// The addresses of the segment's bytes; empty if no step gathers rows of it.
  std::span<const uint8_t> table(uint32_t segment) const {
    return {tables[segment].memory, tables[segment].bytes};
  }

  /// Makes and verifies the ranges, which must lie in segments that table() has
  /// addresses of.
  Status require(std::span<const SegmentRange> ranges);

  /// Drops rows from memory if there are more than kCachedBytes of them that
  /// `placement` does not keep in RAM.
  void endPass(const plan::Placement &placement);

  /// The bytes that were made so far, in whole pages and chunks.
  uint64_t bytesNeeded() const { return needed; }

private:
  struct Table {
    uint8_t *memory = nullptr;
    uint64_t bytes = 0;         ///< whole pages
    std::vector<bool> verified; ///< per chunk
    std::vector<bool> present;  ///< per page
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
