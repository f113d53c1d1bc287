//===- DeviceStore.h - segments in the memory of a GPU ----------*- C++ -*-===//
//
// create() allocates memory for the segments of weights and tables that a
// placement keeps in the memory of a GPU, and a ring (DeviceStream.h) for those
// that each pass copies there from RAM. require() verifies the segments of a
// step and copies them, so the first pass loads the model while it computes.
// The segments come from a second store, which has them in host memory. Those
// that only the CPU reads stay there. Every other segment is copied once,
// either to the GPU or to the host memory from which each pass copies it
// (Device::allocateHost). After that, the second store no longer needs to keep
// its bytes. If RAM is too small for all segments that passes copy, a HostRing
// keeps some of them in RAM and reads the others from the plan's file in every
// pass. The file must then not change.
//
// Ownership: borrows the PlanFile and the device, which must outlive it.
// Thread-safety: one caller at a time, which must also be the only user of the
// device. Errors: those of SegmentStore, Device and HostRing; create() also
// fails with VerificationFailed if the segments take 2^64 bytes or more.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_DEVICESTORE_H
#define AIRPACK_RUNTIME_EXEC_DEVICESTORE_H

#include "formats/plan/PlanFile.h"
#include "runtime/exec/DeviceStream.h"
#include "runtime/hal/Device.h"
#include "runtime/io/SegmentStore.h"

#include <atomic>
#include <memory>
#include <vector>

namespace air::rt {

class DeviceStore final : public SegmentStore {
public:
  /// The alignment in bytes of each segment in the device's memory.
  static constexpr uint64_t kAlignment = 256;

  /// `placement` is the index of one of the plan's placements. `reading` is
  /// used only if the placement reads weights from the disk in every pass.
  static Result<std::unique_ptr<DeviceStore>>
  create(const PlanFile &plan, uint32_t placement,
         std::unique_ptr<SegmentStore> host, Device &device,
         const HostRingOptions &reading = {});

  /// The address of each segment on the device; 0 for segments that contain
  /// kernels, and for those that only the CPU reads. A step that is enqueued
  /// after its require() may read its segments there.
  const std::vector<DeviceAddress> &addresses() const { return places; }

  LoadProgress loading() const override {
    return {copiedBytes.load(std::memory_order_relaxed) +
                (disk ? disk->loadedBytes() : 0),
            totalBytes};
  }
  std::span<const uint8_t> segment(uint32_t index) const override {
    return host->segment(index);
  }
  std::span<const uint8_t> table(uint32_t index) const override {
    return host->table(index);
  }
  Status beginPass(uint32_t steps) override;
  Status requireNow(std::span<const uint32_t> segments) override;
  Status require(uint32_t step, std::span<const uint32_t> segments) override {
    AIR_RETURN_IF_ERROR(requireNow(segments));
    return stream->require(step);
  }
  uint32_t residentSteps(uint32_t step, uint32_t end) const override;
  bool ordersWork() const override { return true; }
  Status requireRest() override;
  Status requireRows(std::span<const SegmentRange> ranges) override;
  void release(uint32_t step) override { stream->release(step); }
  void endPass() override { stream->endPass(); }
  bool settled() const override {
    return pending == 0 && !isStreamed && (onCpu.empty() || isCpuReady);
  }

  /// The number of bytes that passes have copied to the ring so far.
  uint64_t streamedBytes() const { return stream->copiedBytes(); }
  /// The ring of the weights that every pass reads from the disk; null if there
  /// are none.
  HostRing *diskStream() const { return disk.get(); }

private:
  DeviceStore(const PlanFile &plan, std::unique_ptr<SegmentStore> below,
              Device &owner)
      : file(plan), host(std::move(below)), device(owner) {}
  /// Copies a verified segment to the device if isPending[index] is true.
  Status copy(uint32_t index);
  /// Loads a segment into `memory`, the host memory from which each pass copies
  /// the segment to the ring on the GPU.
  Status loadForCopies(uint32_t index, std::span<uint8_t> memory);
  void countCopied(uint32_t index);

  const PlanFile &file;
  std::unique_ptr<SegmentStore> host;
  Device &device;
  std::unique_ptr<HostRing> disk;
  std::unique_ptr<DeviceStream> stream;
  bool isStreamed = false;     ///< whether passes copy any segment
  std::vector<uint32_t> onCpu; ///< the segments that only the CPU reads
  bool isCpuReady = false;     ///< whether all of them have been verified
  std::vector<DeviceAddress> places;
  /// Per segment of the plan: true if the segment is to stay in the device's
  /// memory and has not been copied there yet.
  std::vector<bool> isPending;
  uint32_t pending = 0;
  /// The total size of the segments that have been loaded, including those that
  /// only the CPU reads, but without those that `disk` loads.
  uint64_t completeBytes = 0;
  std::atomic<uint64_t> copiedBytes{0};
  uint64_t totalBytes = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_DEVICESTORE_H
