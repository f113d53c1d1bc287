//===- ResidencyCost.cpp - what a pass costs with a placement -------------===//
#include "compiler/planner/ResidencyCost.h"

#include "formats/machine/CpuRates.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

namespace air::compiler {
namespace {

/// The seconds for `amount` at `rate` per second; 0 if the rate is not known.
double secondsAt(double amount, double rate) {
  return rate > 0 ? amount / rate : 0;
}

} // namespace

double touchedShare(const WeightClass &weights, const Phase &phase) {
  return weights.touch >= 1 ? 1
                            : 1 - std::pow(1 - weights.touch,
                                           static_cast<double>(phase.tokens));
}

ClassCost classCost(const ResidencyProblem &problem, const WeightClass &weights,
                    const Phase &phase) {
  ClassCost cost;
  cost.bytes =
      static_cast<double>(weights.bytes) * touchedShare(weights, phase);
  const auto tokens =
      static_cast<double>(weights.isForOutputs ? phase.outputs : phase.tokens);
  cost.cpuReading = secondsAt(cost.bytes, problem.links.memory);
  cost.gpuReading = secondsAt(cost.bytes, problem.links.vram);
  const auto known = weights.cpuSecondsOfPass.find(phase.tokens);
  if (known != weights.cpuSecondsOfPass.end()) {
    cost.cpuArithmetic = known->second;
    cost.cpuSeconds = overlappedTime(cost.cpuReading, cost.cpuArithmetic);
  } else {
    cost.cpuArithmetic = tokens * weights.cpuSecondsPerToken;
    cost.cpuSeconds = std::max(cost.cpuReading, cost.cpuArithmetic);
  }
  cost.gpuSeconds =
      std::max(cost.gpuReading, tokens * weights.gpuSecondsPerToken);
  return cost;
}

double streamedCrossings(const ResidencyProblem &problem) {
  return problem.countsRingWrites ? 2 : 1;
}

std::vector<PhaseLoad> passLoads(const ResidencyProblem &problem,
                                 const Residency &placement) {
  std::vector<PhaseLoad> loads;
  const double crossings = streamedCrossings(problem);
  const auto kv = static_cast<double>(placement.kvVram + placement.kvRam);
  for (size_t p = 0; p < problem.phases.size(); ++p) {
    const Phase &phase = problem.phases[p];
    PhaseLoad load;
    double cpuReading = 0;
    double cpuArithmetic = 0;
    double gpuReading = 0;
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      const WeightClass &weights = problem.classes[i];
      const ClassPlacement &place = placement.classes[i];
      if (weights.bytes == 0) {
        continue;
      }
      const ClassCost cost = classCost(problem, weights, phase);
      const auto share = [&](uint64_t bytes) {
        return static_cast<double>(bytes) / static_cast<double>(weights.bytes);
      };
      const double ramGpu = share(place.ram) * place.ramOnGpu[p];
      const double ramCpu = share(place.ram) - ramGpu;
      const double diskGpu = share(place.disk) * place.diskOnGpu[p];
      const double diskCpu = share(place.disk) - diskGpu;
      const double onGpu = share(place.vram) + ramGpu + diskGpu;
      load.diskBytes += cost.bytes * (diskCpu + diskGpu);
      load.transferBytes += cost.bytes * (ramGpu + diskGpu);
      load.memoryBytes +=
          cost.bytes * (ramCpu + ramGpu + crossings * (diskCpu + diskGpu));
      load.vramBytes += cost.bytes * onGpu;
      load.cpuSeconds += cost.cpuSeconds * (ramCpu + diskCpu);
      load.gpuSeconds += cost.gpuSeconds * onGpu;
      cpuReading += cost.cpuReading * (ramCpu + diskCpu);
      cpuArithmetic += cost.cpuArithmetic * (ramCpu + diskCpu);
      gpuReading += cost.gpuReading * onGpu;
    }
    if (kv > 0) {
      const auto read = static_cast<double>(phase.kvBytesRead);
      const double fromRam = read * static_cast<double>(placement.kvRam) / kv;
      const double fromVram = read - fromRam;
      load.memoryBytes += fromRam;
      load.vramBytes += fromVram;
      load.cpuSeconds += secondsAt(fromRam, problem.links.memory);
      load.gpuSeconds += secondsAt(fromVram, problem.links.vram);
      cpuReading += secondsAt(fromRam, problem.links.memory);
      gpuReading += secondsAt(fromVram, problem.links.vram);
    }
    const double handover =
        placement.devices == Devices::Both ? problem.handoverSeconds : 0;
    const double devices = placement.schedule == Schedule::Fluid
                               ? std::max(load.cpuSeconds, load.gpuSeconds)
                               : load.cpuSeconds + load.gpuSeconds;
    // The device that works longer may limit the pass: a CPU by its memory if
    // reading takes at least as long as its arithmetic, and otherwise by its
    // arithmetic; a GPU by its memory if reading takes at least half of its
    // time, and otherwise by its arithmetic.
    const bool isCpu = load.cpuSeconds >= load.gpuSeconds;
    const bool reads =
        isCpu ? cpuReading >= cpuArithmetic : 2 * gpuReading >= load.gpuSeconds;
    const char *device =
        isCpu ? (reads ? "dram" : "cpu") : (reads ? "vram" : "gpu");
    for (const auto &[seconds, name] :
         {std::pair(devices + handover, device),
          std::pair(secondsAt(load.memoryBytes, problem.links.memory), "dram"),
          std::pair(secondsAt(load.transferBytes, problem.links.transfer),
                    "pcie"),
          std::pair(secondsAt(load.diskBytes, problem.links.disk), "disk")}) {
      if (seconds > load.seconds) {
        load.seconds = seconds;
        load.limit = name;
      }
    }
    loads.push_back(std::move(load));
  }
  return loads;
}

} // namespace air::compiler
