//===- Main.cpp - air-bench: every kernel against the machine's limits ----===//
#include "formats/machine/TileRegisters.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/hal/cpu/probe/BarrierCost.h"
#include "tools/air-bench/Limits.h"
#include "tools/air-bench/PlanCosts.h"
#include "tools/air-bench/PlanSteps.h"
#include "tools/air-bench/Rows.h"
#include "tools/air-bench/VariantBench.h"
#include "tools/cli/CommandLine.h"
#include "tools/cli/Output.h"
#include "tools/tune/Workload.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <regex.h>
#include <set>

using namespace air;
using namespace air::bench;
using air::rt::BarrierCost;
using air::tune::rotatingBytes;
using air::tune::RotatingMemory;
using air::tune::Workload;

namespace {

constexpr int kSamples = 30;

cli::Tool describe() {
  cli::Command main;
  main.summary =
      "Time kernels and compare them with the limits of the machine.";
  main.options = {
      {.name = "--filter",
       .kind = cli::ValueKind::String,
       .valueName = "REGEX",
       .help =
           "Run only the benchmarks whose names contain a match of this POSIX "
           "extended regular expression. The machine's limits (memory "
           "bandwidth and peak arithmetic) are always measured.",
       .defaultText = "F16, Q8_0, Q4_0, Q4_K and Q6_K in their best layout, "
                      "with float32 activations; and kernels without weights, "
                      "with a KV cache in F16 and contexts of up to 4096 "
                      "tokens"},
      {.name = "--list",
       .help = "Print the names of all benchmarks, or of those that --filter "
               "selects, and run none."},
      {.name = "--min-time",
       .kind = cli::ValueKind::Number,
       .valueName = "SECONDS",
       .help = "Repeat each benchmark for at least SECONDS.",
       .defaultText = "0.1",
       .minimum = 0.001,
       .maximum = 3600},
      {.name = "--threads",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Number of threads that run a kernel.",
       .defaultText = "1; with --plan, the plan's number of threads, but at "
                      "most one per core, and no more than a cgroup's CPU "
                      "quota pays for",
       .minimum = 1,
       .maximum = rt::ThreadPool::kMaxThreads},
      {.name = "--target",
       .kind = cli::ValueKind::String,
       .valueName = "TARGET",
       .help = "Compile the kernels, and the loops that measure peak "
               "arithmetic, for this target: the name of a built-in profile or "
               "the path of a JSON profile. This machine must be able to run "
               "the code.",
       .defaultText = "host"},
      {.name = "--variants",
       .help = "Time variants of each matrix multiplication that --filter "
               "selects: other formats of the activations, tile sizes and "
               "prefetches, with weights from cache and from memory, on 1, 2, "
               "4, ... and --threads threads. The table has the clock cycles "
               "for a block of 16 rows and 256 columns, beside the cost "
               "model's prediction for --target."},
      {.name = "--json",
       .help = "Print Google Benchmark's JSON; with --variants, a list with "
               "every variant; with --plan, one object with every step and "
               "dispatch."},
      {.name = "--plan",
       .kind = cli::ValueKind::String,
       .valueName = "PLAN",
       .help =
           "Instead of single kernels, time a pass of this plan. The table "
           "also shows a lower bound of the time of each kind of step, "
           "computed "
           "from the bytes that it reads and the operations that it performs, "
           "and the sum of these bounds for the whole pass."},
      {.name = "--tokens",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "With --plan: number of tokens in a pass, all of one sequence. "
               "A pass of up to 8 tokens computes logits for all of them; a "
               "longer one, only for the last.",
       .defaultText = "1",
       .minimum = 1,
       .maximum = 4294967295.0},
      {.name = "--context",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "With --plan: number of tokens already in the context before "
               "the pass.",
       .defaultText = "64, or what fits in the plan's context",
       .minimum = 0,
       .maximum = 4294967295.0},
      {.name = "--rounds",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "With --plan: number of rounds of measurement. The reported "
               "times are medians over all rounds. After a minute, no further "
               "round begins.",
       .defaultText = "5",
       .minimum = 1,
       .maximum = 1000},
  };
  main.examples = {"air-bench --filter '^matmul/q4_k/x16/m1/'",
                   "air-bench --filter /m64/ --threads 8 --json",
                   "air-bench --variants --filter "
                   "'^matmul/q4_k/x16/i8x2/m1/n8192/' --threads 2",
                   "air-bench --plan model.air --context 4096"};
  cli::Tool tool;
  tool.name = "air-bench";
  tool.summary = "time kernels and plans against the limits of the machine";
  tool.description =
      "Compiles kernels for this machine and times them on the matrix shapes "
      "of Llama 1B and 8B. It first measures the machine's limits: read "
      "bandwidth, peak multiply-add rates, and the overhead of a dispatch in "
      "microseconds. Each row then shows a kernel's time, its GB/s of weights "
      "(or of KV, or of activations if it reads neither), its GFLOP/s, and its "
      "share: the time that the tighter limit allows, divided by the measured "
      "time. With --plan it does the same for the steps of a whole pass.";
  tool.commands = {main};
  tool.notes = {
      "A kernel's operands rotate through many copies that together exceed the "
      "last-level cache, because a running model reads all of its weights "
      "between two calls of a kernel. A share above 1.05 means that a "
      "measurement is wrong: the limits are then measured again, and if the "
      "share stays above 1.05, air-bench ends with an error."};
  return tool;
}

class NameFilter {
public:
  NameFilter() = default;
  ~NameFilter() {
    if (isSet) {
      regfree(&expression);
    }
  }
  NameFilter(const NameFilter &) = delete;
  NameFilter &operator=(const NameFilter &) = delete;

