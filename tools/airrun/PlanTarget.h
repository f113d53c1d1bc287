//===- PlanTarget.h - the target that airrun runs ---------------*- C++ -*-===//
//
// A plan for several targets is run on the best device for which it has a
// target: a GPU if there is one, and otherwise the CPU. --device cpu, or the
// number or name of a GPU, restricts the choice.
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
/// if these can run no target. Each target is judged on the GPU that a session
/// would open for it (CudaDriver.h). This is the first GPU that can run the
/// target's kernels and has as many multiprocessors as they were made for. If
/// there is none, it is the first GPU that can run the kernels. Machine code is
/// better than PTX, and code for a newer architecture is better than code for
/// an older one. Among equal targets, the one with the nearest number of
/// multiprocessors is best.
Result<std::optional<uint32_t>>
chooseGpuTarget(std::span<const GpuTarget> targets,
                std::span<const rt::CudaFacts> gpus);

/// Chooses the target of a plan for several targets. `device` is the value of
/// --device, or "". A target for a GPU is never chosen if this machine lacks an
/// ISA feature that its kernels for the CPU need. Errors: Mismatch if this
/// machine, or the device, can run none of the targets, which the message
/// lists; Usage if there is no such GPU.
Result<uint32_t> chooseTarget(const PlanFile &file, const std::string &device);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLANTARGET_H
