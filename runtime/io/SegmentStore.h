//===- SegmentStore.h - where a plan's segments are -------------*- C++ -*-===//
//
// The executor reads segments at fixed addresses and asks, before it starts a
// step, that the step's segments be there. What lies behind is the store's own
// business: a mapping of the file (PlanSource), or a pinned arena and a ring
// that a reader keeps filling ahead of the walk.
//
// The walk is the same in every pass, so a segment's address is decided when
// the store is made, a ring's too: the plan's read order says which segment
// takes which part of the ring after which other.
//
// Thread-safety: require() and settled() from one thread, the executor's.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_SEGMENTSTORE_H
#define AIRPACK_RUNTIME_IO_SEGMENTSTORE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <span>

namespace air::rt {

class SegmentStore {
public:
  virtual ~SegmentStore() = default;

  /// The raw bytes' place in host memory, the same for the store's whole life;
  /// readable only after require().
  virtual std::span<const uint8_t> segment(uint32_t index) const = 0;

  /// Returns when all of `segments` have been read and their digests verified.
  /// They stay readable until a later call whose segments share their place.
  /// VerificationFailed or Io name the segment; the error stays.
  virtual Status require(std::span<const uint32_t> segments) = 0;

  /// True once every segment of the read order is present for good: require()
  /// need not be called any more.
  virtual bool settled() const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_SEGMENTSTORE_H
