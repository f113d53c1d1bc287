//===- Tuner.h - tiles of products, measured --------------------*- C++ -*-===//
//
// Times each product of a plan on this machine with its tiles varied, one size
// after the other (codegen::tileVariants), and keeps what is faster. The cost
// model's tiles are always among the candidates, and stay unless another is
// faster by kLeastGain; so does everything that the time does not suffice for.
//
// Candidates take turns, so that what disturbs the machine disturbs all of
// them: a candidate's gain is the median over rounds of its time by the present
// choice's in the same round, and it must be faster in three of four.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_TUNE_TUNER_H
#define AIRPACK_TOOLS_TUNE_TUNER_H

#include "codegen/TileChoice.h"

#include <functional>
#include <span>
#include <vector>

namespace air::tune {

/// What another tiling must gain to be chosen.
inline constexpr double kLeastGain = 0.02;

/// Of candidates that were timed in turns: which one to take. times[round] has
/// one time a candidate, in their order; the first is the present choice. 0
/// when there are no rounds.
size_t chooseByTimes(std::span<const std::vector<double>> times);

/// Measures `uses` for `target`, which this machine runs, on `threads` threads
/// for about `seconds`, those with the most bytes of weights first. Returns the
/// choices for those that the time sufficed for. `progress` gets how many are
/// done. Errors: those of the compiler and the device.
Result<std::vector<codegen::TileChoice>>
chooseTiles(std::span<const codegen::KernelUse> uses,
            const MachineProfile &target, uint32_t threads, double seconds,
            const std::function<void(size_t done)> &progress);

} // namespace air::tune

#endif // AIRPACK_TOOLS_TUNE_TUNER_H
