//===- TargetChoice.cpp - which target of a plan runs here ------*- C++ -*-===//
#include "runtime/exec/TargetChoice.h"

#include "formats/plan/PlanConvert.h"
#include "formats/support/Printable.h"

#include <optional>

using namespace air;
using namespace air::rt;

const plan::Device *air::rt::gpuOf(const plan::Plan &target) {
  const auto *devices = target.machine()->devices();
  return devices == nullptr || devices->size() == 0 ? nullptr : devices->Get(0);
}

std::string air::rt::targetList(const PlanFile &file) {
  std::string list;
  for (uint32_t i = 0; i < file.targets(); ++i) {
    const plan::Machine &machine = *file.target(i).machine();
    const plan::Device *gpu = gpuOf(file.target(i));
    list += list.empty() ? "" : ", ";
    list += printable(machine.name()->str(), kShownBytes);
    list += gpu == nullptr
                ? " (CPU, " + machine.arch()->str() + ")"
                : " (GPU, " + printable(gpu->arch()->str(), kShownBytes) + ")";
  }
  return list;
}

Result<uint32_t> air::rt::chooseCpuTarget(const PlanFile &file,
                                          const MachineProfile &host) {
  std::optional<uint32_t> best;
  size_t mostFeatures = 0;
  Status lacks = Status::ok();
  for (uint32_t i = 0; i < file.targets(); ++i) {
    if (gpuOf(file.target(i)) != nullptr) {
      continue;
    }
    const MachineProfile machine = fromPlan(*file.target(i).machine());
    if (Status runs = checkRunsOn(machine, host); !runs.isOk()) {
      lacks = lacks.isOk() ? runs : lacks;
    } else if (!best || machine.features.size() > mostFeatures) {
      best = i;
      mostFeatures = machine.features.size();
    }
  }
  if (best) {
    return *best;
  }
  return mismatchError(
      "this machine's CPU can run none of the plan's targets, which are " +
      targetList(file) + (lacks.isOk() ? "" : "; " + lacks.message()) +
      (lacks.isOk() ? "; pack the model with --target host on this machine"
                    : ""));
}
