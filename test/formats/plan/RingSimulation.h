//===- RingSimulation.h - the rings of a plan, page by page -----*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H
#define AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H

#include "formats/plan/plan_generated.h"

#include <string>

namespace air::test {

/// For every placement and program, simulates the copies to the GPU
/// (device_reads) of three passes and the reads from the disk that they need,
/// with both as early or as late as their order allows. For each page of both
/// rings, records which page of which segment it holds. Returns the first
/// error: a tensor that is not in the GPU's ring when a step needs it, or bytes
/// that are not in RAM when they are copied. Returns "" if there is none. A
/// placement that copies more than 5000 pages per pass is skipped.
std::string wrongInRing(const plan::Plan &plan);

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H
