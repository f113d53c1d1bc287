//===- DeviceStore.h - segments in the memory of a GPU ----------*- C++ -*-===//
//
// create() allocates memory for all segments of weights and tables, which a
// placement keeps in the memory of a GPU. require() verifies the segments of a
// step and copies them there, so the first pass loads the model while it
// computes. The segments come from another store, which has them in host
// memory. This process does not need them any more after they have been copied.
//
// Ownership: borrows the PlanFile and the device, which must outlive it.
// Thread-safety: one caller at a time, which must also be the only user of the
// device. Errors: those of SegmentStore and Device.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_DEVICESTORE_H
#define AIRPACK_RUNTIME_EXEC_DEVICESTORE_H

#include "formats/plan/PlanFile.h"
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

  static Result<std::unique_ptr<DeviceStore>>
  create(const PlanFile &plan, std::unique_ptr<SegmentStore> host,
         Device &device);

  /// The address of each segment on the device; 0 for segments of kernels. A
  /// kernel may read a segment after require().
  const std::vector<DeviceAddress> &addresses() const { return places; }

  LoadProgress loading() const override {
    return {copiedBytes.load(std::memory_order_relaxed), totalBytes};
  }
  std::span<const uint8_t> segment(uint32_t index) const override {
    return host->segment(index);
  }
  std::span<const uint8_t> table(uint32_t index) const override {
    return host->table(index);
  }
  Status beginPass(uint32_t) override { return Status::ok(); }
  Status requireNow(std::span<const uint32_t> segments) override;
  Status require(uint32_t, std::span<const uint32_t> segments) override {
    return requireNow(segments);
  }
  uint32_t residentSteps(uint32_t, uint32_t) const override { return 0; }
  Status requireRest() override;
  Status requireRows(std::span<const SegmentRange> ranges) override;
  void release(uint32_t) override {}
  void endPass() override {}
  bool settled() const override { return pending == 0; }

private:
  DeviceStore(const PlanFile &plan, std::unique_ptr<SegmentStore> below,
              Device &owner)
      : file(plan), host(std::move(below)), device(owner) {}
  /// Copies a verified segment, if it is not on the device yet.
  Status copy(uint32_t index);

  const PlanFile &file;
  std::unique_ptr<SegmentStore> host;
  Device &device;
  std::vector<DeviceAddress> places;
  std::vector<bool> isPending; ///< per segment: whether it must still be copied
  uint32_t pending = 0;
  uint64_t completeBytes = 0; ///< total size of the copied segments
  std::atomic<uint64_t> copiedBytes{0};
  uint64_t totalBytes = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_DEVICESTORE_H
