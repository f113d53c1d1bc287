//===- GpuTable.h - GPUs by name, and the machines around them --*- C++ -*-===//
//
// How fast a model runs on a GPU also depends on the CPU, the RAM and the disk.
// Each GPU in the table therefore comes with a typical desktop computer or a
// typical server. withCpu() replaces this computer by another one, such as a
// laptop. All rates are nominal; GpuTable.cpp has their sources.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_GPUTABLE_H
#define AIRPACK_FORMATS_MACHINE_GPUTABLE_H

#include "formats/machine/MachineProfile.h"

#include <optional>
#include <string_view>

namespace air {

enum class HostClass : uint8_t { Desktop = 0, Laptop = 1, Server = 2 };

/// Whether plans can be made for the GPU: its backend is Cuda, and its arch and
/// number of multiprocessors are known.
bool canPlanFor(const GpuProfile &gpu);

/// The computer of the class "desktop", "laptop" or "server", without a GPU;
/// nullopt for any other name.
std::optional<MachineProfile> hostClass(std::string_view name);

/// Returns a machine that has the GPU called `name` and the CPU, RAM and disk
/// of the hostClass() that the table states for this GPU. The machine has the
/// same name as the GPU. Returns nullopt if the table has no GPU of this name.
std::optional<MachineProfile> machineWithGpu(std::string_view name);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_GPUTABLE_H
