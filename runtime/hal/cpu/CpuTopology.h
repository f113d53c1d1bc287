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
  /// core, then their SMT siblings. Each of the two parts is sorted by memory
  /// node, then by number. Never empty.
  std::vector<uint32_t> cpus;
  /// The memory node of each CPU; 0 if the system does not report it.
  std::vector<uint32_t> nodes;
  /// The number of physical cores, which is the size of the first part.
  uint32_t cores = 1;
};

/// Reads the affinity mask and, if the system reports them, siblings and nodes.
CpuTopology cpuTopology();

/// A CPU as the system describes it.
struct CpuPlace {
  uint32_t cpu = 0;
  uint32_t core = 0; ///< a number that all CPUs of a core share
  uint32_t node = 0;
};

/// The topology of these CPUs, which are given in ascending order.
CpuTopology arrangeCpus(std::span<const CpuPlace> places);

/// Threads [first, end) of a pool, all on CPUs of one memory node.
struct NodeRun {
  uint32_t node = 0;
  uint32_t first = 0;
  uint32_t end = 0;
};

/// The nodes of `threads` threads, if thread t computes on cpus[t], in the
/// order of the threads. Empty if there is nothing to decide: with a single
/// node, or with more threads than CPUs.
std::vector<NodeRun> nodeRuns(const CpuTopology &topology, uint32_t threads);

/// The numbers of a list in the system's notation, "0-3,8,10-11". Reading stops
/// at the first malformed entry; the numbers before it are returned.
std::vector<uint32_t> parseCpuList(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H
