//===- BenchReport.cpp - rates, shares and their bound ----------*- C++ -*-===//
#include "tools/airrun/BenchReport.h"

#include "formats/support/CountText.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

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

/// The rate at which decode reads over a link, in bytes per second.
double linkRate(const BenchMeasurement &measured, const BenchLink &link) {
  return static_cast<double>(measured.decodeTokens) / measured.decodeSeconds *
         link.bytesPerToken;
}

/// The share of the decode time for which the link would be busy if it ran at
/// its limit. Links with isInTurn are never busy at the same time, so the
/// result for any of these links is the sum of the shares of all of them.
double busyShare(const BenchMeasurement &measured, const BenchLink &link) {
  double share = 0;
  for (const BenchLink &other : measured.links) {
    if (&other == &link || (link.isInTurn && other.isInTurn)) {
      share += linkRate(measured, other) / other.limitPerSecond;
    }
  }
  return share;
}

bool isAboveLimit(const BenchMeasurement &measured, const BenchLink &link) {
  return busyShare(measured, link) > 1 + kShareTolerance;
}

/// The tokens per second that the plan predicts at the rates that this run
/// measured; 0 if predictedSeconds() is 0.
double predictedRate(const BenchMeasurement &measured) {
  const double seconds = predictedSeconds(measured, measured.planLinks);
  return seconds > 0 ? 1 / seconds : 0;
}

/// The tokens per second that memory and disk reach together, or 0 if one of
/// the two is not a link of the measurement. Also 0 if a GPU computes some or
/// all layers, because the time of a token then also depends on VRAM and on
/// copies to it.
double jointRate(const BenchMeasurement &measured) {
  if (!measured.gpu.empty()) {
    return 0;
  }
  double memory = 0;
  double disk = 0;
  for (const BenchLink &link : measured.links) {
    const double seconds = link.minimalBytesPerToken / link.usualPerSecond;
    disk = link.name == "disk" ? seconds : disk;
    memory = link.name == "dram" ? seconds : memory;
  }
  return memory > 0 && disk > 0 ? 1 / passTime(memory, disk, measured.kept) : 0;
}

constexpr double kGiga = 1e9;
constexpr double kMilli = 1e3;

} // namespace

double predictedSeconds(const BenchMeasurement &measured,
                        const std::vector<PlanLink> &links) {
  double reading = 0; // seconds of reading RAM or, if only a GPU computes, VRAM
  double arithmetic = 0;
  double disk = 0;
  double copying = 0; // seconds of copies, which overlap all other work
  double vram = 0;
  double copied = 0; // bytes that a pass copies to the GPU
  double read = 0;   // bytes that a pass reads from the disk
  const bool isInTurn = std::ranges::any_of(links, [&](const PlanLink &link) {
    return link.name == "dram" && !measured.gpu.empty();
  });
  for (const PlanLink &link : links) {
    if (link.measuredRate <= 0) {
      return 0;
    }
    (link.name == "disk"               ? disk
     : link.name == "pcie"             ? copying
     : link.name == "cpu"              ? arithmetic
     : isInTurn && link.name == "vram" ? vram
                                       : reading) =
        link.bytesPerPass / link.measuredRate;
    copied = link.name == "pcie" ? link.bytesPerPass : copied;
    read = link.name == "disk" ? link.bytesPerPass : read;
  }
  // While the CPU works, copies can only fill the ring in VRAM. Reads from the
  // disk can then only fill the ring in RAM, and the room that these copies
  // free in it. The other copies and reads take place while the GPU works.
  // Reads are assumed to be spread evenly over the copies.
  const double earlyPart =
      copied > 0 ? std::min(1.0, measured.gpuRingBytes / copied) : 0;
  const double lateCopies = copying * (1 - earlyPart);
  const double earlyRead =
      std::min(read, measured.ramRingBytes + earlyPart * read);
  const double lateReads = read > 0 ? disk * (1 - earlyRead / read) : 0;
  const double cores = overlappedTime(reading, arithmetic) +
                       (isInTurn ? std::max({vram, lateCopies, lateReads}) : 0);
  // Without a GPU, passTime() takes into account that reads from the disk slow
  // down the kernels of the CPU. They do not slow down the kernels of a GPU.
  return std::max(measured.gpu.empty() ? passTime(cores, disk, measured.kept)
                                       : std::max(cores, disk),
                  copying);
}

