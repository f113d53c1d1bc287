//===- TokenFilter.h - which tokens may come next ---------------*- C++ -*-===//
//
// A token filter restricts what a sampler may choose, as a grammar does. Most
// tokens that a model chooses freely are allowed anyway, and to test one token
// is much cheaper than to test all. Hence a sampler chooses freely first, and
// asks for the mask only if its choice is refused, as llama.cpp does.
//
// Thread-safety: a filter is used by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_TOKENFILTER_H
#define AIRPACK_RUNTIME_TEXT_TOKENFILTER_H

#include "formats/support/Status.h"

#include <cstdint>
#include <span>

namespace air::rt {

class TokenFilter {
public:
  virtual ~TokenFilter() = default;

  /// Returns whether token `id` may come next.
  virtual bool allows(int32_t id) = 0;

  /// Gives the logit -infinity to each token that is not allowed to come next.
  virtual void mask(std::span<float> logits) = 0;

  /// Records that token `id` has been generated. It is not called for the
  /// tokens of a prompt.
  virtual Status accept(int32_t id) = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_TOKENFILTER_H
