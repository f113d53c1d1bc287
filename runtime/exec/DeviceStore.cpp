//===- DeviceStore.cpp - copies segments to a GPU ---------------*- C++ -*-===//
#include "runtime/exec/DeviceStore.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>

using namespace air;
using namespace air::rt;

/// Bytes are copied in pieces of at most this size, so that the progress of
/// loading grows in small steps.
static constexpr uint64_t kCopyBytes = uint64_t{16} << 20;

Result<std::unique_ptr<DeviceStore>>
DeviceStore::create(const PlanFile &plan, uint32_t placement,
                    std::unique_ptr<SegmentStore> host, Device &device,
                    const HostRingOptions &reading) {
  std::unique_ptr<DeviceStore> store(
      new DeviceStore(plan, std::move(host), device));
  const auto &segments = *plan.plan().segments();
  store->places.resize(segments.size());
  store->isPending.resize(segments.size());
  const plan::Placement &chosen = *plan.plan().placements()->Get(placement);
  const std::vector<bool> isCopied = copiedSegments(plan.plan(), chosen);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < segments.size(); ++i) {
    if (segments.Get(i)->kind() == plan::SegmentKind::Kernels) {
      continue;
    }
    if (!isCopied[i] && chosen.device()->Get(i) == 0) {
      store->onCpu.push_back(i);
      store->totalBytes += segments.Get(i)->raw_bytes();
      continue;
    }
    if (isCopied[i]) {
      store->isStreamed = true;
      store->totalBytes +=
          readsFromDisk(chosen) ? 0 : segments.Get(i)->raw_bytes();
      continue;
    }
    store->totalBytes += segments.Get(i)->raw_bytes();
    const std::optional<uint64_t> end =
        checkedAdd(bytes, segments.Get(i)->raw_bytes());
    const std::optional<uint64_t> aligned =
        end ? checkedAlignUp(*end, kAlignment) : std::nullopt;
    if (!aligned) {
      return verificationError(
          "segment '" + segments.Get(i)->name()->str() +
          "' and the segments before it take 2^64 bytes or more of the GPU's "
          "memory; pack the model again");
    }
    store->places[i] = bytes;
    store->isPending[i] = true;
    ++store->pending;
    bytes = *aligned;
  }
  AIR_ASSIGN_OR_RETURN(const DeviceAddress base,
                       device.allocate(std::max(bytes, kAlignment), "weights"));
  // The host ring and the stream are created after the memory of the GPU is
  // allocated. Creating them page-locks memory of the host. This takes a long
  // time, which would be wasted if the GPU had too little memory.
  if (readsFromDisk(chosen)) {
    AIR_ASSIGN_OR_RETURN(store->disk,
                         HostRing::start(plan, placement, device, reading));
    store->totalBytes += store->disk->bytesToLoad();
  }
  AIR_ASSIGN_OR_RETURN(
      store->stream,
      DeviceStream::create(
          plan.plan(), chosen, device,
          [owner = store.get()](uint32_t index, std::span<uint8_t> memory) {
            return owner->loadForCopies(index, memory);
          },
          store->disk.get()));
  for (uint32_t i = 0; i < segments.size(); ++i) {
    store->places[i] = store->isPending[i] ? store->places[i] + base
                                           : store->stream->addressOf(i);
  }
  return store;
}

Status DeviceStore::beginPass(uint32_t steps) {
  // Each pass reads weights from the file. If the file has changed since an
  // earlier pass, the results would be wrong, so the pass fails instead.
  if (disk) {
    AIR_RETURN_IF_ERROR(file.checkUnchanged());
  }
  return stream->beginPass(steps);
}

Status DeviceStore::copy(uint32_t index) {
  if (!isPending[index]) {
    return Status::ok();
  }
  const std::span<const uint8_t> bytes = host->segment(index);
  for (uint64_t at = 0; at < bytes.size();) {
    const uint64_t count = std::min<uint64_t>(kCopyBytes, bytes.size() - at);
    AIR_RETURN_IF_ERROR(
        device.write(places[index] + at, bytes.subspan(at, count)));
    at += count;
    copiedBytes.store(completeBytes + at, std::memory_order_relaxed);
  }
  isPending[index] = false;
  --pending;
  countCopied(index);
  return Status::ok();
}

void DeviceStore::countCopied(uint32_t index) {
  completeBytes += host->segment(index).size();
  copiedBytes.store(completeBytes, std::memory_order_relaxed);
  file.release(index);
}

Status DeviceStore::loadForCopies(uint32_t index, std::span<uint8_t> memory) {
  AIR_RETURN_IF_ERROR(host->requireNow(std::span(&index, 1)));
  const std::span<const uint8_t> bytes = host->segment(index);
  std::copy(bytes.begin(), bytes.end(), memory.begin());
  countCopied(index);
  return Status::ok();
}

uint32_t DeviceStore::residentSteps(uint32_t step, uint32_t end) const {
  if (pending != 0 || (!onCpu.empty() && !isCpuReady)) {
    return 0;
  }
  uint32_t count = 0;
  while (step + count < end && !stream->hasCopies(step + count)) {
    ++count;
  }
  return count;
}

Status DeviceStore::requireNow(std::span<const uint32_t> segments) {
  for (const uint32_t index : segments) {
    // A segment that is on the device already need not be loaded. DeviceStream
    // loads the segments that are copied to the ring.
    if (isPending[index] || places[index] == 0) {
      AIR_RETURN_IF_ERROR(host->requireNow(std::span(&index, 1)));
      AIR_RETURN_IF_ERROR(copy(index));
    }
  }
  return Status::ok();
}

Status DeviceStore::requireRest() {
  for (uint32_t i = 0; i < isPending.size(); ++i) {
    if (isPending[i]) {
      AIR_RETURN_IF_ERROR(requireNow(std::span(&i, 1)));
    }
  }
  if (!isCpuReady) {
    AIR_RETURN_IF_ERROR(host->requireNow(onCpu));
    for (const uint32_t index : onCpu) {
      completeBytes += host->segment(index).size();
    }
    copiedBytes.store(completeBytes, std::memory_order_relaxed);
    isCpuReady = true;
  }
  return stream->loadAll();
}

Status DeviceStore::requireRows(std::span<const SegmentRange> ranges) {
  for (const SegmentRange &range : ranges) {
    AIR_RETURN_IF_ERROR(requireNow(std::span(&range.segment, 1)));
  }
  return Status::ok();
}
