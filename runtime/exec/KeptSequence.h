//===- KeptSequence.h - a sequence that outlives an answer ------*- C++ -*-===//
//
// A conversation grows from turn to turn, and most of its tokens are those of
// the turn before. A KeptSequence remembers which tokens its sequence holds, so
// that a Generator computes only those that are new.
//
// Ownership: borrows the session, which must outlive it and must not be moved.
// The destructor ends the sequence. Thread-safety: that of the session.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_KEPTSEQUENCE_H
#define AIRPACK_RUNTIME_EXEC_KEPTSEQUENCE_H

#include "runtime/exec/Session.h"

#include <span>
#include <vector>

namespace air::rt {

class KeptSequence {
public:
  static Result<KeptSequence> create(Session &session);
  KeptSequence(KeptSequence &&other) noexcept;
  KeptSequence &operator=(KeptSequence &&) = delete;
  ~KeptSequence();

  SequenceId id() const { return sequence; }
  /// The tokens that the model has computed.
  std::span<const int32_t> tokens() const { return held; }

  /// Drops the tokens after the longest common prefix with `wanted`, and at
  /// least those from the last token of `wanted` on, because that one must be
  /// computed for its logits. Returns the number of tokens that remain.
  Result<uint64_t> keepPrefix(std::span<const int32_t> wanted);

  /// Records tokens that were run. The sequence of the session may have fewer
  /// if the run failed; what it does not have is left out.
  void append(std::span<const int32_t> run);

private:
  KeptSequence(Session &owner, SequenceId started)
      : session(&owner), sequence(started) {}

  Session *session; ///< null if the object has been moved from
  SequenceId sequence;
  std::vector<int32_t> held;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_KEPTSEQUENCE_H