double bytesOfPass(const rt::RunCounters &counters, uint64_t passes) {
  return (static_cast<double>(counters.weightBytes) +
          static_cast<double>(counters.kvBytes)) /
         static_cast<double>(passes);
}

const char *linkOf(double passBytes, uint64_t cacheBytes) {
  return passBytes <= static_cast<double>(cacheBytes) ? "cache" : "dram";
}

void raiseLimits(BenchMeasurement &measured,
                 const std::function<double(size_t link)> &measureAgain) {
  for (size_t i = 0; i < measured.links.size(); ++i) {
    BenchLink &link = measured.links[i];
    for (uint32_t n = 0; n < kMostLimitRetries && isAboveLimit(measured, link);
         ++n) {
      link.limitPerSecond = std::max(link.limitPerSecond, measureAgain(i));
    }
  }
}

void rateFromLinks(BenchMeasurement &measured) {
  for (std::vector<PlanLink> *links :
       {&measured.planLinks, &measured.planVerifyLinks}) {
    for (PlanLink &plan : *links) {
      for (const BenchLink &link : measured.links) {
        const bool isDram = plan.name == "dram";
        const bool isVram = plan.name == "vram";
        if (plan.name == link.name ||
            (link.name == "cache" && (isDram || isVram)) ||
            (link.name == "cpu-cache" && isDram) ||
            (link.name == "gpu-cache" && isVram)) {
          plan.measuredRate = link.usualPerSecond;
        }
      }
    }
  }
}

