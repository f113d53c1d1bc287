//===- CpuTopology.h - which CPUs this process may compute on ---*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H
#define AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace air::rt {

struct CpuTopology {
  /// CPUs that the affinity mask allows: first one of each physical core, then
  /// their hardware siblings; each part by memory node, then ascending. Never
  /// empty.
  std::vector<uint32_t> cpus;
  /// The memory node of each; 0 where the system doesn't tell.
  std::vector<uint32_t> nodes;
  /// How many of them are the first of their core.
  uint32_t cores = 1;
};

/// Reads the affinity mask and, where the system tells, siblings and nodes.
CpuTopology cpuTopology();

/// One CPU as the system describes it.
struct CpuPlace {
  uint32_t cpu = 0;
  uint32_t core = 0; ///< a number that the CPUs of one core share
  uint32_t node = 0;
};

/// The topology of these CPUs, given in ascending order.
CpuTopology arrangeCpus(std::span<const CpuPlace> places);

/// Threads [first, end) of a pool, all on CPUs of one memory node.
struct NodeRun {
  uint32_t node = 0;
  uint32_t first = 0;
  uint32_t end = 0;
};

/// Thread t on cpus[t]: runs in the order of threads. Empty where there is
/// nothing to choose: on one node, or with more threads than CPUs.
std::vector<NodeRun> nodeRuns(const CpuTopology &topology, uint32_t threads);

/// The numbers of a list as the system writes it, "0-3,8,10-11"; those before
/// the first thing that is no number.
std::vector<uint32_t> parseCpuList(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CPUTOPOLOGY_H
