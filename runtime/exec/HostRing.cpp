//===- HostRing.cpp - weights from the disk, for copies to a GPU ----------===//
#include "runtime/exec/HostRing.h"

#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"
#include "runtime/io/StreamSchedule.h"
#include "runtime/io/StreamStore.h"

#include <algorithm>
#include <string>
#include <utility>

using namespace air;
using namespace air::rt;

bool air::rt::readsFromDisk(const plan::Placement &placement) {
  return placement.reads() != nullptr && placement.reads()->size() != 0;
}

std::vector<bool> air::rt::copiedSegments(const plan::Plan &plan,
                                          const plan::Placement &placement) {
  std::vector<bool> isCopied(plan.segments()->size());
  if (placement.device_reads() != nullptr) {
    for (const plan::StreamRead *read : *placement.device_reads()) {
      isCopied[read->segment()] = true;
    }
  }
  return isCopied;
}

Result<std::span<uint8_t>> air::rt::allocateForCopies(Device &device,
                                                      uint64_t bytes) {
  Result<std::span<uint8_t>> memory =
      device.allocateHost(bytes, "streamed weights");
  if (!memory && memory.status().code() == ErrorCode::DoesNotFit) {
    return doesNotFitError(memory.status().message() +
                           "; or pack the model again with a larger --vram, so "
                           "that fewer weights stay in RAM");
  }
  return memory;
}

Result<std::unique_ptr<HostRing>>
HostRing::start(const PlanFile &plan, uint32_t placement, Device &device,
                const HostRingOptions &options) {
  std::unique_ptr<HostRing> made(new HostRing(device));
  AIR_ASSIGN_OR_RETURN(OpenedReader opened,
                       openBestReader(plan.descriptor(), plan.name(),
                                      options.reading.method,
                                      std::max(options.reading.depth,
                                               StreamOptions::kLeastDepth)));
  made->reader = std::move(opened.reader);
  made->methodNote = std::move(opened.note);
  made->bytesPerSecond = options.bytesPerSecond;
  made->reader->limitRate(options.bytesPerSecond);
  StreamSchedule schedule =
      streamScheduleOf(plan.plan(), placement, ResidentWeights::Copied);
  AIR_RETURN_IF_ERROR(made->allocate(schedule));
  made->indexOf.resize(plan.plan().segments()->size());
  for (uint32_t i = 0; i < schedule.segments.size(); ++i) {
    made->indexOf[schedule.segments[i].segment] = i;
    made->sizes.push_back(schedule.segments[i].bytes);
  }
  made->fixed.placement = placement;
  made->fixed.bytesPerPass = schedule.bytesPerPass();
  made->fixed.residentBytes = schedule.residentBytes();
  made->fixed.ringBytes = schedule.ringBytes;
  made->firstPassBytes = schedule.bytesPerPass() + schedule.residentBytes();
  StreamInput input;
  input.reader = made->reader.get();
  input.blockBytes =
      std::min(options.reading.blockBytes, StreamOptions::kMostBlockBytes);
  input.verify = [&plan](uint32_t segment, uint64_t offset,
                         std::span<const uint8_t> bytes) {
    const uint64_t chunk = plan.plan().segments()->Get(segment)->digest_chunk();
    return plan.verifyChunk(segment, offset / chunk, bytes);
  };
  AIR_ASSIGN_OR_RETURN(
      made->stream,
      WeightStream::start(std::move(schedule), made->places, std::move(input)));
  return made;
}

/// Allocates page-locked memory for the ring and for what stays in RAM, and
/// determines where in it each segment begins.
Status HostRing::allocate(const StreamSchedule &schedule) {
  // The disk writes to this memory by DMA, so the memory must begin at a page
  // boundary.
  const auto bytes =
      checkedAdd(schedule.ringBytes, schedule.residentBytes() + kPlanPageBytes);
  if (!bytes) {
    return verificationError(
        "the ring in RAM and the weights that stay in RAM take "
        "2^64 bytes or more; pack the model again");
  }
  AIR_ASSIGN_OR_RETURN(const std::span<uint8_t> memory,
                       allocateForCopies(device, *bytes));
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  ring = memory.subspan(alignUp(address, kPlanPageBytes) - address,
                        schedule.ringBytes);
  uint8_t *next = ring.data() + ring.size();
  places.addresses.resize(schedule.segments.size());
  for (const ScheduledRead &read : schedule.reads) {
    uint8_t *&place = places.addresses[read.segment];
    if (read.isResident) {
      place = next;
      resident.emplace_back(next, read.bytes);
      next += read.bytes;
    } else if (read.offset == 0) {
      // This is the segment's first read. The verifier has checked that the
      // segment's other reads continue at the bytes after it in the ring.
      place = ring.data() + read.ringOffset;
    }
  }
  return Status::ok();
}

std::span<uint8_t> HostRing::segment(uint32_t index) const {
  const uint32_t place = indexOf[index];
  return {places.addresses[place], sizes[place]};
}

StreamCounters HostRing::counters() const {
  StreamCounters now = fixed;
  now.diskBytes = reader->bytesRead();
  now.waitedNanoseconds = stream->waitedNanoseconds();
  return now;
}

Result<std::span<uint8_t>> HostRing::lendRing() {
  stream->pause();
  // Copies for the next pass may have been enqueued. They read the ring until
  // they are complete.
  AIR_RETURN_IF_ERROR(device.synchronise());
  return ring;
}

Status HostRing::takeRingBack() { return stream->resume(); }

std::vector<std::span<const uint8_t>> HostRing::residentMemory() const {
  return resident;
}
