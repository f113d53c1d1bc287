//===- Placement.h - which weights stay in RAM, which are read --*- C++ -*-===//
//
// A pass over the model needs every segment of weights once, in the order of
// its steps. When RAM is too small for all of them, each segment keeps the same
// share of its bytes there, from its start, and each pass reads the rest again
// from the disk. Equal shares spread the reads evenly over the pass, so that
// the disk never pauses while a step computes, and a small buffer suffices. If
// whole layers stayed in RAM instead, nothing could be read while those layers
// compute, unless the buffer were larger.
//
// The buffer is a ring. What a pass reads is laid into it in the order of the
// steps that need it, and for each step in the order of the file. It continues
// at the start of the ring when the ring is full, so each byte has a fixed
// place. A read may begin when the last step that needs what it overwrites has
// run. Reads go on from the end of a pass into the next, for which the first
// byte is at the start of the ring again. The ring is therefore chosen so that
// a whole number of rings holds what a pass reads; otherwise the end of the ring
// would be idle in that transition.
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
  uint64_t end = 0; ///< whole pages, except in the last piece
  /// The first step that needs the bytes, or bytes of the same chunks, which are
  /// read and verified together.
  uint32_t firstStep = 0;
  uint32_t lastStep = 0; ///< the last step that needs the bytes
};

struct WeightSegment {
  uint64_t bytes = 0;
  /// The first and the last step of a pass that need the segment.
  uint32_t firstStep = 0;
  uint32_t lastStep = 0;
  /// If it is not empty, steps need only parts of the segment. The segment's
  /// steps are the first and the last of all pieces.
  std::vector<WeightPiece> pieces = {};
  /// Bytes from the start of a segment with pieces that stay in RAM in any case,
  /// because several of the steps need them. Whole pages, or all bytes.
  uint64_t keptBytes = 0;
  /// What stays in RAM, and each read, begins and ends at a multiple of this
  /// number of bytes, or with the segment. It is a multiple of a page, and
  /// firstStep changes only at multiples of it. A segment with a codec can only be
  /// read in whole chunks.
  uint64_t unitBytes = 4096;
};

struct WeightProblem {
  std::vector<WeightSegment> weights; ///< in the order of firstStep
  /// Tables of which steps gather single rows. They either stay in RAM, or the
  /// rows are fetched from the file.
  std::vector<uint64_t> tables;
  uint32_t steps = 0; ///< number of steps of a pass
};

struct StreamedRead {
  uint32_t segment = 0; ///< index into WeightProblem::weights
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t ringOffset = 0;
  uint32_t beforeStep = 0; ///< the step that needs the bytes
  /// The step after which the read may begin: of the same pass if it is at
  /// least 0; otherwise -k is step (steps - k) of the pass before.
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

  /// RAM for everything that stays there, in whole pages, and for the ring.
  uint64_t ramBytes() const;
  uint64_t streamedBytes() const;
};

/// Segments smaller than this stay in RAM: they are norms and the like, and
/// reading them separately would cost more than their memory is worth.
inline constexpr uint64_t kSmallestStreamed = uint64_t{64} << 10;
/// The largest part of a segment that is read at once. It is a multiple of the
/// sizes of requests with which disks reach their full rate, 1 to 4 MiB. It is
/// so small that a read can begin soon after the last step that needs what it
/// overwrites has run.
inline constexpr uint64_t kReadBytes = uint64_t{4} << 20;
/// Reads are larger if there would be more than this number of them in a pass,
/// so that a placement takes at most about a megabyte of the plan's metadata.
inline constexpr uint64_t kMaxReads = 16384;
/// What the ring holds in addition to what a step needs there, so that the disk
/// is busy while that step computes: at least kReadAhead, and half of the most
/// that a step needs. If RAM is too small for that, or if so much fits in RAM
/// that a pass need not even read two such rings, the ring may hold less, but at
/// least kLeastReadAhead more than a step needs, which is one read.
inline constexpr uint64_t kReadAhead = uint64_t{16} << 20;
inline constexpr uint64_t kLeastReadAhead = kReadBytes;

/// The RAM that keeps all weights and tables.
uint64_t residentBytes(const WeightProblem &problem);

/// The least RAM for which placeWeights() finds a placement.
uint64_t leastBytes(const WeightProblem &problem);

/// Divides the weights between at most `room` bytes of RAM and the disk, so
/// that as many bytes as possible stay in RAM. If everything fits, all of it
/// stays there. If only the weights fit, the rows of the tables are gathered
/// from the file. Segments without pieces that several steps need stay in RAM.
/// Fails with DoesNotFit, and states both numbers, if room < leastBytes().
Result<WeightPlacement> placeWeights(const WeightProblem &problem,
                                     uint64_t room);

/// The least RAM for which pinWeights() finds a placement.
uint64_t leastBytesPinned(const WeightProblem &problem, uint32_t percent);

/// Like placeWeights(), but keeps the given share, 0 to 100 %, of each segment
/// that may be divided, however much `room` there is. The ring takes what it
/// should have, or, if RAM is too small for that, kLeastReadAhead more than a
/// step needs. With less than 100 %, the rows of the tables are gathered from the
/// file. Fails with DoesNotFit if room < leastBytesPinned().
Result<WeightPlacement> pinWeights(const WeightProblem &problem,
                                   uint32_t percent, uint64_t room);

/// Checks a placement with other code than placeWeights(): every page is in RAM
/// or read once per pass, in order and in time; no read overwrites what a step
/// still needs, also from one pass to the next; and ramBytes() is at most
/// `room`. Fails with VerificationFailed.
Status verifyWeights(const WeightProblem &problem,
                     const WeightPlacement &placement, uint64_t room);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_PLACEMENT_H
