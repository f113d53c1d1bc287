//===- DiskRates.cpp - how a disk is read, and how fast -------------------===//
#include "formats/machine/DiskRates.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace air {

namespace {

constexpr std::array<std::string_view, 3> kMethods = {"uring", "pread",
                                                      "buffered"};

} // namespace

std::string_view ioMethodName(IoMethod method) {
  const auto index = static_cast<size_t>(method);
  return index < kMethods.size() ? kMethods[index] : std::string_view();
}

std::optional<IoMethod> ioMethodOf(std::string_view name) {
  for (size_t i = 0; i < kMethods.size(); ++i) {
    if (kMethods[i] == name) {
      return static_cast<IoMethod>(i);
    }
  }
  return std::nullopt;
}

std::strong_ordering compareDiskRates(const DiskRate &a, const DiskRate &b) {
  return std::tie(a.method, a.blockBytes, a.depth, a.hugePages) <=>
         std::tie(b.method, b.blockBytes, b.depth, b.hugePages);
}

uint64_t streamingBandwidth(std::span<const DiskRate> curve,
                            std::span<const RingRate> rings) {
  for (const RingRate &ring : rings) {
    if (ring.bytes >= kUsualRingBytes) {
      return ring.bandwidth;
    }
  }
  uint64_t best = 0;
  for (const DiskRate &rate : curve) {
    best = std::max(best, rate.bandwidth);
  }
  return best;
}

DiskRate chooseDiskRate(std::span<const DiskRate> curve) {
  double best = 0;
  for (const DiskRate &rate : curve) {
    best = std::max(best, static_cast<double>(rate.bandwidth));
  }
  const auto memoryOf = [](const DiskRate &rate) {
    return rate.blockBytes * rate.depth;
  };
  DiskRate chosen;
  for (const DiskRate &rate : curve) {
    if (static_cast<double>(rate.bandwidth) < 0.97 * best) {
      continue;
    }
    if (chosen.bandwidth == 0 || memoryOf(rate) < memoryOf(chosen) ||
        (memoryOf(rate) == memoryOf(chosen) &&
         rate.bandwidth > chosen.bandwidth)) {
      chosen = rate;
    }
  }
  return chosen;
}

} // namespace air
