//===- Session.h - a plan, opened on this machine ---------------*- C++ -*-===//
//
// open() maps and verifies the plan's metadata, checks that this machine is one
// that the plan was made for and has the memory it asks for, takes that memory
// once, loads the kernels and resolves every address. Weights are verified and
// brought in while the first batch is already computing (runtime/io).
//
//   Session session = *Session::open("model.air", {});
//   SequenceId sequence = *session.newSequence();
//   session.run({tokens, sequences, outputs}, sink);
//
// Ownership: a Session owns all it uses; it can be moved. Thread-safety: one
// thread at a time; its own compute threads are inside run(). Errors of open():
// those of PlanFile::open, Mismatch (names the field), DoesNotFit (memory),
// Unsupported (a plan that streams, or an unknown shape), Usage (threads).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_SESSION_H
#define AIRPACK_RUNTIME_EXEC_SESSION_H

#include "runtime/exec/Executor.h"

#include <memory>
#include <string>

namespace air::rt {

struct SessionOptions {
  /// Compute threads; 0: as many as the plan was made for, at most one a core
  /// that this process may use.
  uint32_t threads = 0;
  /// Sequences that may live at a time; 0: as many as the plan has slots.
  /// Shorter ones need fewer pages than a slot has, so that there may be up to
  /// 256 of them, fewer where a context of very many pages makes the tables
  /// large.
  uint32_t maxSequences = 0;
};

class Session {
public:
  static Result<Session> open(const std::string &path,
                              const SessionOptions &options);
  Session(Session &&) noexcept;
  Session &operator=(Session &&) noexcept;
  ~Session();

  const plan::Plan &plan() const;
  uint64_t vocabulary() const;
  /// Tokens that one sequence may hold.
  uint64_t context() const;
  /// Tokens of one pass: larger batches are cut.
  uint64_t maxTokens() const;
  uint32_t threads() const;

  Result<SequenceId> newSequence();
  void endSequence(SequenceId sequence);
  Status truncate(SequenceId sequence, uint64_t length);
  Result<SequenceId> fork(SequenceId sequence, uint64_t length);
  uint64_t length(SequenceId sequence) const;

  /// Io when somebody has overwritten the plan since it was opened: weights that
  /// changed after they were verified give wrong results. Asked for after the
  /// last run().
  Status checkPlanUnchanged() const;

  /// See Executor::run.
  Status run(const Batch &batch, LogitsSink sink);

  /// Counters and step times.
  Executor &executor();

private:
  struct Parts;
  explicit Session(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_SESSION_H
