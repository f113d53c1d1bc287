//===- Tuner.h - measured tile sizes of matmuls -----------------*- C++ -*-===//
//
// Times each matrix multiplication of a plan on this machine with different
// tile sizes, varying one size at a time (codegen::tileVariants), and keeps the
// fastest. The cost model's tiles are always a candidate. They are kept if no
// other candidate is faster by at least kLeastGain, or if there is no time to
// measure.
//
// Candidates are timed in rounds, each candidate once per round, so that other
// load slows all of them alike. In each round, the time of every candidate is
// divided by the time of the present choice. The candidate with the smallest
// median ratio wins, provided that it was faster than the present choice in
// more than three quarters of the rounds.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_TUNE_TUNER_H
#define AIRPACK_TOOLS_TUNE_TUNER_H

#include "codegen/TileChoice.h"

#include <functional>
#include <span>
#include <vector>

namespace air::tune {

/// Other tiles replace the present choice only if they save at least this
/// fraction of its time.
inline constexpr double kLeastGain = 0.02;

/// The index of the candidate to choose. times[round][candidate] is in seconds.
/// Candidate 0 is the present choice; it is also the result if there are no
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
