//===- KeptSequence.h - a sequence that outlives an answer ------*- C++ -*-===//
//
// Each turn of a conversation repeats the tokens of the turns before it. A
// KeptSequence remembers which tokens its sequence holds, so that a Generator
// computes only the new ones.
//
// Ownership: borrows the session, which must outlive it and must not be moved.
// The destructor ends the sequence. Thread-safety: as for Session.
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
  /// The tokens whose keys and values the session holds for this sequence.
  std::span<const int32_t> tokens() const { return held; }

  /// Drops the tokens after the longest common prefix with `wanted`. The last
  /// token of `wanted` is never kept, because it must be computed for its
  /// logits. Returns the number of tokens that remain.
  Result<uint64_t> keepPrefix(std::span<const int32_t> wanted);

  /// Records the tokens of a run. If the run failed, only tokens that the
  /// session has kept are recorded.
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
