//===- GpuTable.h - GPUs by name, and the machines around them --*- C++ -*-===//
//
// A named GPU stands in a computer of one of three classes, because what a
// model does on it also depends on the CPU, the RAM and the disk. All rates are
// nominal; GpuTable.cpp has their sources.
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

/// Returns a machine with the GPU called `name`: a typical computer of the
/// class (hostClass()) in which the GPU is used. The machine has the name of
/// the GPU. Returns nullopt for an unknown name.
std::optional<MachineProfile> machineWithGpu(std::string_view name);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_GPUTABLE_H
