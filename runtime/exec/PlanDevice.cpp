//===- PlanDevice.cpp - all of a plan must be on one device -----*- C++ -*-===//
#include "runtime/exec/PlanDevice.h"

#include "formats/plan/BudgetItemText.h"
#include "formats/support/CheckedMath.h"

#include <vector>

using namespace air;
using namespace air::rt;

const plan::Device *air::rt::deviceRecord(const plan::Plan &plan,
                                          uint32_t device) {
  const auto *devices = plan.machine()->devices();
  return device == 0 || devices == nullptr || device > devices->size()
             ? nullptr
             : devices->Get(device - 1);
}

MemoryNeed air::rt::memoryNeed(const plan::Placement &placement,
                               plan::Tier tier) {
  MemoryNeed need;
  for (const plan::BudgetItem *item : *placement.items()) {
    if (item->tier() == tier) {
      need.bytes = checkedAdd(need.bytes, item->bytes()).value_or(UINT64_MAX);
      need.items += need.items.empty() ? "" : ", ";
      need.items += budgetItemText(item->name()->string_view());
      need.items += " " + std::to_string(item->bytes());
    }
  }
  return need;
}

namespace {

/// Checks that everything that is passed to add() is on the same device.
class SameDevice {
public:
  explicit SameDevice(const plan::Plan &root) : plan(root) {}

  Status add(const std::string &what, uint32_t device) {
    if (firstWhat.empty()) {
      firstWhat = what;
      first = device;
    }
    return device == first
               ? Status::ok()
               : unsupportedError(
                     what + " is on " + nameOf(device) + ", but " + firstWhat +
                     " is on " + nameOf(first) +
                     "; this version runs only plans whose kernels, weights, "
                     "KV "
                     "cache and activations are all on one device; pack the "
                     "model again for a single device");
  }
  uint32_t device() const { return first; }

private:
  std::string nameOf(uint32_t device) const {
    const plan::Device *record = deviceRecord(plan, device);
    return record == nullptr ? "the CPU"
                             : "GPU '" + record->name()->str() + "'";
  }

  const plan::Plan &plan;
  uint32_t first = 0;
  std::string firstWhat;
};

Status addPlacement(SameDevice &same, const plan::Plan &plan,
                    const plan::Placement &placement) {
  // Whether each pass copies a segment to the device that runs the kernels.
  std::vector<bool> isCopied(plan.segments()->size());
  if (placement.device_reads() != nullptr) {
    for (const plan::StreamRead *read : *placement.device_reads()) {
      isCopied[read->segment()] = true;
    }
  }
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    if (segment.kind() != plan::SegmentKind::Kernels && !isCopied[i]) {
      const bool isListed =
          placement.device() != nullptr && i < placement.device()->size();
      AIR_RETURN_IF_ERROR(same.add("segment '" + segment.name()->str() + "'",
                                   isListed ? placement.device()->Get(i) : 0));
    }
  }
  return Status::ok();
}

} // namespace

Result<uint32_t> air::rt::deviceOfKernels(const plan::Plan &plan) {
  SameDevice same(plan);
  for (const plan::Program *program : *plan.programs()) {
    for (const plan::Step *step : *program->steps()) {
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        AIR_RETURN_IF_ERROR(same.add(
            "step '" + step->name()->str() + "'",
            plan.executables()->Get(dispatch->executable())->device()));
      }
    }
  }
  for (const plan::Buffer *buffer : *plan.buffers()) {
    AIR_RETURN_IF_ERROR(
        same.add("buffer '" + buffer->name()->str() + "'", buffer->device()));
  }
  for (uint32_t i = 0;
       plan.cache_groups() != nullptr && i < plan.cache_groups()->size(); ++i) {
    AIR_RETURN_IF_ERROR(same.add("cache group " + std::to_string(i),
                                 plan.cache_groups()->Get(i)->device()));
  }
  for (const plan::Placement *placement : *plan.placements()) {
    AIR_RETURN_IF_ERROR(addPlacement(same, plan, *placement));
  }
  return same.device();
}
