//===- BenchReport.h - measurements -> numbers that are shown ---*- C++ -*-===//
//
//   predicted_tok_s  limit / minimal bytes a token: as fast as this memory
//                    allows
//   beta             minimal bytes / bytes read: 1 when nothing is read twice
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

/// What was measured. Seconds are of the median round, per-token times of all.
/// A phase of 0 tokens was not run, and no report mentions it.
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
  double limitPerSecond = 0; ///< bytes/s, the best that was measured
  uint64_t peakRssBytes = 0;
  double firstTokenSeconds = 0;
  /// Name of a step kind, its seconds in one prefill and in one decode; empty
  /// unless asked for.
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

/// Bytes of weights and KV that one of `passes` passes reads, on average.
double bytesOfPass(const rt::RunCounters &counters, uint64_t passes);

/// The link that limits passes of `passBytes`: "cache" where all of that stays
/// in a last cache of `cacheBytes` from one pass to the next, else "dram".
const char *linkOf(double passBytes, uint64_t cacheBytes);

/// A share may pass 1 by this much: the limit is itself a measurement.
inline constexpr double kShareTolerance = 0.05;

/// How often a limit below the rate is measured again: each time takes some 50
/// milliseconds, and a neighbour of the machine may be busy for seconds.
inline constexpr uint32_t kMostLimitRetries = 20;

/// A busy machine may have given less while the limit was measured than while
/// tokens were made. While decode is above its limit, and at most
/// kMostLimitRetries times, takes what `measureAgain` returns (bytes/s) if that
/// is more.
void raiseLimit(BenchMeasurement &measured,
                const std::function<double()> &measureAgain);

/// Internal when the rate is above the bound (both numbers), or the time of a
/// phase that was run is 0.
Result<BenchReport> evaluate(const BenchMeasurement &measured);

std::string benchJson(const BenchMeasurement &measured,
                      const BenchReport &report);
std::string benchText(const BenchMeasurement &measured,
                      const BenchReport &report);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_BENCHREPORT_H