Result<BenchReport> evaluate(const BenchMeasurement &measured) {
  bool prefillIsTimed =
      measured.prefillTokens == 0 || measured.prefillSeconds > 0;
  bool decodeIsTimed = measured.decodeTokens == 0 ||
                       (measured.decodeSeconds > 0 && !measured.links.empty());
  for (const BenchLink &link : measured.links) {
    decodeIsTimed = decodeIsTimed && link.limitPerSecond > 0 &&
                    link.minimalBytesPerToken > 0 && link.bytesPerToken > 0;
  }
  if (!prefillIsTimed || !decodeIsTimed) {
    std::string links;
    for (const BenchLink &link : measured.links) {
      links += format(", %s %g bytes per token at %g B/s", link.name.c_str(),
                      link.bytesPerToken, link.limitPerSecond);
    }
    return internalError(
        format("bench: a time, an amount or a rate that cannot be 0 was "
               "measured as 0 (prefill %g s, decode %g s%s)",
               measured.prefillSeconds, measured.decodeSeconds, links.c_str()));
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
  const auto allow = [&report](double seconds, const std::string &name) {
    if (report.limitedBy.empty() || 1 / seconds < report.boundRate) {
      report.boundRate = 1 / seconds;
      report.limitedBy = name;
    }
  };
  double inTurn = 0; // seconds of the links that are used in turn
  std::string namesInTurn;
  for (const BenchLink &link : measured.links) {
    double once = link.minimalBytesPerToken / link.bytesPerToken;
    double rate = linkRate(measured, link);
    report.beta = report.links.empty() ? once : std::min(report.beta, once);
    const double seconds = link.minimalBytesPerToken / link.limitPerSecond;
    if (link.isInTurn) {
      inTurn += seconds;
      namesInTurn += (namesInTurn.empty() ? "" : "+") + link.name;
    } else {
      allow(seconds, link.name);
    }
    report.links.push_back({rate, rate / link.limitPerSecond});
    if (link.isInTurn && isAboveLimit(measured, link)) {
      return internalError(format(
          "bench: decode took %.3g ms per token, but the CPU and the GPU read "
          "in turn, and need %.3g ms at the limits that the same run measured; "
          "run airrun bench again on an idle machine",
          kMilli / report.decodeRate,
          kMilli / report.decodeRate * busyShare(measured, link)));
    }
    if (isAboveLimit(measured, link)) {
      return internalError(format(
          "bench: decode read %.2f GB/s from %s, but the limit that the same "
          "run measured is %.2f GB/s; run airrun bench again on an idle "
          "machine",
          rate / kGiga, link.name.c_str(), link.limitPerSecond / kGiga));
    }
  }
  if (inTurn > 0) {
    allow(inTurn, namesInTurn);
  }
  report.eta = report.decodeRate / report.boundRate;
  report.jointRate = jointRate(measured);
  report.jointEta =
      report.jointRate > 0 ? report.decodeRate / report.jointRate : 0;
  report.predictedRate = predictedRate(measured);
  return report;
}

namespace {

std::string linksJson(const BenchMeasurement &measured,
                      const BenchReport &report) {
  std::string out = "\"links\": [";
  for (size_t i = 0; i < measured.links.size(); ++i) {
    const BenchLink &link = measured.links[i];
    out += format("%s{\"name\": \"%s\", \"bytes_per_token\": %.0f, "
                  "\"minimal_bytes_per_token\": %.0f, \"gb_s\": %.6g, "
                  "\"limit_gb_s\": %.6g, \"usual_gb_s\": %.6g, "
                  "\"share\": %.6g}",
                  i == 0 ? "" : ", ", link.name.c_str(), link.bytesPerToken,
                  link.minimalBytesPerToken, report.links[i].rate / kGiga,
                  link.limitPerSecond / kGiga, link.usualPerSecond / kGiga,
                  report.links[i].share);
  }
  out += "],\n ";
  if (measured.uploadPerSecond != 0) {
    out +=
        format("\"upload_gb_s\": %.6g,\n ", measured.uploadPerSecond / kGiga);
  }
  return out;
}

std::string predictionJson(const BenchMeasurement &measured) {
  if (measured.planLinks.empty()) {
    return "";
  }
  std::string out = "\"prediction\": [";
  for (size_t i = 0; i < measured.planLinks.size(); ++i) {
    const PlanLink &link = measured.planLinks[i];
    out += format("%s{\"name\": \"%s\", \"bytes_per_pass\": %.0f, "
                  "\"plan_gb_s\": %.6g, \"measured_gb_s\": %.6g}",
                  i == 0 ? "" : ", ", link.name.c_str(), link.bytesPerPass,
                  link.planRate / kGiga, link.measuredRate / kGiga);
  }
  return out + "],\n ";
}

std::string jointJson(const BenchMeasurement &measured,
                      const BenchReport &report) {
  return report.jointRate == 0
             ? ""
             : format("\"joint_tok_s\": %.6g, \"joint_eta\": %.6g, "
                      "\"disk_keeps\": %.6g, \"memory_keeps\": %.6g, ",
                      report.jointRate, report.jointEta, measured.kept.disk,
                      measured.kept.memory);
}

std::string streamingJson(const BenchStreaming &streaming) {
  return format("\"streaming\": {\"io\": \"%s\", \"placement\": %u, "
                "\"resident_bytes\": %llu, \"ring_bytes\": %llu, "
                "\"bytes_per_pass\": %llu, \"waited_s\": %.6g, "
                "\"system_bytes_per_token\": %.0f},\n ",
                streaming.method.c_str(), streaming.placement,
                static_cast<unsigned long long>(streaming.residentBytes),
                static_cast<unsigned long long>(streaming.ringBytes),
                static_cast<unsigned long long>(streaming.bytesPerPass),
                streaming.waitedSeconds, streaming.systemBytesPerToken);
}

} // namespace

std::string benchJson(const BenchMeasurement &measured,
                      const BenchReport &report, const std::string &extra) {
  std::string out = "{";
  if (!measured.gpu.empty()) {
    const nlohmann::json name(measured.gpu);
    out += "\"gpu\": " +
           name.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
           ", ";
  }
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
    out += format("\"decode\": {\"tok_s\": %.6g, \"bound_tok_s\": %.6g, "
                  "\"predicted_tok_s\": %.6g, "
                  "\"plan_predicted_tok_s\": %.6g, \"limited_by\": \"%s\", "
                  "\"beta\": %.6g, \"eta\": %.6g, %s\"tokens\": %llu, "
                  "\"seconds\": %.6g, \"p50_ms\": %.6g, \"p99_ms\": %.6g},\n ",
                  report.decodeRate, report.boundRate, report.predictedRate,
                  measured.planRate, report.limitedBy.c_str(), report.beta,
                  report.eta, jointJson(measured, report).c_str(),
                  static_cast<unsigned long long>(measured.decodeTokens),
                  measured.decodeSeconds,
                  percentile(measured.tokenSeconds, 0.5) * kMilli,
                  percentile(measured.tokenSeconds, 0.99) * kMilli);
    out += linksJson(measured, report);
    out += predictionJson(measured);
    if (measured.streaming) {
      out += streamingJson(*measured.streaming);
    }
  }
  out += extra;
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
  out += format("\"peak_rss_bytes\": %llu, \"first_token_s\": %.6g, "
                "\"first_token_warm_s\": %.6g}\n",
                static_cast<unsigned long long>(measured.peakRssBytes),
                measured.firstTokenSeconds, measured.firstTokenWarmSeconds);
  return out;
}

