//===- CpuTopology.h - which CPUs this process may compute on ---*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H
#define AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace air::rt {

struct CpuTopology {
  /// The CPUs that the affinity mask allows: first one CPU of each physical
  /// core, then their SMT siblings. Each of the two parts is sorted by NUMA
  /// node, then by CPU number. If the mask cannot be read, this is CPU 0.
  std::vector<uint32_t> cpus;
  /// The NUMA node of each element of `cpus`; 0 if the system does not report
  /// it.
  std::vector<uint32_t> nodes;
  /// The number of physical cores that have a CPU in `cpus`. The first `cores`
  /// elements of `cpus` each belong to a different core.
  uint32_t cores = 1;
};

/// Reads the affinity mask and, if the system reports them, the SMT siblings
/// and the NUMA nodes of the CPUs.
CpuTopology cpuTopology();

/// Returns how many cores this process can keep busy: cpuTopology().cores, or
/// the CPU quota of the process's cgroups (cpuQuota() in HostFacts.h) if that
/// is smaller.
uint32_t busyCores();

/// A CPU as the system describes it.
struct CpuPlace {
  uint32_t cpu = 0;
  uint32_t core = 0; ///< a number that all CPUs of a core share
  uint32_t node = 0;
};

/// Builds the topology from `places`, which must be in ascending order of CPU
/// numbers.
CpuTopology arrangeCpus(std::span<const CpuPlace> places);

/// Threads [first, end) of a pool, all on CPUs of one NUMA node.
struct NodeRun {
  uint32_t node = 0;
  uint32_t first = 0;
  uint32_t end = 0;
};

/// Divides the threads of a pool into runs of successive threads that are on
/// the same NUMA node; thread t computes on topology.cpus[t]. A node may have
/// two runs, because SMT siblings come last. The result is empty if all threads
/// are on one node, or if there are more threads than CPUs.
std::vector<NodeRun> nodeRuns(const CpuTopology &topology, uint32_t threads);

/// Parses a list in the notation of the Linux kernel, such as "0-3,8,10-11".
/// Stops at the first malformed entry and returns the numbers before it.
std::vector<uint32_t> parseCpuList(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H
