//===- Tuner.cpp - times candidates in rounds -----------------------------===//
#include "tools/tune/Tuner.h"

#include "formats/support/MonotonicClock.h"
#include "tools/tune/Workload.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace air::tune {
namespace {

using codegen::KernelSpec;
using codegen::KernelUse;
using codegen::MatMulTiles;
using codegen::TileChoice;

/// If there is no time for this many rounds, the cost model's tiles are kept.
constexpr size_t kFewestRounds = 7;
constexpr size_t kMostRounds = 25;
/// The shortest useful sample, in seconds. In a shorter one, the clock's
/// resolution and the time to wake the threads would dominate.
constexpr double kSampleSeconds = 1e-3;
constexpr double kMostRuns = 1000;

double secondsSince(double start) { return monotonicSeconds() - start; }

Result<double> timeRuns(Workload &work, size_t candidate, size_t runs) {
  const double start = monotonicSeconds();
  for (size_t i = 0; i < runs; ++i) {
    AIR_RETURN_IF_ERROR(work.run(candidate));
  }
  return secondsSince(start) / static_cast<double>(runs);
}

class Tuner {
public:
  Tuner(const MachineProfile &machine, uint32_t onThreads, double lastMoment)
      : target(machine), threads(onThreads), end(lastMoment) {}

  /// Chooses the tiles for one use of a kernel, one size after another. The
  /// rounds end at about `softEnd`, but each size that has variants gets at
  /// least kFewestRounds rounds, even after `softEnd`. Returns nothing if a
  /// size has had fewer rounds when the whole tuner must stop, at `end`.
  Result<std::optional<MatMulTiles>> tune(const KernelUse &use, double softEnd);

private:
  /// Measures `present` and `others`, and returns the tiles that
  /// chooseByTimes() chooses. Returns nothing if there was no time for
  /// kFewestRounds rounds.
  Result<std::optional<MatMulTiles>>
  pick(const KernelUse &use, const MatMulTiles &present,
       const std::vector<MatMulTiles> &others, double softEnd);
  Result<std::vector<std::vector<double>>>
  measure(Workload &work, size_t candidates, double softEnd);

