//===- StreamSchedule.h - which bytes a pass reads from disk ----*- C++ -*-===//
//
// The part of a plan's placement that a WeightStream follows: a list of reads,
// in the order in which a pass needs their bytes. A resident read happens once,
// in the first pass, and its bytes stay in memory. Every other read happens in
// each pass and goes to a window onto the ring (SegmentArena.h). If a segment
// has reads, they cover each of its bytes once.
//
// Steps are numbered as in the plan's programs. Every program has the same
// steps.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_STREAMSCHEDULE_H
#define AIRPACK_RUNTIME_IO_STREAMSCHEDULE_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"
#include "runtime/io/SegmentArena.h"

#include <cstdint>
#include <vector>

namespace air::rt {

struct StreamedSegment {
  uint32_t segment = 0; ///< its index in the plan
  /// The offset of the segment's first byte in the plan's file. For a reference
  /// plan and for a plan with coded segments, see rawOffsets().
  uint64_t fileOffset = 0;
  uint64_t bytes = 0; ///< its raw size, rounded up to whole pages
  /// The size of a chunk, which is the range that a digest covers. The segment
  /// is divided into chunks from its start; the last one may be shorter.
  uint64_t chunkBytes = uint64_t{1} << 20;
};

/// One read of a range of a segment. A resident read, whose bytes stay in
/// memory, begins at the start of the segment. If several reads share a chunk,
/// the chunk is verified when its last byte arrives, so the whole chunk must be
/// in memory then. The plan's verifier has therefore checked that the same step
/// needs all non-resident reads of a chunk.
struct ScheduledRead {
  uint32_t segment = 0; ///< index into StreamSchedule::segments
  uint64_t offset = 0;  ///< where the range begins in the segment
  uint64_t bytes = 0;
  bool isResident = false;
  uint32_t beforeStep = 0; ///< the first step that needs the bytes
  /// The read may begin once this step has run, because its place in the ring
  /// is free then. A value below 0 refers to the previous pass: -1 is its last
  /// step, -2 the one before it, and so on. Unused if the read is resident.
  int64_t afterStep = 0;
  uint64_t ringOffset = 0; ///< unused if the read is resident
};

struct StreamSchedule {
  std::vector<StreamedSegment> segments;
  std::vector<ScheduledRead> reads; ///< ascending in beforeStep
  uint64_t ringBytes = 0;
  uint32_t steps = 0; ///< the number of steps of a pass

  std::vector<uint64_t> segmentSizes() const;
  std::vector<RingWindow> windows() const;
  uint64_t residentBytes() const;
  /// The number of bytes that each pass after the first one reads if it runs
  /// all steps.
  uint64_t bytesPerPass() const;
};

/// A RawWeightReader reads weights as if they lay in a file that contains the
/// raw bytes of all segments of weights, one after the other, each padded to
/// whole pages. Returns where each segment of the plan begins in this imaginary
/// file. The values for segments that are not weights have no meaning.
std::vector<uint64_t> rawOffsets(const plan::Plan &plan);

/// Which of the weights that stay in RAM a StreamSchedule reads.
enum class ResidentWeights : uint8_t {
  All,
  /// Only the weights that each pass copies to a GPU. Kernels of the CPU read
  /// the other weights that stay in RAM from the mapping of the plan.
  Copied,
};

/// The schedule of a verified plan for the placement with index `placement`.
StreamSchedule streamScheduleOf(const plan::Plan &plan, uint32_t placement,
                                ResidentWeights wanted = ResidentWeights::All);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_STREAMSCHEDULE_H
