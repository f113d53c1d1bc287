//===- PlanReport.h - measured steps beside their bounds --------*- C++ -*-===//
//
//   byte bound       (weights + KV) / read bandwidth
//   operation bound  operations / peak rate of the kernel's arithmetic
//   bound            the larger of the two; for several dispatches, their sum
//   share            bound / measured time
//
// The read bandwidth and the peak rates are the highest that were measured in
// the whole run. On a shared machine they vary from second to second. Therefore
// each pass also has an adjacent share. Its bound is the mean of two bounds:
// one from the rates measured right before the pass, and one from those
// measured right after it.
//
// Some passes are timed as a whole, and others dispatch by dispatch. The rates
// are measured before and after the passes of both kinds. A pass that is timed
// dispatch by dispatch is left out if it is not steady (isSteady()), since
// memory may have been faster during this pass than in any measurement of the
// read bandwidth. If too few passes would remain, none is left out.
//
// In a pass that is timed dispatch by dispatch, the time of each dispatch
// includes a wake-up of all threads. `emptySingleSeconds` is an estimate for
// the sum of these wake-ups. It is subtracted from the sum of the times of all
// dispatches. `outsideSeconds` is the time by which a pass that is timed as a
// whole takes longer than this difference. It is spent at barriers, and in the
// host's work before the first dispatch and after the last one.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_PLANREPORT_H
#define AIRPACK_TOOLS_AIR_BENCH_PLANREPORT_H

#include "formats/support/Status.h"
#include "tools/air-bench/PlanCosts.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace air::bench {

struct MachineRates {
  double bytes = 0; ///< bytes read per second
  ArithmeticRates arithmetic;

  double operations(const KernelArithmetic &kernel) const {
    return arithmetic.of(kernel.kind) / kernel.repeats;
  }
};

/// The time that a pass took, and the rates of the machine that were measured
/// right before and right after the pass.
struct PassSample {
  double seconds = 0;
  MachineRates before;
  MachineRates after;
};

struct Quartiles {
  double low = 0;
  double median = 0;
  double high = 0;
};

/// What was measured. Times are in seconds and are medians over the passes.
struct PlanMeasurement {
  uint32_t threads = 0;
  uint32_t rounds = 0;
  /// The number of passes from which dispatchSeconds was computed. Each of them
  /// was timed dispatch by dispatch.
  uint64_t timedPasses = 0;
  /// The number of passes that were timed dispatch by dispatch but were not
  /// steady (isSteady()).
  uint64_t unsteadyPasses = 0;
  /// Whether dispatchSeconds was computed without the unsteady passes, because
  /// there were enough steady ones.
  bool leavesOutUnsteady = false;
  /// The number of passes that were timed dispatch by dispatch and were too
  /// fast (isTooFast()). If at least half of all passes that were timed
  /// dispatch by dispatch were too fast, the measured limits are probably
  /// wrong, and evaluate() sets PlanReport::impossible.
  uint64_t tooFastPasses = 0;
  PassShape shape;
  /// "cache" if the weights and KV that a pass reads fit in the last-level
  /// cache, otherwise "dram".
  std::string link;
  MachineRates rates;
  /// The median of all samples of the read bandwidth, in bytes per second.
  /// `rates.bytes` is the highest sample. If the median is far below it, other
  /// processes were using the memory.
  double medianBytes = 0;
  std::vector<StepCost> steps;
  /// The time of each dispatch, in the order of the steps.
  std::vector<double> dispatchSeconds;
  /// The largest number of bytes that the threads together may have prefetched
  /// into their caches before a dispatch begins.
  double aheadBytes = 0;
  std::vector<PassSample> passes; ///< whole passes, at least one
  /// The time of all dispatches with empty kernels: emptyPassSeconds if they
  /// run as one pass, emptySingleSeconds if they run one by one.
  double emptyPassSeconds = 0;
  double emptySingleSeconds = 0;
};

struct PartReport {
  double seconds = 0;
  double weightBytes = 0;
  double kvBytes = 0;
  double operations = 0;
  double byteBound = 0; ///< in seconds
  double operationBound = 0;
  double bound = 0;

  double share() const { return seconds > 0 ? bound / seconds : 0; }
};

struct KindReport {
  std::string kind;
  uint64_t steps = 0; ///< the parts of a divided step count as one
  PartReport part;
};

/// The share of a pass is the least time that the rates measured right before
/// and right after it allow, divided by the time that the pass took. Passes
/// whose share is above kMostShare are left out.
struct AdjacentShare {
  /// Absent if at least half of the passes are left out.
  std::optional<Quartiles> shares;
  uint64_t passes = 0; ///< those that are not left out
};

struct PlanReport {
  std::vector<PartReport> dispatches;
  std::vector<PartReport> steps; ///< each part of a divided step has an entry
  /// One entry per kind of step, in the order in which the kinds first occur.
  std::vector<KindReport> kinds;
  uint64_t wholeSteps = 0; ///< the sum of KindReport::steps
  PartReport sum;          ///< all dispatches, timed one by one
  PartReport whole;        ///< all dispatches, timed as one pass
  AdjacentShare adjacent;
  double outsideSeconds = 0;
  uint64_t barriers = 0;
  /// States which measurement exceeded its limit by more than kMostShare
  /// allows, with both values, or how many passes were too fast
  /// (PlanMeasurement::tooFastPasses). Empty if the limits are plausible.
  std::string impossible;
};

/// The largest ratio of the read bandwidths before and after a steady pass.
inline constexpr double kSteadyRatio = 1.2;

/// Whether a pass was faster than it can have been: the least time that the
/// limits measured around it allow is more than kMostShare times the time that
/// it took.
bool isTooFast(const PlanMeasurement &measured, const PassSample &pass);

/// Whether the limits measured around a pass also held during the pass. They
/// did not if the read bandwidths before and after the pass differ by more than
/// a factor of kSteadyRatio, or if the pass was too fast (isTooFast()). In both
/// cases, the bandwidth changed at an unknown time.
bool isSteady(const PlanMeasurement &measured, const PassSample &pass);

PlanReport evaluate(const PlanMeasurement &measured);

std::string planJson(const PlanMeasurement &measured, const PlanReport &report);
std::string planText(const PlanMeasurement &measured, const PlanReport &report);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANREPORT_H
