//===- WeightUses.h - which steps read which weights ------------*- C++ -*-===//
//
// This header is internal to formats/plan. The rules of a placement's reads
// (VerifyPlacements.cpp) need to know which steps read each byte of the
// weights. A segment is divided into pieces such that each step reads a piece
// either as a whole or not at all.
//
// Thread-safety: a pure function.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_WEIGHTUSES_H
#define AIRPACK_FORMATS_PLAN_WEIGHTUSES_H

#include "formats/plan/plan_generated.h"

#include <cstdint>
#include <vector>

namespace air::rules {

/// A range of a segment. `first` is the first step that reads from a chunk that
/// overlaps the range, since chunks are verified as a whole; UINT32_MAX if no
/// step does. `last` is the last step that reads from a page that overlaps the
/// range; 0 if no step does.
struct Piece {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t first = UINT32_MAX;
  uint32_t last = 0;
};

/// Which steps read which bytes of the segments of weights. The steps with the
/// same index in all programs count as one step.
struct Uses {
  uint32_t steps = 0; ///< the number of steps of the first program
  /// For each segment of weights, the pieces into which it is divided,
  /// ascending and without gaps. The list is empty for segments of other kinds.
  std::vector<std::vector<Piece>> pieces;
  /// For each segment: whether a part of a dispatch multiplies by rows of
  /// several matrices of the segment. Each part of the dispatch then needs some
  /// rows of every one of these matrices, so a pass may have to go back in the
  /// segment.
  std::vector<bool> alternates;
};

/// Returns the uses of a plan whose segments, tensors and programs have been
/// verified.
Uses usesOf(const plan::Plan &plan, uint64_t pageBytes);

} // namespace air::rules

#endif // AIRPACK_FORMATS_PLAN_WEIGHTUSES_H
