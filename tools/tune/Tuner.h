//===- Tuner.h - measured tile sizes of matmuls -----------------*- C++ -*-===//
//
// Times each matrix multiplication of a plan on this machine with different
// tiles, varying one size at a time (codegen::tileVariants), and keeps the
// fastest. The cost model's tiles are always a candidate. They are kept if no
// other candidate is faster by at least kLeastGain, or if there is no time to
// measure.
//
// Candidates are timed in rounds, each candidate once per round, so that other
// load slows all of them alike. A candidate wins by the median over rounds of
// its time divided by that of the present choice, and only if it is faster in
// three rounds of four.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_TUNE_TUNER_H
#define AIRPACK_TOOLS_TUNE_TUNER_H

#include "codegen/TileChoice.h"

#include <functional>
#include <span>
#include <vector>

namespace air::tune {

/// The least relative gain for which other tiles are chosen.
inline constexpr double kLeastGain = 0.02;

/// The index of the candidate to take. times[round][candidate] is in seconds;
/// candidate 0 is the present choice, and the result if there are no rounds.
size_t chooseByTimes(std::span<const std::vector<double>> times);

/// Measures `uses` on `threads` threads for about `seconds`, those with the
/// most bytes of weights first. This machine must be able to run code for
/// `target`. Returns a choice for each use that was measured in time.
/// `progress` is called with the number of finished uses. Errors: those of the
/// compiler and device.
Result<std::vector<codegen::TileChoice>>
chooseTiles(std::span<const codegen::KernelUse> uses,
            const MachineProfile &target, uint32_t threads, double seconds,
            const std::function<void(size_t done)> &progress);

} // namespace air::tune

#endif // AIRPACK_TOOLS_TUNE_TUNER_H