  Status set(const std::string &text) {
    if (int wrong =
            regcomp(&expression, text.c_str(), REG_EXTENDED | REG_NOSUB)) {
      char reason[128] = {};
      regerror(wrong, &expression, reason, sizeof reason);
      return usageError("--filter '" + text + "': " + reason);
    }
    isSet = true;
    return Status::ok();
  }
  bool given() const { return isSet; }
  bool takes(const BenchRow &row) const {
    return isSet ? regexec(&expression, row.name.c_str(), 0, nullptr, 0) == 0
                 : row.isCommon;
  }

private:
  regex_t expression = {};
  bool isSet = false;
};

/// The state that all benchmarks of a run share. Only one benchmark runs at a
/// time.
class BenchRun {
public:
  BenchRun(const MachineProfile &host, uint32_t threads)
      : host(host), threads(threads) {}

  void runMemory(benchmark::State &state, uint32_t onThreads);
  void runArithmetic(benchmark::State &state, Arithmetic measured);
  void runBarrier(benchmark::State &state, uint32_t onThreads);
  void runRow(benchmark::State &state, const BenchRow &row);
  const Status &failure() const { return firstFailure; }

private:
  /// The peak rate of `threads` threads for the arithmetic of the current row,
  /// in operations per second.
  double cores() const {
    return rates.of(arithmetic.kind) / arithmetic.repeats;
  }
  void fail(benchmark::State &state, const std::string &where,
            const Status &status);
  Status measureAgain();
  double shareOf(double bytesPerSecond, double flopsPerSecond) const {
    return std::max(bytesPerSecond / memory, flopsPerSecond / cores());
  }