  const MachineProfile &target;
  const uint32_t threads;
  const double end;
  RotatingMemory memory;
};

Result<std::vector<std::vector<double>>>
Tuner::measure(Workload &work, size_t candidates, double softEnd) {
  double fastest = kSampleSeconds;
  for (size_t i = 0; i < candidates; ++i) {
    // This warm-up run touches the pages of the code and of the scratch memory.
    AIR_RETURN_IF_ERROR(work.run(i));
    AIR_ASSIGN_OR_RETURN(double once, timeRuns(work, i, 1));
    fastest = std::min(fastest, once);
  }
  const auto runs = static_cast<size_t>(std::clamp(
      std::ceil(kSampleSeconds / std::max(fastest, 1e-9)), 1.0, kMostRuns));
  // If a candidate is slower than the current choice by more than the factor
  // kNoChance in each of the first kTrialRounds rounds, it is not timed again,
  // so that the others get more rounds.
  constexpr size_t kTrialRounds = 3;
  constexpr double kNoChance = 1.1;
  std::vector<bool> isOut(candidates);
  std::vector<std::vector<double>> times;
  while (times.size() < kMostRounds && monotonicSeconds() < end &&
         (times.size() < kFewestRounds || monotonicSeconds() < softEnd)) {
    std::vector<double> round(candidates);
    for (size_t i = 0; i < candidates; ++i) {
      const size_t candidate = (i + times.size()) % candidates;
      if (isOut[candidate]) {
        round[candidate] = std::numeric_limits<double>::infinity();
        continue;
      }
      AIR_ASSIGN_OR_RETURN(round[candidate], timeRuns(work, candidate, runs));
    }
    times.push_back(std::move(round));
    for (size_t i = 1; times.size() == kTrialRounds && i < candidates; ++i) {
      isOut[i] = std::ranges::all_of(times, [&](const auto &turn) {
        return turn[i] > kNoChance * turn.front();
      });
    }
  }
  return times;
}

Result<std::optional<MatMulTiles>>
Tuner::pick(const KernelUse &use, const MatMulTiles &present,
            const std::vector<MatMulTiles> &others, double softEnd) {
  std::vector<MatMulTiles> all = {present};
  all.insert(all.end(), others.begin(), others.end());
  std::vector<KernelSpec> specs;
  for (const MatMulTiles &tiles : all) {
    specs.push_back(use.spec);
    specs.back().tiles = tiles;
    // The time of a matmul does not depend on RowsFrom, and RowsFrom::Tokens
    // needs no list of outputs in the batch.
    specs.back().rowsFrom = codegen::RowsFrom::Tokens;
  }
  AIR_ASSIGN_OR_RETURN(
      std::unique_ptr<Workload> work,
      Workload::create(specs, {use.rows, 0}, memory, target, threads));
  AIR_ASSIGN_OR_RETURN(std::vector<std::vector<double>> times,
                       measure(*work, all.size(), softEnd));
  if (times.size() < kFewestRounds) {
    return std::optional<MatMulTiles>();
  }
  return std::optional(all[chooseByTimes(times)]);
}

Result<std::optional<MatMulTiles>> Tuner::tune(const KernelUse &use,
                                               double softEnd) {
  KernelSpec spec = use.spec;
  const size_t sizes = codegen::tileVariants(spec, target).size();
  for (size_t i = 0; i < sizes; ++i) {
    std::vector<std::vector<MatMulTiles>> variants =
        codegen::tileVariants(spec, target);
    // With a single row of activations, the size of a tile in tokens does not
    // matter.
    if (use.rows == 1) {
      std::erase_if(variants[i], [&](const MatMulTiles &tiles) {
        return tiles.tokens != spec.tiles.tokens;
      });
    }
    if (variants[i].empty()) {
      continue;
    }
    const double now = monotonicSeconds();
    const double next =
        now + (std::max(softEnd, now) - now) / static_cast<double>(sizes - i);
    AIR_ASSIGN_OR_RETURN(std::optional<MatMulTiles> picked,
                         pick(use, spec.tiles, variants[i], next));
    if (!picked) {
      return std::optional<MatMulTiles>();
    }
    spec.tiles = *picked;
  }
  return std::optional(spec.tiles);
}

} // namespace

size_t chooseByTimes(std::span<const std::vector<double>> times) {
  if (times.empty()) {
    return 0;
  }
  size_t best = 0;
  double least = 1 - kLeastGain;
  for (size_t candidate = 1; candidate < times.front().size(); ++candidate) {
    std::vector<double> ratios;
    for (const std::vector<double> &round : times) {
      ratios.push_back(round[candidate] / round.front());
    }
    std::ranges::sort(ratios);
    const double median = ratios[ratios.size() / 2];
    if (median <= least && ratios[ratios.size() * 3 / 4] < 1) {
      least = median;
      best = candidate;
    }
  }
  return best;
}

Result<std::vector<TileChoice>>
chooseTiles(std::span<const KernelUse> uses, const MachineProfile &target,
            uint32_t threads, double seconds,
            const std::function<void(size_t done)> &progress) {
  const double start = monotonicSeconds();
  const double end = start + seconds;
  std::vector<KernelUse> order(uses.begin(), uses.end());
  std::ranges::stable_sort(order, std::greater<>(), &KernelUse::weightBytes);
  double left = 0;
  for (const KernelUse &use : order) {
    left += static_cast<double>(use.weightBytes);
  }
  Tuner tuner(target, threads, end);
  std::vector<TileChoice> choices;
  for (const KernelUse &use : order) {
    if (progress) {
      progress(choices.size());
    }
    // Each use of a kernel gets a part of the remaining time in proportion to
    // its bytes of weights.
    const auto bytes = static_cast<double>(use.weightBytes);
    const double share = (seconds - secondsSince(start)) * bytes / left;
    left -= bytes;
    AIR_ASSIGN_OR_RETURN(std::optional<MatMulTiles> tiles,
                         tuner.tune(use, monotonicSeconds() + share));
    if (!tiles) {
      break;
    }
    choices.push_back({use.spec, *tiles});
  }
  return choices;
}

} // namespace air::tune
