//===- ProbeReport.h - what a probe measured, for people --------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PROBEREPORT_H
#define AIRPACK_TOOLS_AIRRUN_PROBEREPORT_H

#include "formats/machine/MachineProfile.h"
#include "runtime/hal/cuda/probe/GpuProbe.h"

#include <span>
#include <string>

namespace air {

/// Returns tables of the rates of `profile`. Each arithmetic rate is also shown
/// as a share of byte_dot, and each stream as a share of memory_bandwidth. A
/// rate that is not known is shown as a dash. If the disk has not been
/// measured, its table is left out. `cpuModel` is hostCpuModel().
std::string probeReport(const MachineProfile &profile,
                        const std::string &cpuModel);

/// Returns a table for each GPU: what it is, the rates of its memory and, for
/// copies of several sizes between page-locked RAM and the GPU, their rates and
/// times. The result is empty if there is no GPU.
std::string gpuReport(std::span<const rt::GpuProbeResult> gpus);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PROBEREPORT_H
