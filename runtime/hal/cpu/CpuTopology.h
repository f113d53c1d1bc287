//===- CpuTopology.h - which CPUs this process may compute on ---*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H
#define AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H

#include <cstdint>
#include <vector>

namespace air::rt {

struct CpuTopology {
  /// CPUs that the affinity mask allows: first one of each physical core, then
  /// their hardware siblings; each part ascending. Never empty.
  std::vector<uint32_t> cpus;
  /// How many of them are the first of their core.
  uint32_t cores = 1;
};

/// Reads the affinity mask and, where the system tells, the sibling lists.
CpuTopology cpuTopology();

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H
