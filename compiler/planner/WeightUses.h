//===- WeightUses.h - which steps need which weights ------------*- C++ -*-===//
//
// A step may need only some rows of a matrix. From the bytes that each step
// reads, dividedSegment() determines into which pieces (planner/Placement.h) a
// segment is divided.
//
// A chunk can only be verified as a whole, so all of it is read for the first
// step that needs any byte of it. After that, its pages are needed only by the
// steps that read them.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_WEIGHTUSES_H
#define AIRPACK_COMPILER_PLANNER_WEIGHTUSES_H

#include "compiler/planner/Placement.h"

#include <cstdint>
#include <vector>

namespace air::compiler {

/// States that a step reads the bytes [begin, end) of a segment.
struct WeightUse {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t step = 0;
  /// Whether the bytes are a vector, such as a bias. Vectors are small, so a
  /// vector stays in RAM if any step but the segment's first one needs it.
  bool isVector = false;
};

/// Returns a segment of `bytes` bytes with chunks of `chunkBytes` bytes. It has
/// no pieces if at most one step needs it, or if steps that do not follow each
/// other read bytes of a matrix in the same page. If no step needs it, its
/// first step is UINT32_MAX.
WeightSegment dividedSegment(uint64_t bytes, uint64_t chunkBytes,
                             const std::vector<WeightUse> &uses);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_WEIGHTUSES_H
