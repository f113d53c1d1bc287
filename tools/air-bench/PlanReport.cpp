//===- PlanReport.cpp - bounds, sums, text and JSON -----------------------===//
#include "tools/air-bench/PlanReport.h"

#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "tools/cli/Output.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace air::bench {
namespace {

using cli::format;

constexpr double kGiga = 1e9;
constexpr double kMega = 1e6;
constexpr double kMilli = 1e3;

PartReport partOf(const DispatchCost &cost, double seconds,
                  const MachineRates &rates) {
  PartReport part;
  part.seconds = seconds;
  part.weightBytes = cost.weightBytes;
  part.kvBytes = cost.kvBytes;
  part.operations = cost.operations;
  part.byteBound = (cost.weightBytes + cost.kvBytes) / rates.bytes;
  part.operationBound = cost.operations / rates.operations(cost.arithmetic);
  part.bound = std::max(part.byteBound, part.operationBound);
  return part;
}

Quartiles quartilesOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t count = values.size();
  return {values[count / 4], values[count / 2], values[count - 1 - count / 4]};
}

double medianSeconds(const std::vector<PassSample> &passes) {
  std::vector<double> seconds;
  for (const PassSample &pass : passes) {
    seconds.push_back(pass.seconds);
  }
  return quartilesOf(std::move(seconds)).median;
}

/// The sum of the bounds (PlanReport.h) of all dispatches at `rates`, in
/// seconds.
double boundOf(const PlanMeasurement &measured, const MachineRates &rates) {
  double bound = 0;
  for (const StepCost &step : measured.steps) {
    for (const DispatchCost &cost : step.dispatches) {
      bound += partOf(cost, 0, rates).bound;
    }
  }
  return bound;
}

double adjacentBound(const PlanMeasurement &measured, const PassSample &pass) {
  return (boundOf(measured, pass.before) + boundOf(measured, pass.after)) / 2;
}

/// The share of a pass is its bound, the least time that it can take, divided
/// by its measured time. The bound is the mean of two bounds: one from the
/// rates measured right before the pass, and one from those measured right
/// after it. A pass whose share is above kMostShare is left out, because other
/// programs slowed the measurement of the rates down, but not the pass.
AdjacentShare adjacentShare(const PlanMeasurement &measured) {
  std::vector<double> shares;
  for (const PassSample &pass : measured.passes) {
    const double bound = adjacentBound(measured, pass);
    if (bound <= kMostShare * pass.seconds) {
      shares.push_back(bound / pass.seconds);
    }
  }
  AdjacentShare result;
  result.passes = shares.size();
  if (2 * shares.size() > measured.passes.size()) {
    result.shares = quartilesOf(std::move(shares));
  }
  return result;
}

std::string adjacentJson(const AdjacentShare &adjacent) {
  if (!adjacent.shares) {
    return "null";
  }
  return format("[%.6g, %.6g, %.6g]", adjacent.shares->low,
                adjacent.shares->median, adjacent.shares->high);
}

std::string adjacentText(const AdjacentShare &adjacent, size_t passes) {
  if (!adjacent.shares) {
    return format("adjacent share unknown: only %zu of %s took as long "
                  "as the limits that were measured right before and after "
                  "them demand, so the limits change too fast\n",
                  adjacent.passes, countOf(passes, "pass", "passes").c_str());
  }
  return format("adjacent share %.2f, by the limits that were measured right "
                "before and after each pass (quartiles %.2f and %.2f, %zu of "
                "%s)\n",
                adjacent.shares->median, adjacent.shares->low,
                adjacent.shares->high, adjacent.passes,
                countOf(passes, "pass", "passes").c_str());
}

void add(PartReport &sum, const PartReport &part) {
  sum.seconds += part.seconds;
  sum.weightBytes += part.weightBytes;
  sum.kvBytes += part.kvBytes;
  sum.operations += part.operations;
  sum.byteBound += part.byteBound;
  sum.operationBound += part.operationBound;
  sum.bound += part.bound;
}

KindReport &kindOf(std::vector<KindReport> &kinds, const std::string &kind) {
  auto it = std::find_if(kinds.begin(), kinds.end(),
                         [&](const KindReport &k) { return k.kind == kind; });
  if (it == kinds.end()) {
    it = kinds.insert(kinds.end(), KindReport{kind, 0, {}});
  }
  return *it;
}

void note(std::string &impossible, const std::string &name,
          const PartReport &part) {
  if (impossible.empty() && part.share() > kMostShare) {
    impossible =
        format("%s took %.4f ms, but the limits measured in the same run allow "
               "no less than %.4f ms",
               name.c_str(), part.seconds * kMilli, part.bound * kMilli);
  }
}

std::string partJson(const PartReport &part) {
  return format("\"seconds\": %.6g, \"weight_bytes\": %.0f, \"kv_bytes\": "
                "%.0f, \"operations\": %.0f, \"byte_bound_s\": %.6g, "
                "\"operation_bound_s\": %.6g, \"bound_s\": %.6g, \"share\": "
                "%.6g",
                part.seconds, part.weightBytes, part.kvBytes, part.operations,
                part.byteBound, part.operationBound, part.bound, part.share());
}

