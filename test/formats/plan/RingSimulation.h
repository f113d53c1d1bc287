//===- RingSimulation.h - the rings of a plan, page by page -----*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H
#define AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H

#include "formats/plan/plan_generated.h"

#include <string>

namespace air::test {

/// Simulates, for every placement that copies weights to a GPU, three rounds in
/// which each program runs one pass. There are two rings: copies from RAM
/// (device_reads) fill the GPU's ring, and reads from the disk (reads) fill the
/// ring in RAM. The simulation keeps track of which page of which segment is in
/// each page of the two rings. It runs four times, once for each combination of
/// early or late copies and early or late reads. "Early" and "late" mean as
/// early and as late as the plan allows.
///
/// Returns the first error: a tensor that is not in the GPU's ring when a step
/// needs it, or bytes that are not in RAM when they are copied. Returns "" if
/// there is no error. Skips placements that copy more than 5000 pages per pass.
std::string wrongInRing(const plan::Plan &plan);

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H
