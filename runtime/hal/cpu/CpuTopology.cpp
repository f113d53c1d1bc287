//===- CpuTopology.cpp - affinity mask and sibling lists --------*- C++ -*-===//
#include "runtime/hal/cpu/CpuTopology.h"

#include <cstdio>
#include <sched.h>
#include <set>

using namespace air::rt;

namespace {

/// The lowest CPU of the core that `cpu` belongs to; `cpu` itself when the
/// system doesn't say.
uint32_t coreOf(uint32_t cpu) {
  char path[96];
  std::snprintf(path, sizeof path,
                "/sys/devices/system/cpu/cpu%u/topology/core_cpus_list", cpu);
  std::FILE *file = std::fopen(path, "re");
  if (file == nullptr) {
    return cpu;
  }
  uint32_t lowest = cpu;
  if (std::fscanf(file, "%u", &lowest) != 1) {
    lowest = cpu;
  }
  std::fclose(file);
  return lowest;
}

} // namespace

CpuTopology air::rt::cpuTopology() {
  CpuTopology topology;
  topology.cores = 0;
  // Grows until the kernel's mask fits; 64 Ki CPUs are beyond any kernel.
  for (size_t limit = CPU_SETSIZE; limit <= 65536; limit *= 2) {
    cpu_set_t *mask = CPU_ALLOC(limit);
    size_t bytes = CPU_ALLOC_SIZE(limit);
    bool known = sched_getaffinity(0, bytes, mask) == 0;
    if (known) {
      std::vector<uint32_t> siblings;
      std::set<uint32_t> seenCores;
      for (uint32_t cpu = 0; cpu < limit; ++cpu) {
        if (CPU_ISSET_S(cpu, bytes, mask)) {
          bool first = seenCores.insert(coreOf(cpu)).second;
          (first ? topology.cpus : siblings).push_back(cpu);
        }
      }
      topology.cores = static_cast<uint32_t>(topology.cpus.size());
      topology.cpus.insert(topology.cpus.end(), siblings.begin(),
                           siblings.end());
    }
    CPU_FREE(mask);
    if (known) {
      break;
    }
  }
  if (topology.cpus.empty()) {
    topology.cpus = {0};
    topology.cores = 1;
  }
  return topology;
}