std::string row(const std::string &name, const std::string &count,
                const PartReport &part) {
  return format("%-12s %5s %10.4f %9.2f %8.2f %9.3f %10.4f %10.4f %6.2f\n",
                name.c_str(), count.c_str(), part.seconds * kMilli,
                part.weightBytes / kMega, part.kvBytes / kMega,
                part.operations / kGiga, part.byteBound * kMilli,
                part.operationBound * kMilli, part.share());
}

/// `text` as a JSON string. The text comes from a plan file and may contain any
/// bytes.
std::string quoted(const std::string &text) {
  using Json = nlohmann::json;
  return printableJson(
      Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
}

} // namespace

bool isTooFast(const PlanMeasurement &measured, const PassSample &pass) {
  return adjacentBound(measured, pass) > kMostShare * pass.seconds;
}

bool isSteady(const PlanMeasurement &measured, const PassSample &pass) {
  const auto [low, high] = std::minmax(pass.before.bytes, pass.after.bytes);
  return high <= kSteadyRatio * low && !isTooFast(measured, pass);
}

PlanReport evaluate(const PlanMeasurement &measured) {
  PlanReport report;
  size_t next = 0;
  for (const StepCost &step : measured.steps) {
    PartReport whole;
    for (const DispatchCost &cost : step.dispatches) {
      const PartReport part =
          partOf(cost, measured.dispatchSeconds[next++], measured.rates);
      // A dispatch need not read from memory what was prefetched before it
      // began.
      DispatchCost rest = cost;
      rest.weightBytes = std::max(0.0, cost.weightBytes - measured.aheadBytes);
      note(report.impossible, step.name + " " + cost.kernel,
           partOf(rest, part.seconds, measured.rates));
      report.dispatches.push_back(part);
      add(whole, part);
      report.barriers += cost.barrier ? 1 : 0;
    }
    report.steps.push_back(whole);
    KindReport &kind = kindOf(report.kinds, step.kind);
    kind.steps += step.isFurtherPart ? 0 : 1;
    report.wholeSteps += step.isFurtherPart ? 0 : 1;
    add(kind.part, whole);
    add(report.sum, whole);
  }
  report.whole = report.sum;
  report.whole.seconds = medianSeconds(measured.passes);
  report.adjacent = adjacentShare(measured);
  note(report.impossible, "the pass", report.whole);
  const uint64_t all =
      measured.timedPasses +
      (measured.leavesOutUnsteady ? measured.unsteadyPasses : 0);
  if (report.impossible.empty() && measured.tooFastPasses != 0 &&
      2 * measured.tooFastPasses >= all) {
    report.impossible =
        format("of %llu passes timed by dispatch, %llu took less time than the "
               "limits before and after them allow",
               static_cast<unsigned long long>(all),
               static_cast<unsigned long long>(measured.tooFastPasses));
  }
  report.outsideSeconds =
      report.whole.seconds - (report.sum.seconds - measured.emptySingleSeconds);
  return report;
}

