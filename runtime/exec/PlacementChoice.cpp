//===- PlacementChoice.cpp - a session's first placement ------------------===//
#include "runtime/exec/PlacementChoice.h"

#include "formats/plan/CopiedBytes.h"
#include "formats/support/CheckedMath.h"
#include "runtime/io/PlacementMemory.h"

#include <algorithm>
#include <string_view>
#include <utility>

using namespace air;
using namespace air::rt;

Result<uint32_t> air::rt::choosePlacement(const plan::Plan &plan,
                                          const KernelDevices &devices,
                                          const RamBounds &bounds,
                                          uint32_t first) {
  const auto &placements = *plan.placements();
  MemoryNeed least = {UINT64_MAX, ""};
  uint64_t usable = UINT64_MAX;
  for (uint32_t i = first; i < placements.size(); ++i) {
    const plan::Placement &placement = *placements.Get(i);
    MemoryNeed need = memoryNeed(placement, plan::Tier::Ram);
    const uint64_t room =
        bounds.room ? usableBytes(placement, *bounds.room, /*ringBytes=*/0)
                    : UINT64_MAX;
    if ((bounds.most == 0 || need.bytes <= bounds.most) && need.bytes <= room) {
      return i;
    }
    if (need.bytes < least.bytes) {
      least = std::move(need);
      usable = room;
    }
  }
  const std::string needed = "memory: the plan needs at least " +
                             std::to_string(least.bytes) + " bytes of RAM (" +
                             least.items + "), but ";
  const std::string other = devices.gpu == 0 ? "a smaller --ctx"
                            : devices.cpu    ? "a smaller --cpu-layers"
                                             : "a larger --vram";
  const std::string smaller =
      "pack the model for less memory with --ram, or with " + other;
  if (bounds.most == 0 || least.bytes <= bounds.most) {
    return doesNotFitError(needed + leftText(*bounds.room, usable) +
                           "; end other processes that use this memory, or " +
                           smaller);
  }
  return doesNotFitError(needed + "at most " + std::to_string(bounds.most) +
                         " are available; " + smaller);
}

namespace {

/// The bytes of RAM that a placement for a GPU needs for the weights that each
/// pass copies to the GPU, and for those that the CPU reads, if any.
uint64_t lockedRam(const plan::Placement &placement) {
  uint64_t bytes = 0;
  for (const plan::BudgetItem *item : *placement.items()) {
    const std::string_view name = item->name()->string_view();
    if (item->tier() == plan::Tier::Ram &&
        (name == "weights" || name == "ring")) {
      bytes = checkedAdd(bytes, item->bytes()).value_or(UINT64_MAX);
    }
  }
  return bytes;
}

/// The bytes of RAM that weights with random values take (RandomStore).
uint64_t randomBytes(const plan::Plan &plan) {
  uint64_t bytes = 0;
  for (const plan::Segment *segment : *plan.segments()) {
    if (segment->kind() != plan::SegmentKind::Kernels) {
      bytes = checkedAdd(bytes, segment->raw_bytes()).value_or(UINT64_MAX);
    }
  }
  return bytes;
}

} // namespace

Status air::rt::checkFreeRam(const plan::Plan &plan,
                             const plan::Placement &placement, bool isRandom,
                             bool usesCpu, const std::string &root) {
  const uint64_t random = isRandom ? randomBytes(plan) : 0;
  // `random` includes all random weights. Those that passes copy to the GPU
  // have a second copy in page-locked RAM; those that the CPU reads do not.
  const uint64_t locked = isRandom && usesCpu ? copiedBytesPerPass(placement)
                                              : lockedRam(placement);
  const uint64_t needed = checkedAdd(locked, random).value_or(UINT64_MAX);
  const std::optional<MemoryRoom> room =
      needed == 0 ? std::nullopt : MemoryLimit::open(root).read();
  const auto free =
      room ? static_cast<uint64_t>(std::max<int64_t>(room->free, 0)) : needed;
  if (needed <= free) {
    return Status::ok();
  }
  const std::string parts =
      isRandom ? "--random-weights takes " + std::to_string(random) +
                     " bytes of RAM" +
                     (locked == 0 ? ""
                                  : ", and the plan " + std::to_string(locked) +
                                        " bytes, from which each pass copies "
                                        "weights to the GPU")
               : "the plan keeps " + std::to_string(locked) +
                     " bytes of weights in RAM, " +
                     (usesCpu ? "for the CPU and for copies to the GPU"
                              : "from which each pass copies them to the GPU");
  return doesNotFitError(
      "memory: " + parts + ", but only " + std::to_string(free) +
      " bytes are free; end other programs, or " +
      (isRandom  ? "bench a smaller model"
       : usesCpu ? "pack the model with a smaller --cpu-layers or --ram"
                 : "pack the model with a larger --vram or a "
                   "smaller --ram"));
}
