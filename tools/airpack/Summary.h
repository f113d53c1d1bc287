//===- Summary.h - a plan in a dozen lines ----------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_SUMMARY_H
#define AIRPACK_TOOLS_AIRPACK_SUMMARY_H

#include "formats/plan/PlanFile.h"

#include <string>

namespace air {

/// The line for a speed that cannot be predicted, because the target does not
/// state the rates of its memory or its disk.
inline constexpr const char *kUnknownSpeed =
    "speed      unknown; on the machine itself, airrun probe measures RAM and "
    "disk: with --save for --target host, with -o FILE for a profile\n";

/// The text that describes a plan: model, target, memory, the bytes moved
/// over each link per token, the expected speed and what limits it. Every line
/// ends with a newline. `fileBytes` is the size of the file, or 0 to leave out
/// the line about it. `dramBandwidth` is this machine's measured read
/// bandwidth in bytes/s, or 0 if it was not measured; the speed that follows
/// from it is shown beside the plan's own prediction.
std::string planSummary(const plan::Plan &plan, uint64_t fileBytes,
                        double dramBandwidth = 0);

/// The line that says how many layers of a model with `layers` layers the CPU
/// computes, and how many the GPU computes. `cpuLayers` is the number for the
/// CPU in a plan for a GPU, and 0 for a plan without a GPU. If it is 0, returns
/// "".
std::string layersLine(uint64_t cpuLayers, uint64_t layers);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_SUMMARY_H
