//===- Executor.h - batches of tokens through a program ---------*- C++ -*-===//
//
// run() takes tokens of any live sequences, in any mixture; each continues its
// sequence. Larger batches are cut into pieces of the plan's max_tokens. Logits
// are given out in rows of `vocabulary` floats, at most max_outputs rows at a
// time, in the order they were asked for.
//
// On the first pass the store may still be reading: the executor waits before
// each step for that step's segments only.
//
// A failed run leaves every sequence as it was. Allocates only in create().
// Thread-safety: one caller at a time. Errors: Usage (a token outside the
// vocabulary, a dead sequence, outputs out of order), DoesNotFit (context or
// pages), Unsupported (logits that are NaN or infinite, with the step that made
// them so), those of the store and the device, and the sink's own.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_EXECUTOR_H
#define AIRPACK_RUNTIME_EXEC_EXECUTOR_H

#include "runtime/exec/FunctionRef.h"
#include "runtime/exec/ProgramTable.h"
#include "runtime/io/SegmentStore.h"
#include "runtime/kv/KvCache.h"

#include <array>
#include <span>
#include <vector>

namespace air::rt {

/// The arrays belong to the caller.
struct Batch {
  std::span<const int32_t> tokens;
  std::span<const SequenceId> sequences; ///< one a token
  /// Tokens whose logits are asked for, as places in `tokens`, ascending.
  std::span<const uint32_t> outputs;
};

/// Takes rows [firstOutput, ...) of logits; they are gone when it returns.
using LogitsSink =
    FunctionRef<Status(uint64_t firstOutput, std::span<const float> rows)>;

/// Sums since the last resetCounters().
struct RunCounters {
  uint64_t passes = 0; ///< walks over a program's body
  uint64_t tokens = 0;
  uint64_t outputs = 0;
  uint64_t weightBytes = 0; ///< as the kernels read them
  /// Keys and values: those of each sequence in a pass read once, its new ones
  /// written.
  uint64_t kvBytes = 0;
  uint64_t flops = 0;
};

/// Nanoseconds spent in the steps of each kind, by plan::StepKind.
using StepTimes = std::array<uint64_t, 64>;

/// What an executor works on; all outlive it.
struct ExecutorParts {
  Device *device = nullptr;
  SegmentStore *store = nullptr;
  KvCache *kv = nullptr;
  uint64_t vocabulary = 0;
  uint64_t maxTokens = 0;
  uint64_t maxOutputs = 0;
  uint32_t maxSequences = 0;
  DeviceAddress logits = 0;       ///< rows of `vocabulary` floats
  uint64_t kvPositionBytes = 0;   ///< of one position, all layers
  bool kvIsHalf = false;          ///< the cache is float16
  std::vector<uint32_t> resident; ///< segments that the first pass pins
};

class Executor {
public:
  Executor(ExecutorParts parts, std::vector<ProgramRecord> programs);

  Status run(const Batch &batch, LogitsSink sink);

  const RunCounters &counters() const { return sums; }
  void resetCounters() { sums = {}; }

  /// Times every step from now on (it costs a wake-up a step), or stops.
  void timeSteps(bool on) { timing = on; }
  const StepTimes &stepTimes() const { return times; }
  void resetStepTimes() { times = {}; }

  /// Adds the nanoseconds of every dispatch from now on (each costs a wake-up)
  /// to its place in `nanoseconds`, in the order of the program that runs; an
  /// empty span stops. Usage of run() when a program has more dispatches.
  void timeDispatches(std::span<uint64_t> nanoseconds) {
    dispatchTimes = nanoseconds;
  }

private:
  Status check(const Batch &batch) const;
  Status reserve(const Batch &batch);
  void giveBack(std::span<const SequenceId> sequences);
  Status runPiece(const Batch &batch, uint64_t begin, uint64_t count,
                  uint64_t &nextOutput, LogitsSink sink);
  Status walk(const ProgramRecord &program, uint32_t beginStep,
              uint32_t endStep, const AirBatch &batch);
  /// Why the logits of a piece are not finite: walks it again, step by step.
  Status explainNotFinite(const ProgramRecord &program, const AirBatch &batch);
  Result<bool> resultIsFinite(const StepRecord &step, const AirBatch &batch);
  Status runStep(const ProgramRecord &program, const StepRecord &step,
                 const AirBatch &batch);
  const ProgramRecord &programFor(uint64_t tokens) const;
  void count(const ProgramRecord &program, std::span<const SequenceId> piece);

  ExecutorParts parts;
  std::vector<ProgramRecord> programs;
  std::vector<uint32_t> positions;  ///< of a piece's tokens
  std::vector<uint32_t> outputRows; ///< of one run of the head
  std::vector<uint64_t> cursors;    ///< by sequence: its next token's position
  std::vector<uint64_t> countedIn;  ///< by sequence: the last pass it was in
  RunCounters sums;
  StepTimes times = {};
  bool timing = false;
  std::span<uint64_t> dispatchTimes;
  bool settled = false;
  uint64_t passNumber = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_EXECUTOR_H
