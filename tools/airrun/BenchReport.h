//===- BenchReport.h - the report on a measurement --------------*- C++ -*-===//
//
//   predicted_tok_s  limit / minimal bytes per token: the most that the memory
//                    bandwidth allows
//   beta             minimal bytes / bytes read: 1 if nothing is read twice
//   eta              predicted time / measured time
//   share            (bytes read / measured time) / limit
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_BENCHREPORT_H
#define AIRPACK_TOOLS_AIRRUN_BENCHREPORT_H

#include "formats/support/Status.h"
#include "runtime/exec/Executor.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace air {

/// What was measured. Seconds are those of the median round; per-token times
/// are of all rounds. A phase with 0 tokens was not run and is left out of
/// reports.
struct BenchMeasurement {
  uint32_t threads = 0;
  uint32_t rounds = 0;
  uint64_t prefillTokens = 0;
  double prefillSeconds = 0;
  double prefillFlops = 0;
  uint64_t decodeTokens = 0;
  double decodeSeconds = 0;
  std::vector<double> tokenSeconds; ///< sorted
  double minimalBytesPerToken = 0;
  double bytesPerToken = 0;
  std::string link;          ///< "dram" or "cache"
  double limitPerSecond = 0; ///< bytes/s, the best sample
  uint64_t peakRssBytes = 0;
  double firstTokenSeconds = 0;
  /// The name of each step kind, with its seconds in one prefill and in one
  /// decode; empty without --steps.
  std::vector<std::pair<std::string, std::pair<double, double>>> steps;
};

struct BenchReport {
  double prefillRate = 0; ///< tokens/s
  double decodeRate = 0;
  double predictedRate = 0;
  double beta = 0;
  double eta = 0;
  double linkRate = 0; ///< bytes/s
  double share = 0;
};

/// Average bytes of weights and KV that each of `passes` passes reads.
double bytesOfPass(const rt::RunCounters &counters, uint64_t passes);

/// The link that limits passes which read `passBytes`: "cache" if all of that
/// stays in a last-level cache of `cacheBytes` from one pass to the next, else
/// "dram".
const char *linkOf(double passBytes, uint64_t cacheBytes);

/// How far a share may exceed 1, since the limit is itself a measurement.
inline constexpr double kShareTolerance = 0.05;

/// How often a limit that is below the measured rate is measured again. Each
/// measurement takes about 50 ms, and other load on the machine may last for
/// seconds.
inline constexpr uint32_t kMostLimitRetries = 20;

/// Other load may have lowered the bandwidth while the limit was measured. As
/// long as decode is faster than its limit, and at most kMostLimitRetries
/// times, raises the limit to what `measureAgain` returns (bytes/s) if that is
/// higher.
void raiseLimit(BenchMeasurement &measured,
                const std::function<double()> &measureAgain);

/// Returns an Internal error if the rate exceeds its limit (the message states
/// both numbers), or if the time of a phase that was run is 0.
Result<BenchReport> evaluate(const BenchMeasurement &measured);

std::string benchJson(const BenchMeasurement &measured,
                      const BenchReport &report);
std::string benchText(const BenchMeasurement &measured,
                      const BenchReport &report);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_BENCHREPORT_H