  const MachineProfile &host;
  uint32_t threads;
  RotatingMemory operands;
  /// The highest rate at which `threads` threads have read memory, in bytes per
  /// second.
  double memory = 0;
  ArithmeticRates rates;
  KernelArithmetic arithmetic; ///< of the kernel of the current row
  std::string current;
  std::unique_ptr<Workload> workload;
  Status firstFailure;
};

void BenchRun::fail(benchmark::State &state, const std::string &where,
                    const Status &status) {
  state.SkipWithError(status.message().c_str());
  if (firstFailure.isOk()) {
    firstFailure = status.withContext(where);
  }
}

void BenchRun::runMemory(benchmark::State &state, uint32_t onThreads) {
  Result<std::unique_ptr<MemoryLimit>> limit =
      MemoryLimit::create(onThreads, rotatingBytes());
  if (!limit) {
    return fail(state, "limit/dram_read", limit.status());
  }
  double best = 0;
  for (auto turn : state) {
    (void)turn;
    for (int i = 0; i < kSamples; ++i) {
      best = std::max(best, (*limit)->sample());
    }
  }
  if (onThreads == threads) {
    memory = std::max(memory, best);
  }
  state.counters["GB/s"] = best * 1e-9;
}

void BenchRun::runArithmetic(benchmark::State &state, Arithmetic measured) {
  Result<std::unique_ptr<ArithmeticLimit>> limit =
      ArithmeticLimit::create(measured, host, threads);
  if (!limit) {
    return fail(state, "limit", limit.status());
  }
  double best = 0;
  for (auto turn : state) {
    (void)turn;
    for (int i = 0; i < kSamples; ++i) {
      Result<double> sample = (*limit)->sample();
      if (!sample) {
        return fail(state, "limit", sample.status());
      }
      best = std::max(best, *sample);
    }
  }
  rates.raise(measured, best);
  state.counters["GFLOP/s"] = best * 1e-9;
}

void BenchRun::runBarrier(benchmark::State &state, uint32_t onThreads) {
  Result<std::unique_ptr<BarrierCost>> cost = BarrierCost::create(onThreads);
  if (!cost) {
    return fail(state, "limit/barrier", cost.status());
  }
  for (auto turn : state) {
    (void)turn;
    for (int i = 0; i < kSamples; ++i) {
      if (Status status = (*cost)->sample(); !status.isOk()) {
        return fail(state, "limit/barrier", status);
      }
    }
  }
  state.counters["us"] = (*cost)->seconds() * 1e6;
}

// Measures the limits again, because other load on the machine may have lowered
// the values that were measured before.
Status BenchRun::measureAgain() {
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<MemoryLimit> reads,
                       MemoryLimit::create(threads, rotatingBytes()));
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<ArithmeticLimit> sums,
                       ArithmeticLimit::create(arithmetic.kind, host, threads));
  for (int i = 0; i < 2 * kSamples; ++i) {
    memory = std::max(memory, reads->sample());
    AIR_ASSIGN_OR_RETURN(double sample, sums->sample());
    rates.raise(arithmetic.kind, sample);
  }
  return Status::ok();
}

void BenchRun::runRow(benchmark::State &state, const BenchRow &row) {
  arithmetic = kernelArithmetic(
      static_cast<plan::Arithmetic>(codegen::arithmeticOf(row.spec)));
  if (memory <= 0 || cores() <= 0) {
    return fail(state, row.name,
                internalError("the machine's limits have not been measured"));
  }
  // Google Benchmark calls this function several times for a row, each time
  // with more iterations. The first call creates the workload.
  if (current != row.name) {
    workload.reset();
    current.clear();
    Result<std::unique_ptr<Workload>> made = Workload::create(
        {&row.spec, 1}, {row.tokens, row.context}, operands, host, threads);
    if (!made) {
      return fail(state, row.name, made.status());
    }
    workload = *std::move(made);
    current = row.name;
    // This warm-up run touches the pages of the code and of the scratch memory.
    if (Status status = workload->run(); !status.isOk()) {
      return fail(state, row.name, status);
    }
  }
  const double start = monotonicSeconds();
  for (auto turn : state) {
    (void)turn;
    if (Status status = workload->run(); !status.isOk()) {
      return fail(state, row.name, status);
    }
  }
  const double seconds =
      (monotonicSeconds() - start) / static_cast<double>(state.iterations());
  const double bytes = workload->bytesRead() / seconds;
  const double flops = workload->flops() / seconds;
  // Measurements of less than a millisecond are not compared with the limits,
  // because the clock's resolution makes them too imprecise.
  const bool isLong = seconds * static_cast<double>(state.iterations()) > 1e-3;
  if (isLong && shareOf(bytes, flops) > kMostShare) {
    if (Status status = measureAgain(); !status.isOk()) {
      return fail(state, row.name, status);
    }
    if (shareOf(bytes, flops) > kMostShare) {
      return fail(
          state, row.name,
          internalError(cli::format(
              "the kernel is %.2f times as fast as the measured limits of this "
              "machine allow: it reads %.2f GB/s (limit %.2f) and computes "
              "%.2f GFLOP/s (limit %.2f); run air-bench again on an idle "
              "machine",
              shareOf(bytes, flops), bytes * 1e-9, memory * 1e-9, flops * 1e-9,
              cores() * 1e-9)));
    }
  }
  state.counters["GB/s"] = bytes * 1e-9;
  state.counters["GFLOP/s"] = flops * 1e-9;
  state.counters["share"] = shareOf(bytes, flops);
}

