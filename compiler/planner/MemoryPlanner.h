//===- MemoryPlanner.h - one arena for all activations ----------*- C++ -*-===//
//
// Places every activation buffer in one arena, so that the runtime allocates
// once. Layers reuse buffers: within a program, a buffer holds one value after
// another. A step whose first use of a buffer is a write without a read begins
// a new value; any other use extends the lifetime of the current value. A value
// lives from the step that begins it to the last step that uses it; the last
// value of an output lives to the end of the program. Two buffers get disjoint
// ranges if, in at least one program, both hold a value at the same step. Other
// buffers may share bytes.
//
// The planner's running time is nearly linear in the number of uses as long as
// few buffers hold values at the same step.
//
// Offsets are found by best fit, the largest buffer first, with ties broken by
// index, so the result depends on the problem alone. Sizes are in bytes and are
// rounded up to multiples of kArenaAlignment.
//
// Thread-safety: pure functions. Errors: Internal when a step names a buffer
// that does not exist; DoesNotFit when the sizes overflow 64 bits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_MEMORYPLANNER_H
#define AIRPACK_COMPILER_PLANNER_MEMORYPLANNER_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::compiler {

/// The alignment of buffers in bytes. It equals AIR_BINDING_ALIGNMENT, the
/// alignment that kernels may assume.
inline constexpr uint64_t kArenaAlignment = 64;

struct ArenaBuffer {
  std::string name; ///< used in error messages
  uint64_t bytes = 0;
  bool isOutput = false;
};

/// One use of a buffer by a step. The buffer is given by its index in
/// MemoryProblem::buffers.
struct BufferUse {
  // The constructor is implicit, so that a bare index means a use that needs
  // the buffer's earlier value.
  BufferUse(uint32_t index, bool needsValue = true)
      : buffer(index), reads(needsValue) {}

  uint32_t buffer;
  bool reads; ///< false when the use only writes
};

/// How each step of one program uses buffers. The uses of a step are in the
/// order in which they happen.
struct ProgramUses {
  std::vector<std::vector<BufferUse>> steps;
};

struct MemoryProblem {
  std::vector<ArenaBuffer> buffers;
  std::vector<ProgramUses> programs;
};

struct ArenaPlan {
  std::vector<uint64_t> offsets; ///< in bytes, one for each buffer
  uint64_t arenaBytes = 0;
};

Result<ArenaPlan> planArena(const MemoryProblem &problem);

/// Checks `plan` against `problem` independently of planArena:
/// ArenaVerifier.cpp walks the steps one by one and compares the ranges that
/// are live at each step. Fails with VerificationFailed; if two ranges overlap,
/// the message names the two buffers and the step.
Status verifyArena(const MemoryProblem &problem, const ArenaPlan &plan);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_MEMORYPLANNER_H
