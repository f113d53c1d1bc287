//===- TargetChoice.h - which target of a plan runs here --------*- C++ -*-===//
//
// A plan for several targets contains a plan for each of them. A target whose
// machine has a GPU is a target for a GPU; any other is a target for a CPU.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_TARGETCHOICE_H
#define AIRPACK_RUNTIME_EXEC_TARGETCHOICE_H

#include "formats/machine/MachineProfile.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>

namespace air::rt {

/// The plan's record of the GPU that a target is for; null if it is for a CPU.
const plan::Device *gpuOf(const plan::Plan &target);

/// The targets of a plan for messages, for example "rtx3060 (GPU, sm_86),
/// x86-64-v3 (CPU, x86_64)".
std::string targetList(const PlanFile &file);

/// Of the CPU targets that `host` can run, returns the index of the one that
/// needs the most ISA features. If several need equally many, the first is
/// chosen. If `host` can run none, returns Mismatch with a message that lists
/// the targets, and says what the machine lacks for the first CPU target.
Result<uint32_t> chooseCpuTarget(const PlanFile &file,
                                 const MachineProfile &host);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_TARGETCHOICE_H
