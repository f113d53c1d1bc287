//===- PlanTarget.h - the target that airrun runs ---------------*- C++ -*-===//
//
// A plan for several targets is run on a GPU if one of this machine's GPUs can
// run one of the targets, and otherwise on the CPU. --device limits the choice
// to the CPU ("cpu"), or to the GPU with the given number or name.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_PLANTARGET_H
#define AIRPACK_TOOLS_AIRRUN_PLANTARGET_H

#include "formats/plan/PlanFile.h"
#include "runtime/hal/cuda/CudaDriver.h"

#include <optional>
#include <span>
#include <string>

namespace air {

/// A target for a GPU.
struct GpuTarget {
  uint32_t target = 0; ///< its index in the plan
  std::string arch;    ///< of its machine code, such as "sm_86"
  std::string ptxArch; ///< of its PTX, such as "compute_86"; "" without PTX
  uint32_t multiprocessors = 0; ///< of the GPU that it was made for
};

/// Returns the index of the target that fits one of the GPUs best, or nullopt
/// if none of the GPUs can run any of the targets. How well a target fits is
/// judged on the GPU that a session would open for it (CudaDriver.h): the first
/// GPU that can run the target's kernels and has the number of multiprocessors
/// that they were made for or, if there is no such GPU, the first one that can
/// run the kernels. Machine code is better than PTX, and code for a newer
/// architecture is better than code for an older one, where "sm_90a" counts as
/// newer than "sm_90". Among targets that are equal in this, the best is the
/// one whose number of multiprocessors is nearest to that of its GPU.
Result<std::optional<uint32_t>>
chooseGpuTarget(std::span<const GpuTarget> targets,
                std::span<const rt::CudaFacts> gpus);

/// Chooses the target of a plan for several targets. `device` is the value of
/// --device, or "" if the option is not given. A target for a GPU may also have
/// kernels for the CPU. It is never chosen if the CPU of this machine lacks an
/// ISA feature that those kernels need. Errors: Mismatch if this machine (or
/// `device`, if it is given) can run none of the targets; the message lists
/// them. If `device` is a GPU, also the errors of CudaDriver::listGpus().
Result<uint32_t> chooseTarget(const PlanFile &file, const std::string &device);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLANTARGET_H
