//===- StreamSchedule.cpp - which bytes a pass reads from disk ------------===//
#include "runtime/io/StreamSchedule.h"

using namespace air;
using namespace air::rt;

std::vector<uint64_t> StreamSchedule::segmentSizes() const {
  std::vector<uint64_t> sizes;
  sizes.reserve(segments.size());
  for (const StreamedSegment &segment : segments) {
    sizes.push_back(segment.bytes);
  }
  return sizes;
}

std::vector<RingWindow> StreamSchedule::windows() const {
  std::vector<RingWindow> found;
  for (const ScheduledRead &read : reads) {
    if (!read.isResident) {
      found.push_back({read.segment, read.offset, read.bytes, read.ringOffset});
    }
  }
  return found;
}

uint64_t StreamSchedule::residentBytes() const {
  uint64_t sum = 0;
  for (const ScheduledRead &read : reads) {
    sum += read.isResident ? read.bytes : 0;
  }
  return sum;
}

uint64_t StreamSchedule::bytesPerPass() const {
  uint64_t sum = 0;
  for (const ScheduledRead &read : reads) {
    sum += read.isResident ? 0 : read.bytes;
  }
  return sum;
}
