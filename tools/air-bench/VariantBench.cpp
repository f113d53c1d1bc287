//===- VariantBench.cpp - times variants of a matmul in rounds ------------===//
#include "tools/air-bench/VariantBench.h"

#include "codegen/cpu/matmul/MatMulCost.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "tools/air-bench/PlanCosts.h"

#include <algorithm>
#include <cmath>

namespace air::bench {
namespace {

using codegen::KernelSpec;
using tune::RotatingMemory;
using tune::Workload;

/// The size of an L2 cache that is assumed if the profile does not state it.
constexpr uint64_t kNominalL2Bytes = 1 << 20;
/// The time that each sample of a variant should take. The kernel runs as often
/// as is needed for this, at most 1000 times. In a shorter sample, the time for
/// waking the threads would matter.
constexpr double kSampleSeconds = 4e-3;
constexpr uint32_t kFewestRounds = 7;
constexpr int kAttempts = 3;
constexpr int kLimitSamples = 10;
/// The number of variants that are timed between two samples of the bandwidth
/// of plain reads, which no variant can exceed.
constexpr size_t kVariantsPerLimit = 6;

/// A kernel and its samples, with its weights either in cache or in memory.
struct Bench {
  std::shared_ptr<Workload> work; ///< shared by variants of one format
  size_t kernel = 0;              ///< the kernel's index in `work`
  uint32_t runs = 1;              ///< the number of runs per sample
  std::vector<double> seconds;    ///< seconds per run, one per round
  std::vector<double> shares;     ///< VariantTime::share, one per round
};

class VariantRun {
public:
  VariantRun(const BenchRow &measured, const MachineProfile &machine,
             const VariantOptions &wanted, RotatingMemory &shared)
      : row(measured), target(machine), options(wanted), memory(shared) {}

  Result<VariantTable> run();

private:
  Status create();
  /// Creates the workloads of all variants, for weights in cache or in memory.
  /// `spec` gives the shape of the matrix: it is row.spec for weights in
  /// memory, and `cached`, which may have fewer rows, for weights in cache.
  /// Variants with the same activation format share a workload.
  Status createPlace(const KernelSpec &spec, bool isCached,
                     std::vector<Bench> &benches);
  Status sample(Bench &bench);
  /// Brings the weights into the cores' caches. A kernel with non-temporal
  /// prefetches would not do so itself.
  Status warmUp();
  Status round();
  Status measureLimits();
  void evaluate();
  VariantTime timeOf(const Bench &bench, const KernelSpec &spec,
                     bool isCached) const;

