//===- TargetReports.h - what a plan has for each target --------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_TARGETREPORTS_H
#define AIRPACK_TOOLS_AIRPACK_TARGETREPORTS_H

#include "formats/plan/PlanFile.h"

#include <functional>
#include <string>

namespace air {

/// Calls `visit` once for each segment of the file. Before each call, the first
/// target that has the segment becomes the chosen target of `file`
/// (PlanFile::choose()); `index` is the segment's index in this target.
Status forEachSegment(PlanFile &file,
                      const std::function<Status(uint32_t index)> &visit);

enum class ListKernels : uint8_t { No, Yes };

/// Returns the text that describes a plan, with the planSummary() of each
/// target. `bandwidthOf` returns the measured bandwidth that planSummary()
/// takes.
Result<std::string>
reportText(PlanFile &file, ListKernels kernels,
           const std::function<double(const plan::Plan &)> &bandwidthOf);

/// Returns the metadata of a plan as JSON (planToJson()). With
/// ListKernels::Yes, the metadata of a plan for a GPU also has the key
/// gpu_kernels with the list that kernelsAsJson() returns. For a plan with
/// several targets, returns an object whose list "targets" holds the metadata
/// of each target.
Result<std::string> reportJson(PlanFile &file, ListKernels kernels);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_TARGETREPORTS_H
