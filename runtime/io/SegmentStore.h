//===- SegmentStore.h - access to a plan's segments -------------*- C++ -*-===//
//
// The executor reads segments at fixed addresses. Before it starts a step, it
// requires that the segments of that step are present. How they get there is up
// to the store: it may map the file (PlanSource), or have a pinned arena and a
// ring buffer that a reader keeps filling ahead of the executor.
//
// The order of steps is the same in every pass, so the address of a segment is
// decided when the store is created. That includes segments in a ring buffer:
// the plan's read order says which part of the ring each segment occupies, and
// which segment it replaces there.
//
// Thread-safety: require() and settled() are called only by the thread that
// runs the executor.
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

  /// The segment's raw bytes in host memory. The address is the same during the
  /// store's whole lifetime. The bytes may only be read after require().
  virtual std::span<const uint8_t> segment(uint32_t index) const = 0;

  /// Returns when all of `segments` have been read and their digests have been
  /// verified. They stay readable until a later call requires a segment that
  /// shares their memory. Errors: VerificationFailed or Io, with the segment's
  /// name; every later call for that segment fails too.
  virtual Status require(std::span<const uint32_t> segments) = 0;

  /// True once every segment of the read order is present permanently, so that
  /// require() need not be called any more.
  virtual bool settled() const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_SEGMENTSTORE_H
