//===- ReferencedBytes.h - segments made from a model's file ----*- C++ -*-===//
//
// A reference plan leaves its matrices in the model's files. The bytes of a
// segment, as kernels read them, are then a sequence of
//
//   stored bytes   the first bytes of the segment, from the plan's file
//   tensors        rows from the model's files, arranged in the tensor's layout
//                  (PackLayout.h)
//   zeros          between tensors, and up to a whole page
//
// A ReferencedBytes splits any range of a segment into runs. A run is assembled
// from at most one range of one file, with one exception. Layout x16 stores
// rows in row blocks of 16, and all rows of a row block must be read even if
// the run has only a part of the block. If these rows are in several file
// ranges, the block is a run of its own, and this run is assembled from all of
// these file ranges.
//
// Ownership: borrows the plan. Thread-safety: immutable. Errors: make() and
// makeAll() return those of the function that reads the files.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_REFERENCEDBYTES_H
#define AIRPACK_FORMATS_PLAN_REFERENCEDBYTES_H

#include "formats/dtype/DType.h"
#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace air {

/// In this interface, files are identified by integers: kPlanFileNumber is the
/// plan itself, and i + 1 is the file Plan.sources[i].
inline constexpr uint32_t kPlanFileNumber = 0;

struct FileRange {
  uint32_t file = kPlanFileNumber;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// Fills `to` with the bytes of a file that begin at `offset`.
using ReadFile = std::function<Status(uint32_t file, uint64_t offset,
                                      std::span<uint8_t> to)>;

/// The number of ranges of files that a reader of a reference plan reads at the
/// same time, each into memory of its own.
inline constexpr uint32_t kReferenceReads = 8;

/// The size of the memory for kReferenceReads ranges. Each range gets at least
/// 1 MiB, and enough for a row block of `largestRowBlock` bytes and for the
/// rest of the pages in which the block begins and ends.
uint64_t stagingBytes(uint64_t largestRowBlock);

/// The size in bytes of the largest row block, among all tensors of the plan
/// that have source_rows; 0 if none of them has row blocks. The dtypes and
/// sizes of the tensors must have been verified.
uint64_t largestRowBlock(const plan::Plan &plan);

class ReferencedBytes {
public:
  /// The bytes of a segment that one call of make() assembles.
  struct Run {
    uint64_t bytes = 0; ///< the number of bytes of the segment
    FileRange from;     ///< the source of the bytes; empty for zeros
  };

  /// `plan` must be a verified reference plan.
  explicit ReferencedBytes(const plan::Plan &plan);

  /// Returns the first run of the bytes [offset, end) of a segment of weights
  /// or a table. It is assembled from at most `mostBytes` bytes of a file,
  /// unless a single row block needs more. `end` may lie beyond the end of the
  /// segment, where all bytes are zero.
  Run next(uint32_t segment, uint64_t offset, uint64_t end,
           uint64_t mostBytes) const;

  /// Fills `to` with the bytes of the segment from `offset` on. These bytes
  /// must be a run that next() has returned, and `from` must hold the bytes of
  /// the file range of that run. If a row block also has rows from other file
  /// ranges, `read` is called to read these ranges.
  Status make(uint32_t segment, uint64_t offset, std::span<uint8_t> to,
              std::span<const uint8_t> from, const ReadFile &read) const;

  /// Fills `to` with the bytes of a segment from `offset` on, one run after the
  /// other: it calls next(), reads the file range and calls make().
  Status makeAll(uint32_t segment, uint64_t offset, std::span<uint8_t> to,
                 const ReadFile &read) const;

  /// largestRowBlock() of the plan, in bytes. A run of one row block is
  /// assembled from at most this number of bytes of a file.
  uint64_t largestRowBlock() const { return largest; }

private:
  /// Consecutive rows of a matrix in a file.
  struct Rows {
    uint64_t first = 0; ///< the index of the first row in the tensor
    uint64_t end = 0;
    FileRange from;
  };
  /// A part of a segment: its stored bytes, or a tensor.
  struct Part {
    uint64_t begin = 0; ///< offset in the segment
    uint64_t end = 0;
    bool isStored = false;
    FileRange stored; ///< set only if isStored
    // The members below are only set for a tensor.
    DType dtype = DType::F32;
    bool isX16 = false;
    uint64_t columns = 0;
    uint64_t rowBytes = 0;
    uint64_t rowCount = 0;
    std::vector<Rows> rows;
  };

  const Part *partAt(uint32_t segment, uint64_t offset) const;
  static Run runOfRows(const Part &part, uint64_t offset, uint64_t end,
                       uint64_t mostBytes);
  static Status makeRowBlocks(const Part &part, uint64_t offset,
                              std::span<uint8_t> to,
                              std::span<const uint8_t> from,
                              const ReadFile &read);

  std::vector<std::vector<Part>> segments; ///< sorted by `begin`
  uint64_t largest = 0;
};

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_REFERENCEDBYTES_H
