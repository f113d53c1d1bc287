//===- Summary.h - a plan in a dozen lines ----------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_SUMMARY_H
#define AIRPACK_TOOLS_AIRPACK_SUMMARY_H

#include "formats/plan/PlanFile.h"

#include <string>

namespace air {

/// What the plan is, where its bytes lie, what a token moves over each link,
/// the speed to expect and what limits it. Lines, each with its end.
std::string planSummary(const plan::Plan &plan, uint64_t fileBytes);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_SUMMARY_H
