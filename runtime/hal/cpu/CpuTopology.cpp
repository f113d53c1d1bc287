//===- CpuTopology.cpp - affinity mask, siblings and nodes ------*- C++ -*-===//
#include "runtime/hal/cpu/CpuTopology.h"

#include "formats/machine/HostFacts.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <sched.h>
#include <set>
#include <string>
#include <tuple>

using namespace air::rt;

namespace {

/// On every system, CPU and node numbers are below this limit.
constexpr uint32_t kMaxNumbers = 65536;

/// Returns the CPU or node numbers that a file in /sys lists, or nothing if
/// there is no such file.
std::vector<uint32_t> readList(const std::string &path) {
  std::FILE *file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    return {};
  }
  char text[4096];
  size_t bytes = std::fread(text, 1, sizeof text, file);
  std::fclose(file);
  return parseCpuList({text, bytes});
}

/// The lowest CPU of the core that `cpu` belongs to, or `cpu` itself if the
/// system does not report it.
uint32_t coreOf(uint32_t cpu) {
  std::vector<uint32_t> cpus =
      readList("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
               "/topology/core_cpus_list");
  return cpus.empty() ? cpu : cpus.front();
}

std::map<uint32_t, uint32_t> nodesOfCpus() {
  std::map<uint32_t, uint32_t> nodes;
  const std::string folder = "/sys/devices/system/node/";
  for (uint32_t node : readList(folder + "online")) {
    for (uint32_t cpu :
         readList(folder + "node" + std::to_string(node) + "/cpulist")) {
      nodes[cpu] = node;
    }
  }
  return nodes;
}

} // namespace

std::vector<uint32_t> air::rt::parseCpuList(std::string_view text) {
  std::vector<uint32_t> numbers;
  const char *at = text.data();
  const char *end = at + text.size();
  while (true) {
    uint32_t first = 0;
    std::from_chars_result read = std::from_chars(at, end, first);
    if (read.ec != std::errc() || first >= kMaxNumbers) {
      return numbers;
    }
    uint32_t last = first;
    if (read.ptr != end && *read.ptr == '-') {
      read = std::from_chars(read.ptr + 1, end, last);
      if (read.ec != std::errc() || last >= kMaxNumbers) {
        return numbers;
      }
    }
    for (uint32_t number = first; number <= last; ++number) {
      numbers.push_back(number);
    }
    if (read.ptr == end || *read.ptr != ',') {
      return numbers;
    }
    at = read.ptr + 1;
  }
}

CpuTopology air::rt::arrangeCpus(std::span<const CpuPlace> places) {
  std::set<uint32_t> cores;
  std::vector<std::tuple<bool, uint32_t, uint32_t>> order;
  for (const CpuPlace &place : places) {
    bool isSibling = !cores.insert(place.core).second;
    order.emplace_back(isSibling, place.node, place.cpu);
  }
  std::sort(order.begin(), order.end());
  CpuTopology topology;
  topology.cores = static_cast<uint32_t>(cores.size());
  for (const auto &[isSibling, node, cpu] : order) {
    topology.cpus.push_back(cpu);
    topology.nodes.push_back(node);
  }
  return topology;
}

std::vector<NodeRun> air::rt::nodeRuns(const CpuTopology &topology,
                                       uint32_t threads) {
  std::vector<NodeRun> runs;
  if (threads > topology.cpus.size()) {
    return runs;
  }
  for (uint32_t thread = 0; thread < threads; ++thread) {
    uint32_t node = topology.nodes[thread];
    if (runs.empty() || runs.back().node != node) {
      runs.push_back({node, thread, thread});
    }
    ++runs.back().end;
  }
  if (runs.size() == 1) {
    runs.clear();
  }
  return runs;
}

CpuTopology air::rt::cpuTopology() {
  std::vector<CpuPlace> places;
  // Doubles the size of the mask until the mask of the system fits.
  for (size_t limit = CPU_SETSIZE; limit <= kMaxNumbers; limit *= 2) {
    cpu_set_t *mask = CPU_ALLOC(limit);
    size_t bytes = CPU_ALLOC_SIZE(limit);
    bool known = sched_getaffinity(0, bytes, mask) == 0;
    if (known) {
      std::map<uint32_t, uint32_t> nodes = nodesOfCpus();
      for (uint32_t cpu = 0; cpu < limit; ++cpu) {
        if (CPU_ISSET_S(cpu, bytes, mask)) {
          auto node = nodes.find(cpu);
          places.push_back(
              {cpu, coreOf(cpu), node == nodes.end() ? 0 : node->second});
        }
      }
    }
    CPU_FREE(mask);
    if (known) {
      break;
    }
  }
  if (places.empty()) {
    places.push_back({});
  }
  return arrangeCpus(places);
}

uint32_t air::rt::busyCores() {
  return std::min(cpuTopology().cores, cpuQuota(""));
}
