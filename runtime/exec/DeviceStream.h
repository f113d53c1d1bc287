//===- DeviceStream.h - weights that each pass copies to a GPU --*- C++ -*-===//
//
// A DeviceStream enqueues the copies that a placement's device_reads list: from
// host memory to a ring in the memory of the GPU. Without a HostRing, it does
// not wait for them. Events make each step wait for its copies. They also make
// each copy wait for the step after which its place in the ring is free. Apart
// from that, copies run ahead of the kernels as far as the ring allows, and
// also into the next pass.
//
// The segments stay in host memory, except for those that a HostRing, if there
// is one, reads from the disk in every pass. A copy of such a segment is
// enqueued only after its bytes have been read; require() waits until the bytes
// that its step needs have been read. The functions check which copies are
// complete, and tell the HostRing, which may then overwrite what was copied. If
// the HostRing has no room for what a step needs, require() waits for earlier
// copies, and endPass() waits for all of them. With a HostRing, copies for the
// next pass are enqueued only when the current pass has ended.
//
// The functions are called in the same order as those of a SegmentStore. An
// error in release() or endPass() is returned by the calls of require() and
// beginPass() that follow. An error of the HostRing while it reads ends only
// the current pass.
//
// Ownership: borrows the device and the HostRing, which must outlive it.
// Thread-safety: one caller at a time, which must also be the only user of the
// device. Errors: those of Device, of the loader and of HostRing.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_DEVICESTREAM_H
#define AIRPACK_RUNTIME_EXEC_DEVICESTREAM_H

#include "formats/plan/plan_generated.h"
#include "runtime/exec/HostRing.h"
#include "runtime/hal/Device.h"

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace air::rt {

class DeviceStream {
public:
  /// Fills host memory with the verified bytes of a segment. It is called for
  /// each segment that passes copy, and not again after it has succeeded.
  using Loader =
      std::function<Status(uint32_t segment, std::span<uint8_t> memory)>;

  /// Allocates the ring on the GPU. If `disk` is null, also allocates host
  /// memory for all segments that passes copy to the ring; `loader` fills this
  /// memory. Otherwise, the segments are in the memory of `disk`, and `loader`
  /// is not called. The placement must have been verified.
  static Result<std::unique_ptr<DeviceStream>>
  create(const plan::Plan &plan, const plan::Placement &placement,
         Device &device, Loader loader, HostRing *disk = nullptr);

  /// The address of a segment in the ring on the GPU; 0 if passes do not copy
  /// the segment there.
  DeviceAddress addressOf(uint32_t segment) const;
  /// Whether the step needs bytes that each pass copies to the ring.
  bool hasCopies(uint32_t step) const {
    return !copies.empty() && stepEvents[step].arrived != 0;
  }
  /// Begins a pass that runs the steps [0, steps).
  Status beginPass(uint32_t steps);
  /// Makes all later work of the Compute queue wait for the copies that `step`
  /// needs.
  Status require(uint32_t step);
  /// Tells the stream that each step up to and including `step` has been
  /// enqueued on the device, or will not run in this pass.
  void release(uint32_t step);
  void endPass();
  /// Calls the loader for all segments that passes copy and that it has not
  /// loaded yet.
  Status loadAll();
  /// Whether the loader has loaded all segments that passes copy. With a
  /// HostRing, which needs no loader, this is always true.
  bool isLoaded() const { return unloaded == 0; }
  /// The number of bytes whose copies have been enqueued so far.
  uint64_t copiedBytes() const { return copied; }

private:
  struct Copy {
    uint32_t segment = 0;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    DeviceAddress to = 0;
    uint32_t beforeStep = 0;
    int64_t afterStep = 0;
  };
  struct Source {
    DeviceAddress address = 0; ///< in the ring
    std::span<uint8_t> memory; ///< its bytes in RAM, in whole pages
    bool isCopied = false;
    bool isLoaded = false;
  };
  /// Each member is the index of an event plus 1, or 0 if there is no event.
  struct StepEvents {
    uint32_t arrived = 0; ///< the event after the last copy for this step
    uint32_t done = 0;    ///< the event after this step
  };

  /// Copies to the ring that have been enqueued for one step, and may still be
  /// in progress.
  struct InFlight {
    uint32_t step = 0;
    uint32_t event = 0; ///< the event after the last of these copies
  };

  DeviceStream(Device &owner, Loader source, HostRing *ring)
      : device(owner), load(std::move(source)), disk(ring) {}
  Status createEvents();
  Status loadSegment(uint32_t segment);
  /// Enqueues the next copies, up to the first one that has to wait for its
  /// place in the ring, or for the HostRing to read its bytes.
  Status advance();
  Status enqueue(const Copy &copy, int64_t after);
  Status signalSteps(uint64_t end);
  Status copyFromDisk(uint32_t step);
  Status releaseCopied();
  Status endDiskPass();

  Device &device;
  Loader load;
  HostRing *disk;                ///< null if nothing is read from the disk
  std::deque<InFlight> inFlight; ///< in order; empty without `disk`
  std::vector<Copy> copies;      ///< the copies of one pass, in order
  std::vector<Source> sources;
  std::vector<StepEvents> stepEvents;
  uint32_t unloaded = 0;
  uint64_t copied = 0;
  // Steps are counted from the start of the first pass.
  uint64_t passBegin = 0; ///< the first step of the current pass
  uint64_t passEnd = 0;   ///< the steps of the pass from here on do not run
  uint64_t released = 0;  ///< all steps before this one have been released
  int64_t waitedFor = -1; ///< the last step for which the copies wait
  uint64_t copyPass = 0;  ///< the first step of nextCopy's pass
  size_t nextCopy = 0;    ///< index into `copies`
  Status failure;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_DEVICESTREAM_H