namespace {

std::string planText(const BenchMeasurement &measured,
                     const BenchReport &report) {
  std::string out;
  if (report.predictedRate != 0) {
    out += format("plan     %.2f tok/s predicted at the rates measured just "
                  "now, %+.1f %% from the decode speed\n",
                  report.predictedRate,
                  100 * (report.predictedRate / report.decodeRate - 1));
  }
  if (measured.planRate != 0) {
    out += format("plan     %.2f tok/s predicted at the plan's own rates\n",
                  measured.planRate);
  }
  for (const PlanLink &link : measured.planLinks) {
    out += format("         %-4s %.1f MB per token: ", link.name.c_str(),
                  link.bytesPerPass / 1e6);
    out += link.measuredRate == 0
               ? "not measured"
               : format("%.2f GB/s measured", link.measuredRate / kGiga);
    out += format(", %.2f GB/s in the plan\n", link.planRate / kGiga);
  }
  return out;
}

} // namespace

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
    out += format("decode   %8llu tokens  %10.2f tok/s",
                  static_cast<unsigned long long>(measured.decodeTokens),
                  report.decodeRate);
    out += format("  of %.2f that %s allows (eta %.2f, beta %.2f)",
                  report.boundRate, report.limitedBy.c_str(), report.eta,
                  report.beta);
    out += format("; p50 %.2f ms, p99 %.2f ms\n",
                  percentile(measured.tokenSeconds, 0.5) * kMilli,
                  percentile(measured.tokenSeconds, 0.99) * kMilli);
    if (report.jointRate != 0) {
      out += format("         of %.2f tok/s that disk and cores reach together "
                    "(joint eta %.2f); while both are read, the disk keeps "
                    "%.2f of its rate and memory %.2f (%s)\n",
                    report.jointRate, report.jointEta, measured.kept.disk,
                    measured.kept.memory,
                    measured.isKeptMeasured ? "measured" : "from the plan");
    }
    for (size_t i = 0; i < measured.links.size(); ++i) {
      const BenchLink &link = measured.links[i];
      out += format("%-8s %.1f MB per token, %.2f GB/s of %.2f GB/s: share "
                    "%.2f\n",
                    link.name.c_str(), link.bytesPerToken / 1e6,
                    report.links[i].rate / kGiga, link.limitPerSecond / kGiga,
                    report.links[i].share);
    }
    if (measured.uploadPerSecond != 0) {
      out += format("upload   %.2f GB/s from pinned memory to the GPU\n",
                    measured.uploadPerSecond / kGiga);
    }
    out += planText(measured, report);
  }
  if (measured.streaming) {
    out += format(
        "weights  %.1f MB stay in memory, %.1f MB are read in each pass "
        "through "
        "a ring of %.1f MB (%s); the steps spent %.1f %% of the time waiting "
        "for them\n",
        static_cast<double>(measured.streaming->residentBytes) / 1e6,
        static_cast<double>(measured.streaming->bytesPerPass) / 1e6,
        static_cast<double>(measured.streaming->ringBytes) / 1e6,
        measured.streaming->method.c_str(),
        measured.decodeSeconds == 0
            ? 0
            : 100 * measured.streaming->waitedSeconds / measured.decodeSeconds);
  }
  for (const auto &[name, seconds] : measured.steps) {
    out +=
        format("step     %-10s prefill %9.3f ms  decode %9.3f ms\n",
               name.c_str(), seconds.first * kMilli, seconds.second * kMilli);
  }
  out +=
      format("memory   %.1f MB peak; first token after %.3f s, or %.3f s with "
             "the weights already in memory; ",
             static_cast<double>(measured.peakRssBytes) / 1e6,
             measured.firstTokenSeconds, measured.firstTokenWarmSeconds);
  out += measured.gpu.empty() ? "" : "GPU " + measured.gpu;
  out += measured.gpu.empty() || measured.threads == 0 ? "" : " and ";
  out += measured.gpu.empty() || measured.threads != 0
             ? countOf(measured.threads, "thread")
             : "";
  out += ", " + countOf(measured.rounds, "round") + "\n";
  return out;
}

} // namespace air
