//===- CostModel.h - bytes per link, and the time they take -----*- C++ -*-===//
//
// Each byte of the weights that a decode pass (one token, empty KV cache) needs
// is read once from memory. Some of these bytes must be read from the disk
// first. Memory and disk are called links. The arithmetic of the pass is a
// third link, "cpu". Its bytes are the bytes of the vector operands that the
// pass computes with (kMixedOperandBytes in CpuRates.h). A link takes the time
// bytes / bandwidth, with the bandwidth that the machine profile states. The
// disk works in parallel with the cores. The cores read and compute in
// parallel, so they take less than the sum of the times of "dram" and "cpu":
// see overlappedTime() (CpuRates.h). The cores and the disk slow each other
// down; passTime() (CpuRates.h) combines their times. The limit of a pass is
// "disk" if the disk takes longer than the cores, or else "dram" if reading
// memory takes at least as long as the arithmetic, or else "cpu". If a GPU
// reads the weights from its own memory, the link "vram" takes the place of
// "dram", and reads from the disk do not slow it down. Copies from RAM to a GPU
// are the link "pcie". They overlap everything else, and are the limit of a
// pass if they take longer than everything else together. A bandwidth of 0
// means that it is not known; then neither the time nor the limit is known.
//
// Thread-safety: pure functions. Errors: none.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_COSTMODEL_H
#define AIRPACK_COMPILER_PLANNER_COSTMODEL_H

#include "formats/machine/CpuRates.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::compiler {

struct LinkLoad {
  std::string link; ///< "dram" or "vram", "cpu", "disk" or "pcie"
  uint64_t bytesPerPass = 0;
  uint64_t bandwidth = 0; ///< in bytes/s; 0 = not known
};

struct PassPrediction {
  std::vector<LinkLoad> links;
  uint64_t nanoseconds = 0; ///< time of the pass; 0 = not known
  std::string limit;        ///< the link that limits the pass; "" = not known
};

/// Links without bytes are ignored. When the bandwidth of a link with bytes is
/// not known, nanoseconds is 0 and limit is "". `kept` states how much disk and
/// memory slow each other down; it has no effect unless bytes are read from the
/// disk.
PassPrediction predictPass(std::vector<LinkLoad> links,
                           const KeptShares &kept = {});

/// Returns the tokens per second if each pass yields one token, or 0 if the
/// time of a pass is not known.
double tokensPerSecond(const PassPrediction &prediction);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_COSTMODEL_H
