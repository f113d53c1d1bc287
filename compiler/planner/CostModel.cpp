//===- CostModel.cpp - predicts a pass from its links' bandwidths ---------===//
#include "compiler/planner/CostModel.h"

#include <cmath>
#include <utility>

namespace air::compiler {

PassPrediction predictPass(std::vector<LinkLoad> links,
                           const KeptShares &kept) {
  PassPrediction prediction;
  bool known = true;
  // The times that the pass needs on each link, in nanoseconds. `memory` is the
  // time of the link "dram" or "vram", `name` is the name of that link, and
  // `copies` is the time of the link "pcie".
  uint64_t memory = 0;
  std::string name = "dram";
  uint64_t cpu = 0;
  uint64_t disk = 0;
  uint64_t copies = 0;
  for (const LinkLoad &load : links) {
    if (load.bytesPerPass == 0) {
      continue;
    }
    if (load.bandwidth == 0) {
      known = false;
      continue;
    }
    // The product needs 128 bits, because bytes * 1e9 (nanoseconds per second)
    // exceeds 64 bits for more than 18 GB. The quotient is rounded up, so that
    // the predicted rate never exceeds the bandwidth.
    unsigned __int128 scaled =
        static_cast<unsigned __int128>(load.bytesPerPass) * 1'000'000'000U;
    const auto nanoseconds =
        static_cast<uint64_t>((scaled + load.bandwidth - 1) / load.bandwidth);
    const bool isMemory =
        load.link != "disk" && load.link != "cpu" && load.link != "pcie";
    (isMemory              ? memory
     : load.link == "cpu"  ? cpu
     : load.link == "pcie" ? copies
                           : disk) = nanoseconds;
    name = isMemory ? load.link : name;
  }
  if (known) {
    const double cores =
        overlappedTime(static_cast<double>(memory), static_cast<double>(cpu));
    const auto reading = static_cast<double>(disk);
    // While the disk is being read, kernels on a CPU run more slowly, but those
    // on a GPU do not.
    prediction.nanoseconds = static_cast<uint64_t>(
        std::ceil(name == "vram" ? std::max(cores, reading)
                                 : passTime(cores, reading, kept)));
    if (copies > prediction.nanoseconds) {
      prediction.nanoseconds = copies;
      prediction.limit = "pcie";
    } else if (prediction.nanoseconds != 0) {
      prediction.limit = reading > cores ? "disk"
                         : memory >= cpu ? name
                                         : "cpu";
    }
  }
  prediction.links = std::move(links);
  return prediction;
}

double tokensPerSecond(const PassPrediction &prediction) {
  return prediction.nanoseconds == 0
             ? 0.0
             : 1e9 / static_cast<double>(prediction.nanoseconds);
}

} // namespace air::compiler
