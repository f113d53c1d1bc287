//===- PlacementSchedule.cpp - the schedule of a plan's placement ---------===//
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanEncode.h"
#include "formats/support/CheckedMath.h"
#include "runtime/io/StreamSchedule.h"

#include <algorithm>
#include <tuple>

using namespace air;
using namespace air::rt;

std::vector<uint64_t> air::rt::rawOffsets(const plan::Plan &plan) {
  std::vector<uint64_t> offsets;
  uint64_t end = 0;
  for (const plan::Segment *segment : *plan.segments()) {
    offsets.push_back(end);
    if (segment->kind() == plan::SegmentKind::Weights) {
      end += alignUp(segment->raw_bytes(), SegmentArena::kPageBytes);
    }
  }
  return offsets;
}

StreamSchedule air::rt::streamScheduleOf(const plan::Plan &plan,
                                         uint32_t placement,
                                         ResidentWeights wanted) {
  const plan::Placement &chosen = *plan.placements()->Get(placement);
  StreamSchedule schedule;
  schedule.ringBytes = chosen.ring_bytes();
  schedule.steps = plan.programs()->Get(0)->steps()->size();
  const bool areMade = plan.reference() || hasCodedSegments(plan);
  const std::vector<uint64_t> offsets =
      areMade ? rawOffsets(plan) : std::vector<uint64_t>();
  // A segment that is copied to a GPU must be in RAM for the copy. For each
  // such segment, `copiedBefore` holds the first step that needs the copy,
  // which may come before the first_step that Plan.reads gives for the segment.
  std::vector<uint32_t> copiedBefore(plan.segments()->size(), UINT32_MAX);
  const uint32_t copies =
      chosen.device_reads() == nullptr ? 0 : chosen.device_reads()->size();
  for (uint32_t i = 0; i < copies; ++i) {
    const plan::StreamRead *copy = chosen.device_reads()->Get(i);
    copiedBefore[copy->segment()] =
        std::min(copiedBefore[copy->segment()], copy->before_step());
  }
  std::vector<uint32_t> indexOf(plan.segments()->size());
  for (const plan::Read *needed : *plan.reads()) {
    uint32_t index = needed->segment();
    const plan::Segment &record = *plan.segments()->Get(index);
    StreamedSegment segment;
    segment.segment = index;
    segment.fileOffset = areMade ? offsets[index] : record.offset();
    segment.chunkBytes = record.digest_chunk();
    // The verifier has checked that sizes do not overflow.
    segment.bytes =
        alignUp(digestedBytes(plan, record), SegmentArena::kPageBytes);
    indexOf[index] = static_cast<uint32_t>(schedule.segments.size());
    const bool isWanted =
        wanted == ResidentWeights::All || copiedBefore[index] != UINT32_MAX;
    const uint64_t resident =
        alignUp(chosen.resident()->Get(index), SegmentArena::kPageBytes);
    if (isWanted && resident != 0) {
      ScheduledRead read;
      read.segment = indexOf[index];
      read.bytes = resident;
      read.isResident = true;
      read.beforeStep = std::min(needed->first_step(), copiedBefore[index]);
      schedule.reads.push_back(read);
    }
    schedule.segments.push_back(segment);
  }
  // A placement that keeps all weights has no reads.
  const uint32_t count = chosen.reads() == nullptr ? 0 : chosen.reads()->size();
  schedule.reads.reserve(schedule.reads.size() + count);
  for (uint32_t i = 0; i < count; ++i) {
    const plan::StreamRead *streamed = chosen.reads()->Get(i);
    ScheduledRead read;
    read.segment = indexOf[streamed->segment()];
    read.offset = streamed->offset();
    read.bytes = streamed->bytes();
    read.beforeStep = streamed->before_step();
    read.afterStep = streamed->after_step();
    read.ringOffset = streamed->ring_offset();
    schedule.reads.push_back(read);
  }
  // Sorts the reads by the step that needs them. Reads for the same step are
  // sorted by segment, because segments are numbered in the order of their
  // first use.
  std::sort(schedule.reads.begin(), schedule.reads.end(),
            [](const ScheduledRead &a, const ScheduledRead &b) {
              return std::tie(a.beforeStep, a.segment, a.offset) <
                     std::tie(b.beforeStep, b.segment, b.offset);
            });
  return schedule;
}
