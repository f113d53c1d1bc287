//===- CostModel.h - bytes per link, and what they cost ---------*- C++ -*-===//
//
// A decode pass (one token, empty KV cache) reads every weight byte it needs
// once. With a link's bandwidth from the machine profile its time is
// bytes / bandwidth; links work side by side, so the pass takes the time of the
// slowest one, and that is what limits it. A bandwidth of 0 is "not known":
// then time and limit are not known either.
//
// Thread-safety: pure, no errors.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_COSTMODEL_H
#define AIRPACK_COMPILER_PLANNER_COSTMODEL_H

#include <cstdint>
#include <string>
#include <vector>

namespace air::compiler {

struct LinkLoad {
  std::string link; ///< "dram", "disk"
  uint64_t bytesPerPass = 0;
  uint64_t bandwidth = 0; ///< bytes/s; 0 = not known
};

struct PassPrediction {
  std::vector<LinkLoad> links;
  uint64_t nanoseconds = 0; ///< 0 = not known
  std::string limit;        ///< link that limits; "" = not known
};

/// Links without bytes do not limit. When a link with bytes has no bandwidth,
/// nanoseconds is 0 and limit is "".
PassPrediction predictPass(std::vector<LinkLoad> links);

/// Tokens per second of a pass that yields one token; 0 = not known.
double tokensPerSecond(const PassPrediction &prediction);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_COSTMODEL_H
