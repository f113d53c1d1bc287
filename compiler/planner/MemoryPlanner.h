//===- MemoryPlanner.h - one arena for all activations ----------*- C++ -*-===//
//
// Places every activation buffer in one arena, so that the runtime allocates
// once. A buffer is used by many layers in turn: within a program it holds one
// value after another. A step whose first use of the buffer only writes it
// begins a new value; any other use keeps the old one. A value lives from the
// step that begins it to the last step that uses it; the last value of an
// output lives to the last step. Buffers that hold values at the same step of
// any program get disjoint ranges; others may share.
//
// The time is near linear in the number of uses as long as few buffers hold
// values at the same step.
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
  bool isOutput = false;
};

/// One binding of a buffer, by index.
struct BufferUse {
  // Implicit: a bare index is a use that needs what the buffer holds.
  BufferUse(uint32_t index, bool needsValue = true)
      : buffer(index), reads(needsValue) {}

  uint32_t buffer;
  bool reads; ///< false: it only writes
};

/// The uses in each step of one program, in the order in which they happen.
struct ProgramUses {
  std::vector<std::vector<BufferUse>> steps;
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
