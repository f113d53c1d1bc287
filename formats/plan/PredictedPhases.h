//===- PredictedPhases.h - what plans predict the time of -------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_PREDICTEDPHASES_H
#define AIRPACK_FORMATS_PLAN_PREDICTEDPHASES_H

#include <cstdint>

namespace air {

/// The number of tokens of the passes that are predicted as the phase "verify".
/// Such a pass computes the logits of some tokens of one sequence, all of which
/// but the first are drafts. It can have 2 tokens or more; 4 stand for the
/// range from 2 to 8, for which plans for CPUs have one program.
inline constexpr uint64_t kVerifyTokens = 4;

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PREDICTEDPHASES_H
