//===- Tuner.h - measured tile sizes of matmuls -----------------*- C++ -*-===//
//
// Times each matrix multiplication of a plan on this machine with different
// tile sizes, and keeps the fastest. The search starts with the cost model's
// tiles as the current choice and varies one size after another: the candidates
// are the current choice and its variants in this size (codegen::tileVariants),
// and the winner becomes the current choice. If there is no time to measure all
// sizes, the cost model's tiles are kept.
//
// Candidates are timed in rounds, each candidate once per round, so that other
// load slows all of them alike. In each round, the time of every candidate is
// divided by the time of the current choice. A variant qualifies if it was
// faster than the current choice in more than three quarters of the rounds, and
// if its median ratio is at most 1 - kLeastGain. The winner is the qualifying
// variant with the smallest median ratio or, if no variant qualifies, the
// current choice.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_TUNE_TUNER_H
#define AIRPACK_TOOLS_TUNE_TUNER_H

#include "codegen/TileChoice.h"

#include <functional>
#include <span>
#include <vector>

namespace air::tune {

/// Other tiles replace the current choice only if they save at least this
/// fraction of its time.
inline constexpr double kLeastGain = 0.02;

/// The index of the candidate to choose. times[round][candidate] is in seconds.
/// Candidate 0 is the current choice; it is also the result if there are no
/// rounds.
size_t chooseByTimes(std::span<const std::vector<double>> times);

/// Measures `uses` on `threads` threads for about `seconds` seconds, beginning
/// with those that have the most bytes of weights. This machine must be able to
/// run code for `target`. Returns a choice for each use that was measured in
/// time. `progress` is called with the number of finished uses. Errors: those
/// of the compiler and device.
Result<std::vector<codegen::TileChoice>>
chooseTiles(std::span<const codegen::KernelUse> uses,
            const MachineProfile &target, uint32_t threads, double seconds,
            const std::function<void(size_t done)> &progress);

} // namespace air::tune

#endif // AIRPACK_TOOLS_TUNE_TUNER_H
