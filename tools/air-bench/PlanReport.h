//===- PlanReport.h - measured steps beside their bounds --------*- C++ -*-===//
//
//   byte bound       (weights + KV) / read bandwidth
//   operation bound  operations / peak rate of the kernel's arithmetic
//   bound            the larger of the two; for several dispatches, their sum
//   share            bound / measured time
//
// The rates are the best of the whole run. On a shared machine they vary from
// second to second, so each pass also has a share of its own, at the mean of
// the rates right before and right after it.
//
// Dispatches are timed one by one, each with a wake-up of all threads; the
// whole pass is timed separately. `outside` is the time of a pass beyond that
// of its dispatches: barriers, and the host's work between two passes.
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

/// The best rates so far.
struct MachineRates {
  double bytes = 0; ///< bytes read per second
  ArithmeticRates arithmetic;

  double operations(const KernelArithmetic &kernel) const {
    return arithmetic.of(kernel.kind) / kernel.repeats;
  }
};

/// The time of a pass, with the rates right before and after it.
struct PassSample {
  double seconds = 0;
  MachineRates before;
  MachineRates after;
};

/// The median and the quartiles of some values.
struct Quartiles {
  double low = 0;
  double median = 0;
  double high = 0;
};

/// Seconds are medians over the passes.
struct PlanMeasurement {
  uint32_t threads = 0;
  uint32_t rounds = 0;
  uint64_t timedPasses = 0; ///< passes that were timed dispatch by dispatch
  PassShape shape;
  std::string link; ///< "cache" if weights and KV of a pass fit, else "dram"
  MachineRates rates;
  /// The median of the samples of which rates.bytes is the best. If it is far
  /// lower, other processes used the memory.
  double medianBytes = 0;
  std::vector<StepCost> steps;
  /// One per dispatch, in the order of the steps.
  std::vector<double> dispatchSeconds;
  std::vector<PassSample> passes; ///< whole passes, at least one
  /// The time of all dispatches with empty kernels, run as one pass and one by
  /// one.
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
  std::vector<KindReport> kinds; ///< in the order of their first step
  PartReport sum;                ///< of all dispatches, timed one by one
  PartReport whole;              ///< the same work, timed as one pass
  Quartiles adjacentShare;       ///< shares of passes at the rates around them
  double outsideSeconds = 0;
  uint64_t barriers = 0;
  /// Names the first part whose share exceeds kMostShare, with its time and its
  /// bound. Empty if there is none.
  std::string impossible;
};

PlanReport evaluate(const PlanMeasurement &measured);

std::string planJson(const PlanMeasurement &measured, const PlanReport &report);
std::string planText(const PlanMeasurement &measured, const PlanReport &report);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANREPORT_H