/// The thread counts for which limits are measured: the powers of two up to the
/// number of cores, and `threads`, which the kernels use.
std::set<uint32_t> threadCounts(const MachineProfile &host, uint32_t threads) {
  std::set<uint32_t> counts = {threads};
  for (uint32_t count = 1; count <= host.cores; count *= 2) {
    counts.insert(count);
  }
  return counts;
}

void registerAll(BenchRun &bench, const std::vector<BenchRow> &rows,
                 const MachineProfile &host, uint32_t threads) {
  for (uint32_t count : threadCounts(host, threads)) {
    const std::string name = "limit/dram_read/threads:" + std::to_string(count);
    benchmark::RegisterBenchmark(
        name.c_str(),
        [&bench, count](benchmark::State &s) { bench.runMemory(s, count); });
  }
  for (uint32_t count : threadCounts(host, threads)) {
    const std::string name = "limit/barrier/threads:" + std::to_string(count);
    benchmark::RegisterBenchmark(
        name.c_str(),
        [&bench, count](benchmark::State &s) { bench.runBarrier(s, count); });
  }
  const std::string suffix = "/threads:" + std::to_string(threads);
  for (Arithmetic kind : kArithmetics) {
    if (hasArithmetic(kind, host)) {
      benchmark::RegisterBenchmark(
          (std::string("limit/") + nameOf(kind) + suffix).c_str(),
          [&bench, kind](benchmark::State &s) {
            bench.runArithmetic(s, kind);
          });
    }
  }
  for (const BenchRow &row : rows) {
    benchmark::RegisterBenchmark(
        row.name.c_str(),
        [&bench, &row](benchmark::State &s) { bench.runRow(s, row); });
  }
}

// Passes the settings to Google Benchmark, which accepts them only as command
// line arguments.
void initialize(double minTime, bool asJson) {
  // The texts are static, because Google Benchmark keeps a pointer to the first
  // one.
  static std::vector<std::string> texts;
  texts = {"air-bench", cli::format("--benchmark_min_time=%.6f", minTime),
           "--benchmark_counters_tabular=true",
           std::string("--benchmark_format=") + (asJson ? "json" : "console")};
  std::vector<char *> arguments;
  for (std::string &text : texts) {
    arguments.push_back(text.data());
  }
  arguments.push_back(nullptr);
  int count = static_cast<int>(texts.size());
  benchmark::Initialize(&count, arguments.data());
}