std::string planJson(const PlanMeasurement &measured,
                     const PlanReport &report) {
  const PassShape &shape = measured.shape;
  std::string out = format(
      "{\"threads\": %u, \"context\": %llu, \"tokens\": %llu, \"outputs\": "
      "%llu,\n \"rounds\": %u, \"passes\": %llu, \"timed_passes\": %llu, "
      "\"unsteady_passes\": %llu,\n ",
      measured.threads, static_cast<unsigned long long>(shape.context),
      static_cast<unsigned long long>(shape.tokens),
      static_cast<unsigned long long>(shape.outputs), measured.rounds,
      static_cast<unsigned long long>(measured.passes.size()),
      static_cast<unsigned long long>(measured.timedPasses),
      static_cast<unsigned long long>(measured.unsteadyPasses));
  out += format("\"limits\": {\"link\": \"%s\", \"gb_s\": %.6g, "
                "\"median_gb_s\": %.6g, \"fma_gflop_s\": %.6g, "
                "\"byte_dot_gop_s\": %.6g, \"bf16_dot_gflop_s\": %.6g},\n ",
                measured.link.c_str(), measured.rates.bytes / kGiga,
                measured.medianBytes / kGiga,
                measured.rates.arithmetic.fma / kGiga,
                measured.rates.arithmetic.byteDots / kGiga,
                measured.rates.arithmetic.bf16Dots / kGiga);
  out += format(
      "\"pass\": {%s, \"adjacent_share\": %s, \"adjacent_passes\": %zu, "
      "\"tok_s\": %.6g, \"dispatches_s\": %.6g, "
      "\"timing_s\": %.6g, \"outside_s\": %.6g, \"barriers\": %llu, "
      "\"empty_pass_s\": %.6g},\n \"kinds\": [",
      partJson(report.whole).c_str(), adjacentJson(report.adjacent).c_str(),
      report.adjacent.passes,
      static_cast<double>(shape.tokens) / report.whole.seconds,
      report.sum.seconds, measured.emptySingleSeconds, report.outsideSeconds,
      static_cast<unsigned long long>(report.barriers),
      measured.emptyPassSeconds);
  for (const KindReport &kind : report.kinds) {
    out += format("%s\n  {\"kind\": \"%s\", \"steps\": %llu, %s}",
                  &kind == report.kinds.data() ? "" : ",", kind.kind.c_str(),
                  static_cast<unsigned long long>(kind.steps),
                  partJson(kind.part).c_str());
  }
  out += "],\n \"steps\": [";
  size_t next = 0;
  for (size_t i = 0; i < measured.steps.size(); ++i) {
    const StepCost &step = measured.steps[i];
    out +=
        format("%s\n  {\"name\": %s, \"kind\": \"%s\", %s, \"dispatches\": [",
               i == 0 ? "" : ",", quoted(step.name).c_str(), step.kind.c_str(),
               partJson(report.steps[i]).c_str());
    for (size_t d = 0; d < step.dispatches.size(); ++d) {
      const DispatchCost &cost = step.dispatches[d];
      out += format("%s\n   {\"kernel\": %s, \"arithmetic\": \"%s\", "
                    "\"tiles\": %llu, %s}",
                    d == 0 ? "" : ",", quoted(cost.kernel).c_str(),
                    nameOf(cost.arithmetic.kind),
                    static_cast<unsigned long long>(cost.tiles),
                    partJson(report.dispatches[next++]).c_str());
    }
    out += "]}";
  }
  return out + "]}\n";
}

std::string planText(const PlanMeasurement &measured,
                     const PlanReport &report) {
  std::string out = format("%-12s %5s %10s %9s %8s %9s %10s %10s %6s\n", "step",
                           "count", "ms", "weightsMB", "kvMB", "GFLOP",
                           "bytes ms", "cores ms", "share");
  for (const KindReport &kind : report.kinds) {
    out += row(kind.kind, std::to_string(kind.steps), kind.part);
  }
  out += row("sum", std::to_string(report.wholeSteps), report.sum);
  out += row("whole pass", "", report.whole);
  const double pass = report.whole.seconds;
  out += adjacentText(report.adjacent, measured.passes.size());
  out += format("bounds   %.4f ms in total, share %.2f; %.2f tok/s with %s "
                "per pass at context %llu, %llu with logits\n",
                report.whole.bound * kMilli, report.whole.share(),
                static_cast<double>(measured.shape.tokens) / pass,
                countOf(measured.shape.tokens, "token").c_str(),
                static_cast<unsigned long long>(measured.shape.context),
                static_cast<unsigned long long>(measured.shape.outputs));
  out += format(
      "outside  %.4f ms (%.1f %%) of the pass lie outside its %s, "
      "which take %.4f ms when they run one by one, %.4f ms "
      "of that to start and join threads\n",
      report.outsideSeconds * kMilli, 100 * report.outsideSeconds / pass,
      countOf(report.dispatches.size(), "dispatch", "dispatches").c_str(),
      report.sum.seconds * kMilli, measured.emptySingleSeconds * kMilli);
  out +=
      format("barriers %llu; a pass of empty kernels takes %.4f ms (%.2f %%)\n",
             static_cast<unsigned long long>(report.barriers),
             measured.emptyPassSeconds * kMilli,
             100 * measured.emptyPassSeconds / pass);
  out += format("limits   %s %.1f GB/s (%.1f in the median), float32 %.1f "
                "GFLOP/s",
                measured.link.c_str(), measured.rates.bytes / kGiga,
                measured.medianBytes / kGiga,
                measured.rates.arithmetic.fma / kGiga);
  if (measured.rates.arithmetic.byteDots > 0) {
    out += format(", byte dot products %.1f GOP/s",
                  measured.rates.arithmetic.byteDots / kGiga);
  }
  if (measured.rates.arithmetic.bf16Dots > 0) {
    out += format(", bfloat16 dot products %.1f GFLOP/s",
                  measured.rates.arithmetic.bf16Dots / kGiga);
  }
  out += format("; %s, %s, medians of %s and %llu timed by dispatch",
                countOf(measured.threads, "thread").c_str(),
                countOf(measured.rounds, "round").c_str(),
                countOf(measured.passes.size(), "pass", "passes").c_str(),
                static_cast<unsigned long long>(measured.timedPasses));
  if (measured.unsteadyPasses != 0) {
    out += format(measured.leavesOutUnsteady
                      ? " (%llu left out, because memory changed its rate)"
                      : " (memory changed its rate during %llu of them)",
                  static_cast<unsigned long long>(measured.unsteadyPasses));
  }
  out += "\n";
  return out;
}

} // namespace air::bench
