//===- PlanDevice.h - which device runs a plan's kernels --------*- C++ -*-===//
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

/// Returns the index of the device on which all kernels of the plan run, and
/// whose memory contains everything that they use. Returns Unsupported if they
/// run on several devices, or use the memory of another one; the message names
/// a step, buffer or segment of each device.
Result<uint32_t> deviceOfKernels(const plan::Plan &plan);

/// The plan's record of a device, or null if it has none, as for the CPU.
const plan::Device *deviceRecord(const plan::Plan &plan, uint32_t device);

/// What a placement needs of one kind of memory.
struct MemoryNeed {
  uint64_t bytes = 0;
  std::string items; ///< for messages: "activations 4096, KV cache 65536"
};
MemoryNeed memoryNeed(const plan::Placement &placement, plan::Tier tier);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_PLANDEVICE_H
