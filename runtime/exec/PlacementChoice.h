//===- PlacementChoice.h - a session's first placement ----------*- C++ -*-===//
//
// A plan has one or more placements. Each takes less RAM than the one before
// it, or less of a GPU's memory. A session starts with the first one that fits.
//
// Thread-safety: pure functions, except checkFreeRam(), which reads files.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_PLACEMENTCHOICE_H
#define AIRPACK_RUNTIME_EXEC_PLACEMENTCHOICE_H

#include "runtime/exec/PlanDevice.h"
#include "runtime/io/MemoryLimit.h"

#include <cstdint>
#include <optional>
#include <string>

namespace air::rt {

/// How much RAM a session may use.
struct RamBounds {
  /// The smallest limit, in bytes; 0 if it is not known.
  uint64_t most = 0;
  /// What is left before a limit is reached. MemoryRoom::own is the memory of
  /// the session, which is 0 before a placement has been chosen. If `room` is
  /// nullopt, it does not matter how much memory others use.
  std::optional<MemoryRoom> room = std::nullopt;
};

/// Returns the index of the first placement whose RAM is within `bounds`. The
/// search begins at the index `first`. `devices` are those that run the plan's
/// kernels. If there is no such placement, returns DoesNotFit. The message
/// states the least RAM that is needed, and the RAM that can be used.
Result<uint32_t> choosePlacement(const plan::Plan &plan,
                                 const KernelDevices &devices,
                                 const RamBounds &bounds, uint32_t first);

/// Fails with DoesNotFit if less RAM is free than a placement for a GPU needs
/// for weights. `usesCpu` says whether the CPU computes some layers. If
/// `isRandom` is true, random numbers replace all weights, and need RAM of
/// their own. `root` is SessionOptions::memoryRoot. The RAM from which passes
/// copy weights is page-locked, so the system cannot swap it out. Without this
/// check, RAM might run out, and the system would have to end this process or
/// another one.
Status checkFreeRam(const plan::Plan &plan, const plan::Placement &placement,
                    bool isRandom, bool usesCpu, const std::string &root);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_PLACEMENTCHOICE_H
