//===- HostRing.h - weights from the disk, for copies to a GPU --*- C++ -*-===//
//
// If RAM is too small for the weights that each pass copies to a GPU, some of
// them stay in page-locked RAM. The others are read from the disk in every
// pass, into a ring in page-locked RAM. The first pass reads the weights of
// both kinds, and verifies their digests. This class owns the memory and the
// thread that reads (WeightStream.h). A DeviceStream makes the copies. Weights
// that only the CPU reads are not in this memory.
//
//   disk ──reads──► ring in RAM ──copies──► ring in VRAM ──► kernels
//
// The functions are those of a WeightStream, but release() states that copies
// are complete, not that kernels have run: once weights have been copied, their
// place in RAM may be overwritten.
//
// Ownership: borrows the PlanFile and the device, which must outlive it. The
// device owns the memory, and frees it only when it is destroyed itself.
// Thread-safety: one caller at a time. Errors: those of Device, BlockReader and
// WeightStream; start() also fails with VerificationFailed if the memory would
// have 2^64 bytes or more.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_HOSTRING_H
#define AIRPACK_RUNTIME_EXEC_HOSTRING_H

#include "formats/plan/PlanFile.h"
#include "runtime/hal/Device.h"
#include "runtime/io/BlockReader.h"
#include "runtime/io/DiskStream.h"
#include "runtime/io/WeightStream.h"

#include <memory>
#include <vector>

namespace air::rt {

/// Whether a placement for a GPU reads weights from the disk in every pass.
bool readsFromDisk(const plan::Placement &placement);

/// For each segment: whether a placement for a GPU copies it to the GPU in
/// every pass.
std::vector<bool> copiedSegments(const plan::Plan &plan,
                                 const plan::Placement &placement);

/// Allocates page-locked RAM for weights that are copied to a GPU. If
/// Device::allocateHost() fails with DoesNotFit, the returned error also says
/// how to need less page-locked RAM.
Result<std::span<uint8_t>> allocateForCopies(Device &device, uint64_t bytes);

struct HostRingOptions {
  /// How the weights are read: the method, the size of a block and the number
  /// of blocks in flight. The size and the number are limited as in
  /// StreamOptions.
  DiskRate reading;
  uint64_t bytesPerSecond = 0; ///< the largest rate of reading; 0: no limit
};

class HostRing final : public DiskStream {
public:
  /// Allocates the memory and starts to read. `placement` is the index of one
  /// of the plan's placements, for which readsFromDisk() must be true.
  static Result<std::unique_ptr<HostRing>>
  start(const PlanFile &plan, uint32_t placement, Device &device,
        const HostRingOptions &options);

  /// The memory of a segment that each pass copies to the GPU, padded to whole
  /// pages. Its contents are valid from require() until release() of the step
  /// that needs them.
  std::span<uint8_t> segment(uint32_t index) const;

  void beginPass(uint32_t steps) { stream->beginPass(steps); }
  bool has(uint32_t step) const { return stream->has(step); }
  Status require(uint32_t step) { return stream->require(step); }
  /// States that the copies for all steps up to and including `step` are
  /// complete, or will not be made in this pass.
  void release(uint32_t step) { stream->release(step); }
  void endPass() { stream->endPass(); }

  /// The number of bytes that the first pass has read so far, and the number
  /// that it reads in total. May be called by any thread.
  uint64_t loadedBytes() const {
    return std::min(reader->bytesRead(), firstPassBytes);
  }
  uint64_t bytesToLoad() const { return firstPassBytes; }

  StreamCounters counters() const override;
  void waitUntilIdle() override { stream->waitUntilIdle(); }
  Result<std::span<uint8_t>> lendRing() override;
  Status takeRingBack() override;
  std::vector<std::span<const uint8_t>> residentMemory() const override;
  uint64_t readLimit() const override { return bytesPerSecond; }
  IoMethod method() const override { return reader->method(); }
  const std::string &note() const override { return methodNote; }

private:
  /// The addresses of the segments of a StreamSchedule.
  struct Places final : SegmentMemory {
    std::vector<uint8_t *> addresses; ///< null for segments that are not copied
    uint8_t *segment(uint32_t index) const override { return addresses[index]; }
  };

  explicit HostRing(Device &owner) : device(owner) {}
  Status allocate(const StreamSchedule &schedule);

  Device &device;
  std::unique_ptr<BlockReader> reader;
  std::string methodNote;
  uint64_t bytesPerSecond = 0;
  Places places;
  /// Per segment of the plan: its index in the schedule.
  std::vector<uint32_t> indexOf;
  std::vector<uint64_t> sizes; ///< bytes of each segment of the schedule
  std::span<uint8_t> ring;
  std::vector<std::span<const uint8_t>> resident;
  StreamCounters fixed; ///< only the members that never change are set
  uint64_t firstPassBytes = 0;
  /// Destroyed first, because its thread uses the other members.
  std::unique_ptr<WeightStream> stream;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_HOSTRING_H
