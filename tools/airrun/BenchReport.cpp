//===- BenchReport.cpp - rates, shares and their bound ----------*- C++ -*-===//
#include "tools/airrun/BenchReport.h"

#include "tools/airrun/Common.h"

#include <algorithm>
#include <cmath>

namespace air {
namespace {

double percentile(const std::vector<double> &sorted, double share) {
  if (sorted.empty()) {
    return 0;
  }
  auto place = static_cast<size_t>(
      std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(place, 1, sorted.size()) - 1];
}

/// The rate at which decode reads, in bytes per second.
double linkRate(const BenchMeasurement &measured) {
  return static_cast<double>(measured.decodeTokens) / measured.decodeSeconds *
         measured.bytesPerToken;
}

bool isAboveLimit(const BenchMeasurement &measured) {
  return measured.decodeTokens != 0 &&
         linkRate(measured) > measured.limitPerSecond * (1 + kShareTolerance);
}

constexpr double kGiga = 1e9;
constexpr double kMilli = 1e3;

} // namespace

double bytesOfPass(const rt::RunCounters &counters, uint64_t passes) {
  return (static_cast<double>(counters.weightBytes) +
          static_cast<double>(counters.kvBytes)) /
         static_cast<double>(passes);
}

const char *linkOf(double passBytes, uint64_t cacheBytes) {
  return passBytes <= static_cast<double>(cacheBytes) ? "cache" : "dram";
}

void raiseLimit(BenchMeasurement &measured,
                const std::function<double()> &measureAgain) {
  for (uint32_t i = 0; i < kMostLimitRetries && isAboveLimit(measured); ++i) {
    measured.limitPerSecond = std::max(measured.limitPerSecond, measureAgain());
  }
}

Result<BenchReport> evaluate(const BenchMeasurement &measured) {
  bool prefillIsTimed =
      measured.prefillTokens == 0 || measured.prefillSeconds > 0;
  bool decodeIsTimed =
      measured.decodeTokens == 0 ||
      (measured.decodeSeconds > 0 && measured.limitPerSecond > 0 &&
       measured.bytesPerToken > 0);
  if (!prefillIsTimed || !decodeIsTimed) {
    return internalError(
        format("bench: a measurement failed (prefill %g s, decode %g s, limit "
               "%g B/s, %g bytes per token)",
               measured.prefillSeconds, measured.decodeSeconds,
               measured.limitPerSecond, measured.bytesPerToken));
  }
  BenchReport report;
  if (measured.prefillTokens != 0) {
    report.prefillRate =
        static_cast<double>(measured.prefillTokens) / measured.prefillSeconds;
  }
  if (measured.decodeTokens == 0) {
    return report;
  }
  report.decodeRate =
      static_cast<double>(measured.decodeTokens) / measured.decodeSeconds;
  report.predictedRate =
      measured.limitPerSecond / measured.minimalBytesPerToken;
  report.beta = measured.minimalBytesPerToken / measured.bytesPerToken;
  report.eta = report.decodeRate / report.predictedRate;
  report.linkRate = linkRate(measured);
  report.share = report.linkRate / measured.limitPerSecond;
  if (isAboveLimit(measured)) {
    return internalError(format(
        "bench: decode at %.2f GB/s of %s is above the limit of %.2f GB/s that "
        "was measured in the same run; run it again on an idle machine",
        report.linkRate / kGiga, measured.link.c_str(),
        measured.limitPerSecond / kGiga));
  }
  return report;
}

std::string benchJson(const BenchMeasurement &measured,
                      const BenchReport &report) {
  std::string out = "{";
  out += format("\"threads\": %u, \"rounds\": %u,\n ", measured.threads,
                measured.rounds);
  if (measured.prefillTokens != 0) {
    out += format("\"prefill\": {\"tok_s\": %.6g, \"tokens\": %llu, "
                  "\"seconds\": %.6g, \"gflop_s\": %.6g},\n ",
                  report.prefillRate,
                  static_cast<unsigned long long>(measured.prefillTokens),
                  measured.prefillSeconds,
                  measured.prefillFlops / measured.prefillSeconds / kGiga);
  }
  if (measured.decodeTokens != 0) {
    out += format(
        "\"decode\": {\"tok_s\": %.6g, \"predicted_tok_s\": %.6g, "
        "\"beta\": %.6g, \"eta\": %.6g, \"tokens\": %llu, "
        "\"seconds\": %.6g, \"p50_ms\": %.6g, \"p99_ms\": %.6g},\n ",
        report.decodeRate, report.predictedRate, report.beta, report.eta,
        static_cast<unsigned long long>(measured.decodeTokens),
        measured.decodeSeconds, percentile(measured.tokenSeconds, 0.5) * kMilli,
        percentile(measured.tokenSeconds, 0.99) * kMilli);
    out += format("\"links\": [{\"name\": \"%s\", \"bytes_per_token\": %.0f, "
                  "\"gb_s\": %.6g, \"limit_gb_s\": %.6g, \"share\": %.6g}],\n ",
                  measured.link.c_str(), measured.bytesPerToken,
                  report.linkRate / kGiga, measured.limitPerSecond / kGiga,
                  report.share);
  }
  if (!measured.steps.empty()) {
    out += "\"steps\": [";
    for (size_t i = 0; i < measured.steps.size(); ++i) {
      const auto &[name, seconds] = measured.steps[i];
      out += format("%s{\"kind\": \"%s\", \"prefill_s\": %.6g, \"decode_s\": "
                    "%.6g}",
                    i == 0 ? "" : ", ", name.c_str(), seconds.first,
                    seconds.second);
    }
    out += "],\n ";
  }
  out += format("\"peak_rss_bytes\": %llu, \"first_token_s\": %.6g}\n",
                static_cast<unsigned long long>(measured.peakRssBytes),
                measured.firstTokenSeconds);
  return out;
}

std::string benchText(const BenchMeasurement &measured,
                      const BenchReport &report) {
  std::string out;
  if (measured.prefillTokens != 0) {
    out += format("prefill  %8llu tokens  %10.1f tok/s  %8.1f GFLOP/s\n",
                  static_cast<unsigned long long>(measured.prefillTokens),
                  report.prefillRate,
                  measured.prefillFlops / measured.prefillSeconds / kGiga);
  }
  if (measured.decodeTokens != 0) {
    out += format(
        "decode   %8llu tokens  %10.1f tok/s  of %.1f that the bandwidth "
        "allows (eta %.2f, beta %.2f); p50 %.2f ms, p99 %.2f ms\n%-8s %.1f MB "
        "per token, %.1f GB/s of %.1f GB/s: share %.2f\n",
        static_cast<unsigned long long>(measured.decodeTokens),
        report.decodeRate, report.predictedRate, report.eta, report.beta,
        percentile(measured.tokenSeconds, 0.5) * kMilli,
        percentile(measured.tokenSeconds, 0.99) * kMilli, measured.link.c_str(),
        measured.bytesPerToken / 1e6, report.linkRate / kGiga,
        measured.limitPerSecond / kGiga, report.share);
  }
  for (const auto &[name, seconds] : measured.steps) {
    out +=
        format("step     %-10s prefill %9.3f ms  decode %9.3f ms\n",
               name.c_str(), seconds.first * kMilli, seconds.second * kMilli);
  }
  out += format("memory   %.1f MB peak; first token after %.3f s; %u threads, "
                "%u rounds\n",
                static_cast<double>(measured.peakRssBytes) / 1e6,
                measured.firstTokenSeconds, measured.threads, measured.rounds);
  return out;
}

} // namespace air
