//===- MemoryPlanner.h - one arena for all activations ----------*- C++ -*-===//
//
// Places every activation buffer in one arena, so that the runtime allocates
// once. A buffer lives, in each program, from the first to the last step that
// binds it; an input lives from the first step on, an output to the last step.
// Buffers that live at the same step of any program get disjoint ranges; others
// may share.
//
// Offsets are found by best fit, largest buffer first, ties by index: the
// result is a function of the problem alone. Sizes are in bytes and are rounded
// up to kArenaAlignment.
//
// Thread-safety: pure. Errors: Internal when a step names a buffer that does
// not exist, DoesNotFit when the sizes overflow 64 bits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_MEMORYPLANNER_H
#define AIRPACK_COMPILER_PLANNER_MEMORYPLANNER_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::compiler {

/// Equal to AIR_BINDING_ALIGNMENT: what the kernels may assume.
inline constexpr uint64_t kArenaAlignment = 64;

struct ArenaBuffer {
  std::string name; ///< for messages
  uint64_t bytes = 0;
  bool isInput = false;
  bool isOutput = false;
};

/// The buffers that each step of one program binds, by index.
struct ProgramUses {
  std::vector<std::vector<uint32_t>> steps;
};

struct MemoryProblem {
  std::vector<ArenaBuffer> buffers;
  std::vector<ProgramUses> programs;
};

struct ArenaPlan {
  std::vector<uint64_t> offsets; ///< one a buffer
  uint64_t arenaBytes = 0;
};

Result<ArenaPlan> planArena(const MemoryProblem &problem);

/// Proves that `plan` is right for `problem`. Written apart from planArena
/// (ArenaVerifier.cpp): it walks the steps one by one and compares the ranges
/// alive at each. VerificationFailed names the two buffers and the step.
Status verifyArena(const MemoryProblem &problem, const ArenaPlan &plan);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_MEMORYPLANNER_H
