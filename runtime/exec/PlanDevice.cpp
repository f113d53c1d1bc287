//===- PlanDevice.cpp - the devices of a plan -------------------*- C++ -*-===//
#include "runtime/exec/PlanDevice.h"

#include "formats/plan/BudgetItemText.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

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

/// "the CPU" or "GPU 'NAME'".
std::string nameOf(const plan::Plan &plan, uint32_t device) {
  const plan::Device *record = deviceRecord(plan, device);
  return record == nullptr ? "the CPU" : "GPU '" + record->name()->str() + "'";
}

/// Checks that executables, cache groups and outputs are on devices that run
/// steps. Other devices are not opened, so nothing can be loaded or allocated
/// there.
Status checkOwners(const plan::Plan &plan, const KernelDevices &devices) {
  const auto check = [&](const std::string &what, uint32_t device) {
    return (device == 0 ? devices.cpu : device == devices.gpu)
               ? Status::ok()
               : unsupportedError(
                     what + " is on " + nameOf(plan, device) +
                     ", which runs no step of the plan; this version needs it "
                     "on a device that runs steps, so pack the model again "
                     "with this version");
  };
  for (uint32_t i = 0; i < plan.executables()->size(); ++i) {
    AIR_RETURN_IF_ERROR(check("executable " + std::to_string(i),
                              plan.executables()->Get(i)->device()));
  }
  for (uint32_t i = 0;
       plan.cache_groups() != nullptr && i < plan.cache_groups()->size(); ++i) {
    AIR_RETURN_IF_ERROR(check("KV cache group " + std::to_string(i),
                              plan.cache_groups()->Get(i)->device()));
  }
  for (const plan::Buffer *buffer : *plan.buffers()) {
    if (buffer->is_output()) {
      AIR_RETURN_IF_ERROR(check("output buffer '" + buffer->name()->str() + "'",
                                buffer->device()));
    }
  }
  return Status::ok();
}

} // namespace

Result<KernelDevices> air::rt::devicesOfKernels(const plan::Plan &plan) {
  KernelDevices devices;
  for (const plan::Program *program : *plan.programs()) {
    for (const plan::Step *step : *program->steps()) {
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        const uint32_t device =
            plan.executables()->Get(dispatch->executable())->device();
        devices.cpu = devices.cpu || device == 0;
        devices.gpu = std::max(devices.gpu, device);
      }
    }
  }
  for (const plan::Buffer *buffer : *plan.buffers()) {
    if (devices.gpu != 0 && buffer->is_output() && buffer->device() == 0) {
      return unsupportedError(
          "buffer '" + buffer->name()->str() +
          "' is an output of the CPU, but other steps run on GPU '" +
          deviceRecord(plan, devices.gpu)->name()->str() +
          "'; this version needs the output head on the GPU, so pack the model "
          "again with this version");
    }
  }
  AIR_RETURN_IF_ERROR(checkOwners(plan, devices));
  return devices;
}
