//===- RingSimulation.h - the rings of a plan, page by page -----*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H
#define AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H

#include "formats/plan/plan_generated.h"

#include <string>

namespace air::test {

/// Carries out the device_reads of every placement in three passes of each
/// program, and the reads of what they copy, each once as early and once as
/// late as their order allows. Notes which page of which segment every page of
/// both rings holds. Returns the first error: a tensor that is not in the GPU's
/// ring when a step needs it, or bytes that are not in RAM when they are
/// copied. Returns "" if there is none, or if the plan copies more than some
/// thousand pages.
std::string wrongInRing(const plan::Plan &plan);

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_RINGSIMULATION_H
