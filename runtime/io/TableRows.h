//===- TableRows.h - single rows of tables that stay on disk ----*- C++ -*-===//
//
// A pass reads only one row per token of an embedding table, so the table stays
// on disk. Kernels gather its rows from the mapping of the plan, and this class
// brings the pages of these rows into memory beforehand. It requests all of
// them at once, so that the disk can read them in parallel. The first time that
// a row of a chunk is needed, the chunk's digest is verified.
//
// The pages lie in the system's page cache. They are dropped again once a few
// MiB of them have been read.
//
// Ownership: borrows the plan. Thread-safety: one caller at a time. Errors:
// those of PlanFile::verifyChunk().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_TABLEROWS_H
#define AIRPACK_RUNTIME_IO_TABLEROWS_H

#include "formats/plan/PlanFile.h"
#include "runtime/io/SegmentStore.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

class TableRows {
public:
  /// endPass() leaves at most about this number of bytes of the tables in the
  /// page cache.
  static constexpr uint64_t kCachedBytes = uint64_t{8} << 20;

  explicit TableRows(const PlanFile &plan);

  /// Brings the ranges into memory and verifies them. They must lie within
  /// their segments.
  Status require(std::span<const SegmentRange> ranges);

  /// Drops the pages of the tables from the page cache if require() has needed
  /// more than kCachedBytes bytes since they were last dropped.
  void endPass();

  /// The number of bytes needed so far, counted in whole pages and chunks. Some
  /// of them may have been in the page cache already.
  uint64_t bytesNeeded() const { return needed; }

private:
  struct Table {
    bool isUsed = false;
    std::vector<bool> verified; ///< whether each chunk's digest was right
  };
  void ask(const Table &table, const SegmentRange &range);

  const PlanFile &file;
  std::vector<Table> tables; ///< per segment of the plan
  uint64_t needed = 0;
  uint64_t neededAtDrop = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_TABLEROWS_H
