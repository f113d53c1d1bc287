//===- CpuRates.cpp - times of passes, names and order of streams ---------===//
#include "formats/machine/CpuRates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

namespace air {

namespace {

constexpr std::array<std::string_view, 6> kHints = {"none", "nta", "t0",
                                                    "t1",   "t2",  "t1t0"};
constexpr std::array<std::string_view, 3> kLoads = {"single", "burst",
                                                    "two_streams"};

template <typename Enum, size_t N>
std::string_view nameIn(const std::array<std::string_view, N> &names,
                        Enum value) {
  const auto index = static_cast<size_t>(value);
  return index < N ? names[index] : std::string_view();
}

template <typename Enum, size_t N>
std::optional<Enum> valueIn(const std::array<std::string_view, N> &names,
                            std::string_view name) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

} // namespace

double overlappedTime(double reading, double arithmetic) {
  const double longer = std::max(reading, arithmetic);
  const double shorter = std::min(reading, arithmetic);
  return shorter == 0
             ? longer
             : longer + kExposedShare * std::sqrt(shorter / longer) * shorter;
}

double keptShare(uint64_t beside, uint64_t alone) {
  if (beside == 0 || alone == 0) {
    return KeptShares{}.disk;
  }
  return std::clamp(static_cast<double>(beside) / static_cast<double>(alone),
                    kLeastKeptShare, 1.0);
}

double passTime(double cores, double disk, const KeptShares &kept) {
  const double slowCores = cores / kept.memory;
  const double slowDisk = disk / kept.disk;
  // The cores and the disk work at reduced rates until one of them has
  // finished. The other one then does the rest of its work at its full rate.
  return slowCores >= slowDisk ? cores + (1 - kept.memory) * slowDisk
                               : disk + (1 - kept.disk) * slowCores;
}

std::string_view streamHintName(StreamHint hint) {
  return nameIn(kHints, hint);
}

std::string_view streamLoadsName(StreamLoads loads) {
  return nameIn(kLoads, loads);
}

std::optional<StreamHint> streamHintOf(std::string_view name) {
  return valueIn<StreamHint>(kHints, name);
}

std::optional<StreamLoads> streamLoadsOf(std::string_view name) {
  return valueIn<StreamLoads>(kLoads, name);
}

std::strong_ordering compareStreams(const StreamRate &a, const StreamRate &b) {
  return std::tuple(a.loads, a.hint, a.distanceBytes) <=>
         std::tuple(b.loads, b.hint, b.distanceBytes);
}

} // namespace air
