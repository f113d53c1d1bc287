//===- ResidencyCost.h - what classes of weights cost -----------*- C++ -*-===//
//
// The coefficients of the linear program of ResidencySolver.h. passLoads(),
// which that header declares, adds them up for a given placement.
//
// Thread-safety: pure functions. Errors: none.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_RESIDENCYCOST_H
#define AIRPACK_COMPILER_PLANNER_RESIDENCYCOST_H

#include "compiler/planner/ResidencySolver.h"

namespace air::compiler {

/// The cost of a class of weights in a pass if a single device computes with
/// all of them.
struct ClassCost {
  double bytes = 0;         ///< bytes of the class that the pass reads
  double cpuReading = 0;    ///< seconds for reading these bytes from RAM
  double cpuArithmetic = 0; ///< seconds of arithmetic on the CPU
  double gpuReading = 0;    ///< seconds for reading these bytes from VRAM
  double cpuSeconds = 0; ///< seconds for reading and computing, which overlap
  double gpuSeconds = 0;
};

ClassCost classCost(const ResidencyProblem &problem, const WeightClass &weights,
                    const Phase &phase);

/// The share of the class `weights` that a pass of the kind `phase` reads.
double touchedShare(const WeightClass &weights, const Phase &phase);

/// How many times a streamed byte crosses the memory bus: twice if writes to
/// the ring count, and otherwise once.
double streamedCrossings(const ResidencyProblem &problem);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_RESIDENCYCOST_H
