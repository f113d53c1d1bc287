//===- PlanDevice.h - which devices run a plan's kernels --------*- C++ -*-===//
//
// Devices are numbered as in formats/plan/plan.fbs: 0 is the CPU, and device
// i + 1 is Machine.devices[i].
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_PLANDEVICE_H
#define AIRPACK_RUNTIME_EXEC_PLANDEVICE_H

#include "formats/plan/PlanFile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>

namespace air::rt {

/// The devices that run the kernels of a plan: the CPU, a GPU, or both.
struct KernelDevices {
  bool cpu = false;
  uint32_t gpu = 0; ///< its index; 0 if there is none
};

/// Returns the devices that run the kernels of `plan`. The plan must have been
/// verified. Returns Unsupported in two cases: a GPU runs kernels, but the
/// logits are in the memory of the CPU; or an executable, a cache group or an
/// output is on a device that runs no step.
Result<KernelDevices> devicesOfKernels(const plan::Plan &plan);

/// The plan's record of a device; null if the plan has no record of it. The CPU
/// never has one.
const plan::Device *deviceRecord(const plan::Plan &plan, uint32_t device);

/// What a placement needs of one kind of memory.
struct MemoryNeed {
  uint64_t bytes = 0;
  std::string items; ///< for messages: "activations 4096, KV cache 65536"
};
MemoryNeed memoryNeed(const plan::Placement &placement, plan::Tier tier);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_PLANDEVICE_H
