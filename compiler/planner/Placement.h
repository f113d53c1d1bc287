//===- Placement.h - which weights stay in RAM, which are read --*- C++ -*-===//
//
// A pass over the model needs every segment of weights once, in the order of
// its steps. When RAM is too small for all of them, the same fraction of every
// segment, at its start, stays in RAM, and each pass reads the remaining bytes
// from the disk again. Equal fractions spread the reads evenly over the pass,
// so that the disk never pauses while a step computes, and a small buffer
// suffices. If whole layers stayed in RAM instead, nothing could be read while
// those layers compute, unless the buffer were larger.
//
// The buffer is a ring. A pass fills it in the order of the steps that need the
// bytes, and for each step in the order of the file. When the ring is full, the
// pass continues at its start. Every pass begins at the start of the ring, so
// each byte has the same offset in the ring in all passes. A read may begin
// when the last step that needs the bytes that it overwrites has run, even if
// that is a step of the previous pass. If there is enough RAM, the ring's size
// is chosen so that a pass fills it a whole number of times; otherwise a part
// of the ring would be unused when the next pass begins at the start of the
// ring again.
//
// All sizes are in bytes. Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_PLACEMENT_H
#define AIRPACK_COMPILER_PLANNER_PLACEMENT_H

#include "formats/support/Status.h"

#include <cstdint>
#include <vector>

namespace air::compiler {

/// A piece of a segment: the bytes from the end of the piece before it, or from
/// the start of the segment, up to `end`.
struct WeightPiece {
  uint64_t end = 0; ///< a multiple of the page size, or the segment's end
  /// The first step that needs bytes of the piece, or other bytes of a chunk in
  /// which it lies. Chunks are read and verified as a whole.
  uint32_t firstStep = 0;
  uint32_t lastStep = 0; ///< the last step that needs the bytes
};

struct WeightSegment {
  uint64_t bytes = 0;
  /// The first and the last step of a pass that need the segment.
  uint32_t firstStep = 0;
  uint32_t lastStep = 0;
  /// If empty, every step that needs the segment needs all of it. Otherwise, a
  /// step may need only some of these pieces. The segment's firstStep is then
  /// the smallest firstStep of its pieces, and its lastStep the largest
  /// lastStep.
  std::vector<WeightPiece> pieces = {};
  /// For a segment that is divided into pieces: how many bytes at its start
  /// always stay in RAM, because more than one step needs them. A multiple of
  /// the page size, or the size of the whole segment.
  uint64_t keptBytes = 0;
  /// The size of a unit in bytes, a multiple of the page size. The segment is
  /// divided into units from its start, so only the last one may be smaller.
  /// The part that stays in RAM and every read consist of whole units. If one
  /// of `pieces` ends in the middle of a unit, a single read contains bytes of
  /// this piece and of the next one, so these two must have the same firstStep.
  /// For a segment with a codec, a unit is a chunk, because coded chunks can
  /// only be read as a whole.
  uint64_t unitBytes = 4096;
};

struct WeightProblem {
  std::vector<WeightSegment> weights; ///< in the order of firstStep
  /// The sizes of the tables. A step gathers single rows of a table. A table
  /// stays in RAM as a whole, or its rows are read from the file when they are
  /// needed.
  std::vector<uint64_t> tables;
  uint32_t steps = 0; ///< number of steps of a pass
};

struct StreamedRead {
  uint32_t segment = 0; ///< index into WeightProblem::weights
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t ringOffset = 0;
  uint32_t beforeStep = 0; ///< the first step that needs the bytes
  /// The step after which the read may begin. A value of at least 0 is a step
  /// of the same pass. In a pass of n steps, -k means step n - k of the
  /// previous pass.
  int64_t afterStep = 0;
  bool operator==(const StreamedRead &) const = default;
};

struct WeightPlacement {
  /// For each segment of weights: the number of bytes that stay in RAM.
  std::vector<uint64_t> weights;
  /// For each table: the number of bytes that stay in RAM, which is 0 or all.
  std::vector<uint64_t> tables;
  uint64_t ringBytes = 0;
  std::vector<StreamedRead> reads; ///< of one pass, in order

  /// The RAM for the ring and for everything that stays in RAM, in whole pages.
  uint64_t ramBytes() const;
  uint64_t streamedBytes() const;
};

/// Segments smaller than this stay in RAM: they are norms and the like, and
/// reading them separately would cost more than their memory is worth.
inline constexpr uint64_t kSmallestStreamed = uint64_t{64} << 10;
/// The largest size of a read in bytes, unless kMaxReads requires larger reads.
/// It is a multiple of 1, 2 and 4 MiB, the sizes of requests with which disks
/// reach their full rate. A larger read would have to begin later, because no
/// step may still need any of the bytes that it overwrites.
inline constexpr uint64_t kReadBytes = uint64_t{4} << 20;
/// Reads are larger if there would be more than this number of them in a pass,
/// so that a placement takes at most about a megabyte of the plan's metadata.
inline constexpr uint64_t kMaxReads = 16384;
/// Let S be the largest number of bytes that a single step needs from the ring.
/// The ring has at least S + max(kReadAhead, S / 2) bytes, so that the disk is
/// busy while that step computes. If RAM is too small for such a ring, or if a
/// pass streams too little to fill such a ring twice, the ring is smaller, but
/// has at least S + kLeastReadAhead bytes or holds all that a pass streams.
/// kLeastReadAhead is the size of one read.
inline constexpr uint64_t kReadAhead = uint64_t{16} << 20;
inline constexpr uint64_t kLeastReadAhead = kReadBytes;

/// The RAM that is needed to keep all weights and tables in RAM.
uint64_t residentBytes(const WeightProblem &problem);

/// The least RAM for which placeWeights() finds a placement.
uint64_t leastBytes(const WeightProblem &problem);

/// Divides the segments between at most `room` bytes of RAM and the disk, so
/// that as many of their bytes as possible stay in RAM. If all segments fit,
/// they stay in RAM as a whole, and so do the tables if they fit as well.
/// Otherwise, the rows of the tables are read from the file. A segment that
/// several steps need stays in RAM unless it is divided into pieces. Fails with
/// DoesNotFit if room < leastBytes(); the message states both numbers.
Result<WeightPlacement> placeWeights(const WeightProblem &problem,
                                     uint64_t room);

/// The least RAM for which pinWeights() finds a placement.
uint64_t leastBytesPinned(const WeightProblem &problem, uint32_t percent);

/// Like placeWeights(), but keeps the given share, 0 to 100 %, of each segment
/// that may be divided, even if more would fit in `room`. The ring has the
/// preferred size that the comment at kReadAhead states or, if `room` is too
/// small for that, the least size. With less than 100 %, no table stays in RAM;
/// rows are read from the file. Fails with DoesNotFit if room <
/// leastBytesPinned().
Result<WeightPlacement> pinWeights(const WeightProblem &problem,
                                   uint32_t percent, uint64_t room);

/// Checks a placement with code that is independent of placeWeights(): every
/// page is in RAM or read once per pass, in order and in time; no read
/// overwrites what a step still needs, even if the read and the step are in
/// different passes; and ramBytes() is at most `room`. Fails with
/// VerificationFailed, or with Internal if the pieces of a segment do not cover
/// it.
Status verifyWeights(const WeightProblem &problem,
                     const WeightPlacement &placement, uint64_t room);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_PLACEMENT_H
