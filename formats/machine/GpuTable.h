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

/// The computer of the class "desktop", "laptop" or "server", without a GPU;
/// nullopt for any other name.
std::optional<MachineProfile> hostClass(std::string_view name);

/// The machine that the name of a GPU stands for: the GPU in a computer of its
/// class. Its name is that of the GPU. nullopt for an unknown name.
std::optional<MachineProfile> machineWithGpu(std::string_view name);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_GPUTABLE_H