  const BenchRow &row;
  const MachineProfile &target;
  const VariantOptions options;
  RotatingMemory &memory;
  VariantTable table;
  KernelSpec cached;
  std::vector<Bench> fromCache; ///< in the order of table.rows
  std::vector<Bench> fromMemory;
  std::unique_ptr<MemoryLimit> reads;
  std::vector<std::pair<Arithmetic, std::unique_ptr<ArithmeticLimit>>> sums;
  std::vector<double> clocks;
  std::vector<double> readRates;
};

Status VariantRun::createPlace(const KernelSpec &spec, bool isCached,
                               std::vector<Bench> &benches) {
  benches.resize(table.rows.size());
  std::vector<bool> isDone(benches.size());
  for (size_t i = 0; i < benches.size(); ++i) {
    if (isDone[i]) {
      continue;
    }
    std::vector<KernelSpec> specs;
    std::vector<size_t> members;
    for (size_t j = i; j < benches.size(); ++j) {
      const KernelSpec &other = table.rows[j].variant.spec;
      if (other.activation == table.rows[i].variant.spec.activation) {
        KernelSpec placed = spec;
        placed.activation = other.activation;
        placed.tiles = other.tiles;
        specs.push_back(placed);
        members.push_back(j);
        isDone[j] = true;
      }
    }
    AIR_ASSIGN_OR_RETURN(std::unique_ptr<Workload> made,
                         Workload::create(specs, {row.tokens, 0, isCached},
                                          memory, target, options.threads));
    const std::shared_ptr<Workload> work = std::move(made);
    for (size_t k = 0; k < members.size(); ++k) {
      benches[members[k]].work = work;
      benches[members[k]].kernel = k;
    }
  }
  return Status::ok();
}

Status VariantRun::create() {
  table.name = row.name;
  table.threads = options.threads;
  table.tokens = row.tokens;
  for (Variant &variant : variantsOf(row.spec, target)) {
    VariantRow &made = table.rows.emplace_back();
    made.tiles = codegen::usedTiles(variant.spec, target);
    made.variant = std::move(variant);
  }
  const uint64_t l2 =
      target.cpu.l2Bytes != 0 ? target.cpu.l2Bytes : kNominalL2Bytes;
  cached = cachedSpec(row.spec, target, options.threads, l2);
  AIR_RETURN_IF_ERROR(createPlace(row.spec, false, fromMemory));
  AIR_RETURN_IF_ERROR(createPlace(cached, true, fromCache));
  AIR_ASSIGN_OR_RETURN(
      reads, MemoryLimit::create(options.threads, tune::rotatingBytes()));
  for (Arithmetic kind : kArithmetics) {
    if (hasArithmetic(kind, target)) {
      AIR_ASSIGN_OR_RETURN(
          std::unique_ptr<ArithmeticLimit> limit,
          ArithmeticLimit::create(kind, target, options.threads));
      sums.emplace_back(kind, std::move(limit));
    }
  }
  return Status::ok();
}

Status VariantRun::sample(Bench &bench) {
  const double start = monotonicSeconds();
  AIR_RETURN_IF_ERROR(bench.work->runMany(bench.kernel, bench.runs));
  bench.seconds.push_back((monotonicSeconds() - start) / bench.runs);
  return Status::ok();
}

Status VariantRun::warmUp() {
  size_t plain = 0;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    plain = table.rows[i].tiles.prefetchHint == StreamHint::None ? i : plain;
  }
  return fromCache[plain].work->runMany(fromCache[plain].kernel, 2);
}

Status VariantRun::measureLimits() {
  for (int i = 0; i < kLimitSamples; ++i) {
    table.bestReadRate = std::max(table.bestReadRate, reads->sample());
    for (auto &[kind, limit] : sums) {
      AIR_ASSIGN_OR_RETURN(double rate, limit->sample());
      table.rates.raise(kind, rate);
    }
  }
  return Status::ok();
}

Status VariantRun::round() {
  clocks.push_back(clockRate());
  const size_t count = table.rows.size();
  for (size_t i = 0; i < count; ++i) {
    AIR_RETURN_IF_ERROR(warmUp());
    AIR_RETURN_IF_ERROR(sample(fromCache[(i + clocks.size()) % count]));
  }
  // Plain reads are also measured between the variants, because the bandwidth
  // of memory may change within a round.
  double before = reads->sample();
  readRates.push_back(before);
  for (size_t first = 0; first < count; first += kVariantsPerLimit) {
    const size_t last = std::min(count, first + kVariantsPerLimit);
    auto benchAt = [&](size_t i) -> Bench & {
      return fromMemory[(i + clocks.size()) % count];
    };
    for (size_t i = first; i < last; ++i) {
      AIR_RETURN_IF_ERROR(sample(benchAt(i)));
    }
    const double after = reads->sample();
    readRates.push_back(after);
    table.bestReadRate = std::max({table.bestReadRate, before, after});
    for (size_t i = first; i < last; ++i) {
      const Bench &bench = benchAt(i);
      const double rate = bench.work->bytesRead() / bench.seconds.back();
      benchAt(i).shares.push_back(rate / ((before + after) / 2));
    }
    before = after;
  }
  return Status::ok();
}

VariantTime VariantRun::timeOf(const Bench &bench, const KernelSpec &spec,
                               bool isCached) const {
  VariantTime time;
  time.seconds = medianOf(bench.seconds);
  time.bytes = bench.work->bytesRead();
  time.operations = bench.work->flops();
  time.share = medianOf(bench.shares);
  MachineProfile some = target;
  some.cores = options.threads;
  if (Result<codegen::CpuTarget> cpu = codegen::makeCpuTarget(some)) {
    const codegen::BlockTime block =
        codegen::predictBlock(spec, cpu->isa, row.tokens);
    time.predicted = (isCached ? block.arithmetic : block.longer()) * 1e-9 *
                     blocksOf(spec) / options.threads;
  }
  return time;
}

void VariantRun::evaluate() {
  table.clock = medianOf(clocks);
  table.readRate = medianOf(readRates);
  for (size_t i = 0; i < table.rows.size(); ++i) {
    VariantRow &made = table.rows[i];
    KernelSpec small = cached;
    small.activation = made.variant.spec.activation;
    made.blocks = blocksOf(made.variant.spec);
    made.cachedBlocks = blocksOf(small);
    made.memory = timeOf(fromMemory[i], made.variant.spec, false);
    made.cache = timeOf(fromCache[i], small, true);
  }
}

Result<VariantTable> VariantRun::run() {
  AIR_RETURN_IF_ERROR(create());
  for (std::vector<Bench> *benches : {&fromCache, &fromMemory}) {
    for (Bench &bench : *benches) {
      // The first runs are slow because of page faults in the code and in the
      // scratch memory, so they are not timed.
      AIR_RETURN_IF_ERROR(bench.work->runMany(bench.kernel, 2));
      AIR_RETURN_IF_ERROR(sample(bench));
      bench.runs = static_cast<uint32_t>(std::clamp(
          std::ceil(kSampleSeconds / bench.seconds.back()), 1.0, 1000.0));
      bench.seconds.clear();
    }
  }
  const auto rounds =
      static_cast<uint32_t>(std::ceil(options.seconds / kSampleSeconds));
  table.rounds = std::max(kFewestRounds, rounds);
  AIR_RETURN_IF_ERROR(measureLimits());
  for (uint32_t i = 0; i < table.rounds; ++i) {
    AIR_RETURN_IF_ERROR(round());
  }
  evaluate();
  for (int i = 0; i < kAttempts && !impossibleRate(table).empty(); ++i) {
    reads->compareAgain();
    AIR_RETURN_IF_ERROR(measureLimits());
  }
  if (std::string impossible = impossibleRate(table); !impossible.empty()) {
    return internalError(
        "a result is faster than the measured limits of this machine allow: " +
        impossible + "; run air-bench again on an idle machine");
  }
  return std::move(table);
}

} // namespace

Result<VariantTable> measureVariants(const BenchRow &row,
                                     const MachineProfile &target,
                                     const VariantOptions &options,
                                     RotatingMemory &memory) {
  return VariantRun(row, target, options, memory).run();
}

} // namespace air::bench
