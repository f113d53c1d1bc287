//===- PlanReport.h - measured steps beside their bounds --------*- C++ -*-===//
//
//   byte bound       (weights + keys and values) / rate at which memory is read
//   operation bound  operations / rate of the arithmetic that the kernel uses
//   bound            the larger of both; of several dispatches their sum
//   share            bound / measured time
//
// The rates are the best of the whole run. On a machine whose memory serves
// others too these vary from second to second, so each pass also has a share of
// its own, at the mean of the rates right before and right after it.
//
// Dispatches are timed one by one, which costs a wake-up of all threads each;
// the whole pass is timed apart. `outside` is what the pass takes beyond its
// dispatches: barriers, and what the host does between two passes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_PLANREPORT_H
#define AIRPACK_TOOLS_AIR_BENCH_PLANREPORT_H

#include "formats/support/Status.h"
#include "tools/air-bench/PlanCosts.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::bench {

/// The best that was measured so far.
struct MachineRates {
  double bytes = 0; ///< read a second
  ArithmeticRates arithmetic;

  double operations(const KernelArithmetic &kernel) const {
    return arithmetic.of(kernel.kind) / kernel.repeats;
  }
};

/// A pass and what the machine gave around it.
struct PassSample {
  double seconds = 0;
  MachineRates before;
  MachineRates after;
};

/// The middle of some values, and the quarters below and above it.
struct Quartiles {
  double low = 0;
  double median = 0;
  double high = 0;
};

/// Seconds are medians over the passes.
struct PlanMeasurement {
  uint32_t threads = 0;
  uint32_t rounds = 0;
  uint64_t timedPasses = 0; ///< dispatch by dispatch
  PassShape shape;
  std::string link; ///< "dram", or "cache" where all weights fit
  MachineRates rates;
  /// Of all samples of rates.bytes: far below it, others took their part.
  double medianBytes = 0;
  std::vector<StepCost> steps;
  /// One for each dispatch, through all steps.
  std::vector<double> dispatchSeconds;
  std::vector<PassSample> passes; ///< whole ones; at least one
  /// All dispatches with kernels that do nothing: as one pass, and singly.
  double emptyPassSeconds = 0;
  double emptySingleSeconds = 0;
};

struct PartReport {
  double seconds = 0;
  double weightBytes = 0;
  double kvBytes = 0;
  double operations = 0;
  double byteBound = 0; ///< seconds
  double operationBound = 0;
  double bound = 0;

  double share() const { return seconds > 0 ? bound / seconds : 0; }
};

struct KindReport {
  std::string kind;
  uint64_t steps = 0;
  PartReport part;
};

struct PlanReport {
  std::vector<PartReport> dispatches;
  std::vector<PartReport> steps;
  std::vector<KindReport> kinds; ///< in the order in which a pass meets them
  PartReport sum;                ///< of all dispatches, timed singly
  PartReport whole;              ///< the same work in the time of a pass
  Quartiles adjacentShare;       ///< of passes, at the rates around each
  double outsideSeconds = 0;
  uint64_t barriers = 0;
  /// Where a share is above the most that a measurement may give: its name and
  /// both numbers. Empty otherwise.
  std::string impossible;
};

PlanReport evaluate(const PlanMeasurement &measured);

std::string planJson(const PlanMeasurement &measured, const PlanReport &report);
std::string planText(const PlanMeasurement &measured, const PlanReport &report);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANREPORT_H
