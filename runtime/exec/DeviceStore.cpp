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
DeviceStore::create(const PlanFile &plan, std::unique_ptr<SegmentStore> host,
                    Device &device) {
  std::unique_ptr<DeviceStore> store(
      new DeviceStore(plan, std::move(host), device));
  const auto &segments = *plan.plan().segments();
  store->places.resize(segments.size());
  store->isPending.resize(segments.size());
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < segments.size(); ++i) {
    if (segments.Get(i)->kind() == plan::SegmentKind::Kernels) {
      continue;
    }
    const std::optional<uint64_t> end =
        checkedAdd(bytes, segments.Get(i)->raw_bytes());
    const std::optional<uint64_t> aligned =
        end ? checkedAlignUp(*end, kAlignment) : std::nullopt;
    if (!aligned) {
      return verificationError(
          "segment '" + segments.Get(i)->name()->str() +
          "' and the segments before it take more than 2^64 bytes of the GPU's "
          "memory; pack the model again");
    }
    store->places[i] = bytes;
    store->isPending[i] = true;
    ++store->pending;
    store->totalBytes += segments.Get(i)->raw_bytes();
    bytes = *aligned;
  }
  AIR_ASSIGN_OR_RETURN(const DeviceAddress base,
                       device.allocate(std::max(bytes, kAlignment), "weights"));
  for (uint32_t i = 0; i < segments.size(); ++i) {
    store->places[i] += store->isPending[i] ? base : 0;
  }
  return store;
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
  completeBytes += bytes.size();
  isPending[index] = false;
  --pending;
  file.release(index);
  return Status::ok();
}

Status DeviceStore::requireNow(std::span<const uint32_t> segments) {
  for (const uint32_t index : segments) {
    AIR_RETURN_IF_ERROR(host->requireNow(std::span(&index, 1)));
    AIR_RETURN_IF_ERROR(copy(index));
  }
  return Status::ok();
}

Status DeviceStore::requireRest() {
  for (uint32_t i = 0; i < isPending.size(); ++i) {
    if (isPending[i]) {
      AIR_RETURN_IF_ERROR(requireNow(std::span(&i, 1)));
    }
  }
  return Status::ok();
}

Status DeviceStore::requireRows(std::span<const SegmentRange> ranges) {
  for (const SegmentRange &range : ranges) {
    AIR_RETURN_IF_ERROR(requireNow(std::span(&range.segment, 1)));
  }
  return Status::ok();
}