Status runPlan(const cli::Invocation &call) {
  for (const char *other :
       {"--filter", "--list", "--min-time", "--target", "--variants"}) {
    if (call.has(other)) {
      return usageError(
          std::string(other) +
          " applies to single kernels, and --plan to all kernels of a "
          "plan; give only one of the two");
    }
  }
  PlanOptions options;
  options.path = *call.text("--plan");
  options.threads =
      static_cast<uint32_t>(call.integer("--threads").value_or(0));
  options.tokens = static_cast<uint64_t>(call.integer("--tokens").value_or(1));
  if (std::optional<int64_t> context = call.integer("--context")) {
    options.context = static_cast<uint64_t>(*context);
  }
  options.rounds =
      static_cast<uint32_t>(call.integer("--rounds").value_or(options.rounds));
  AIR_ASSIGN_OR_RETURN(PlanBench bench, benchPlan(options));
  return cli::writeOut(call.has("--json")
                           ? planJson(bench.measured, bench.report)
                           : planText(bench.measured, bench.report));
}

Status runVariants(const cli::Invocation &call, std::vector<BenchRow> rows,
                   const MachineProfile &target, uint32_t threads) {
  std::erase_if(rows, [&](const BenchRow &row) {
    return (row.spec.op != codegen::KernelOp::MatMul &&
            row.spec.op != codegen::KernelOp::GluMatMul) ||
           !codegen::describeKernel(row.spec, target);
  });
  if (rows.empty()) {
    return usageError("--variants: --filter selects no matrix multiplication "
                      "that kernels of target '" +
                      target.name + "' support");
  }
  RotatingMemory operands;
  std::vector<VariantTable> tables;
  for (const BenchRow &row : rows) {
    VariantOptions options;
    options.seconds = call.number("--min-time").value_or(options.seconds);
    for (uint32_t count = 1; count != 0;
         count = count == threads ? 0 : std::min(count * 2, threads)) {
      options.threads = count;
      AIR_ASSIGN_OR_RETURN(VariantTable table,
                           measureVariants(row, target, options, operands));
      if (call.has("--json")) {
        tables.push_back(std::move(table));
      } else {
        AIR_RETURN_IF_ERROR(cli::writeOut(variantText(table) + "\n"));
      }
    }
  }
  return call.has("--json") ? cli::writeOut(variantJson(tables)) : Status::ok();
}

Status run(const cli::Invocation &call) {
  if (call.has("--plan")) {
    return runPlan(call);
  }
  for (const char *option : {"--tokens", "--context", "--rounds"}) {
    if (call.has(option)) {
      return usageError(std::string(option) +
                        " applies to a plan; give --plan PLAN, too");
    }
  }
  NameFilter filter;
  if (std::optional<std::string> text = call.text("--filter")) {
    AIR_RETURN_IF_ERROR(filter.set(*text));
  }
  std::vector<BenchRow> rows = benchRows();
  if (filter.given() || !call.has("--list")) {
    std::erase_if(rows,
                  [&](const BenchRow &row) { return !filter.takes(row); });
  }
  if (rows.empty()) {
    return usageError("--filter '" + call.text("--filter").value_or("") +
                      "' matches none of the names that --list prints");
  }
  if (call.has("--list")) {
    std::string names;
    for (const BenchRow &row : rows) {
      names += row.name + "\n";
    }
    return cli::writeOut(names);
  }
  AIR_ASSIGN_OR_RETURN(MachineProfile target,
                       resolveProfile(call.text("--target").value_or("host")));
  const MachineProfile host = hostProfile();
  AIR_RETURN_IF_ERROR(
      prepareToRun(target, host).withContext("--target " + target.name));
  target.cores = host.cores;
  const auto threads =
      static_cast<uint32_t>(call.integer("--threads").value_or(1));
  if (call.has("--variants")) {
    return runVariants(call, rows, target, threads);
  }
  BenchRun bench(target, threads);
  initialize(call.number("--min-time").value_or(0.1), call.has("--json"));
  registerAll(bench, rows, target, threads);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return bench.failure();
}

} // namespace

int main(int argc, char **argv) {
  return cli::runTool(describe(), argc, argv, run);
}
