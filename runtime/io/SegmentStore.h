//===- SegmentStore.h - access to a plan's segments -------------*- C++ -*-===//
//
// The executor reads segments at fixed addresses. Before it starts a step, it
// requires that the segments of that step are present. How they get there is up
// to the store: it may map the file (PlanSource), or keep a part of every
// segment in memory and read the rest again in each pass (StreamStore).
//
// A pass runs steps 0, 1, 2, ... of a program, in that order. All programs of a
// plan have the same steps, so a step has the same index in each of them. The
// executor calls
//
//   beginPass(steps)             the pass will run steps [0, steps)
//   require(step, segments)      before each step
//   release(step)                after each step
//   endPass()                    also after a step that failed
//
// A pass may leave out its first steps: release(k) directly after beginPass()
// states that the steps up to k will not run in it. Once settled() returns
// true, none of these calls is needed.
//
// Thread-safety: one caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_SEGMENTSTORE_H
#define AIRPACK_RUNTIME_IO_SEGMENTSTORE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <span>

namespace air::rt {

struct SegmentRange {
  uint32_t segment = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// The progress of the first pass, which loads the weights: how many bytes it
/// has read, and how many it reads in all.
struct LoadProgress {
  uint64_t done = 0;
  uint64_t total = 0;
};

class SegmentStore {
public:
  virtual ~SegmentStore() = default;

  /// May be called by any thread at any time.
  virtual LoadProgress loading() const = 0;

  /// The segment's raw bytes in host memory. The address is the same during the
  /// store's whole lifetime. The bytes may only be read after require().
  virtual std::span<const uint8_t> segment(uint32_t index) const = 0;

  /// The segment's raw bytes for steps that gather single rows of it, at an
  /// address that never changes. A range of them may only be read after
  /// requireRows() was called for it.
  virtual std::span<const uint8_t> table(uint32_t index) const = 0;

  /// Begins a pass that runs the steps [0, steps). The store may skip reads
  /// that only the steps from `steps` on need. Errors: Io if a file that passes
  /// read has been overwritten, DoesNotFit if the memory of the store must
  /// shrink but cannot, those of the device to which the store copies weights,
  /// and an earlier error after which the store cannot run further passes.
  virtual Status beginPass(uint32_t steps) = 0;

  /// Returns when `segments` have been read and their digests verified. This
  /// function is for segments that are not in the plan's list of reads, such as
  /// kernels. They stay readable. Errors: those of require().
  virtual Status requireNow(std::span<const uint32_t> segments) = 0;

  /// Returns when the bytes that `step` reads of `segments` are in memory and
  /// their digests have been verified. If ordersWork() is true, require() may
  /// return earlier, and later work of the device waits instead. These bytes
  /// stay readable until release(step). Errors: VerificationFailed (the message
  /// has the segment's name), Io, Corrupt if a coded chunk cannot be decoded,
  /// DoesNotFit if the system refuses memory, and those of the device.
  virtual Status require(uint32_t step, std::span<const uint32_t> segments) = 0;

  /// Returns the number of consecutive steps, from `step` on and before `end`,
  /// that read only weights that stay in memory and are there already. These
  /// steps need no require(), and may run together. A store may return fewer:
  /// PlanSource always returns 0.
  virtual uint32_t residentSteps(uint32_t step, uint32_t end) const = 0;

  /// Whether the store itself puts the work of the device in order: each step
  /// waits until its weights have been copied to the device, and a copy that
  /// overwrites weights waits until the steps that read them have run. If so,
  /// the caller may call release() for a step that the device has not finished.
  virtual bool ordersWork() const { return false; }

  /// If the store keeps all weights, completes their loading: returns when all
  /// segments of the plan's list of reads are in memory, even those that no
  /// step has required. A store that streams weights loads only segments that
  /// stay in memory as a whole, or returns at once without loading any. Errors:
  /// those of require().
  virtual Status requireRest() = 0;

  /// Returns when the bytes of the ranges are in memory, at the addresses that
  /// table() gives, and the digests of their chunks have been verified. These
  /// bytes stay readable until endPass(). Errors: those of require().
  virtual Status requireRows(std::span<const SegmentRange> ranges) = 0;

  /// Tells the store that all steps up to and including `step` have run, or
  /// will not run in this pass, so that it may overwrite the memory of their
  /// segments.
  virtual void release(uint32_t step) = 0;

  /// Ends the pass, whether or not all its steps have run. Afterwards, the
  /// store may overwrite the memory of any segment.
  virtual void endPass() = 0;

  /// Whether all segments of the plan's list of reads are in memory and will
  /// stay there. Once this is true, it stays true, and passes no longer need to
  /// call any of the functions from beginPass() to endPass().
  virtual bool settled() const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_SEGMENTSTORE_H
