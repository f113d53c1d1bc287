//===- ProbeReport.h - what a probe measured, for people --------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PROBEREPORT_H
#define AIRPACK_TOOLS_AIRRUN_PROBEREPORT_H

#include "formats/machine/MachineProfile.h"

#include <string>

namespace air {

/// Tables of the rates of `profile`. The share of an arithmetic rate is its
/// part of byte_dot, that of a stream its part of memory_bandwidth. Columns and
/// rows without a value have a dash. `cpuModel` is hostCpuModel().
std::string probeReport(const MachineProfile &profile,
                        const std::string &cpuModel);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PROBEREPORT_H
