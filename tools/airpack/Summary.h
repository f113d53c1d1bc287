//===- Summary.h - a plan in a dozen lines ----------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_SUMMARY_H
#define AIRPACK_TOOLS_AIRPACK_SUMMARY_H

#include "formats/plan/PlanFile.h"

#include <string>

namespace air {

/// What the plan is, where its bytes lie, what a token moves over each link,
/// the speed to expect and what limits it. Lines, each with its end.
/// `dramBandwidth` (bytes/s; 0: not measured) is what the machine at hand
/// gives; the speed that follows from it stands beside the one in the plan.
std::string planSummary(const plan::Plan &plan, uint64_t fileBytes,
                        double dramBandwidth = 0);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_SUMMARY_H
