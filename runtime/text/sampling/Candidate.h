//===- Candidate.h - a token that a sampler may choose ----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLING_CANDIDATE_H
#define AIRPACK_RUNTIME_TEXT_SAMPLING_CANDIDATE_H

#include <cstdint>

namespace air::rt {

struct Candidate {
  float logit;
  int32_t id;
};

/// Orders candidates from the best to the worst. If logits are equal, the
/// lower id comes first, so the order is total.
inline constexpr auto kBetter = [](const Candidate &a, const Candidate &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLING_CANDIDATE_H
