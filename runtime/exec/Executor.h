//===- Executor.h - runs batches of tokens through a program ----*- C++ -*-===//
//
// run() takes tokens of any live sequences, in any mixture; each token
// continues its sequence. Batches larger than the plan's max_tokens are split
// into pieces. Logits are passed to the caller in rows of `vocabulary` floats,
// at most max_outputs rows at a time, in the order of the batch's outputs.
//
// A plan may run some of its steps on the CPU and the others on a GPU. The
// executor's device is then a HybridDevice, and the output head, which computes
// the logits (ProgramTable.h), runs on the GPU.
//
// If a GPU runs the head, only the requested rows of the logits are copied to
// the host. On a GPU, a program without tiles (DeviceBatch.h) always computes
// the largest batch that it allows, so a piece with fewer tokens is padded.
//
// choose() computes one token of each sequence, and the GPU chooses the token
// that follows it. Only the ids of these tokens are copied to the host. If the
// next call of choose() continues the same sequences with these tokens, the
// memory of the GPU already contains the batch, and nothing is copied to it
// unless a sequence needs another page of the KV cache.
//
// The GPU would be idle from the end of such a pass until the host has received
// the tokens and started the next pass. If the caller will probably call
// choose() again (`continues`), choose() therefore starts the next pass before
// it waits for the tokens. That pass *runs ahead*. If the next call of choose()
// continues the same sequences with these tokens, it only takes the tokens of
// that pass. Otherwise, the result of the pass is dropped. The pass has then
// changed nothing but buffers of activations, the arrays of the batch, and keys
// and values at positions that no sequence has yet; a later pass that adds
// these positions to a sequence overwrites them. A pass runs ahead only if all
// kernels run on the GPU, all weights stay in its memory, and no sequence needs
// another page. If the pass that should run ahead cannot be enqueued, choose()
// still succeeds, and the next call of choose() enqueues it.
//
// Before each step, the executor waits for the segments of that step only. In
// the first pass the SegmentStore may still be loading weights, and a store
// that streams weights reads them in every pass. For a pass that computes no
// logits, such a store does not read those weights of the head that it streams.
// If more logits are requested than one run of the head computes, the head runs
// again. A store that streams weights then reads the weights of the head again.
//
// A failed run leaves every sequence unchanged. The executor allocates memory
// only in its constructor. Thread-safety: one caller at a time. Errors: Usage
// (a batch that is not valid, for example because a token is outside the
// vocabulary, a sequence is not live, or outputs are out of order), DoesNotFit
// (the context is full, or the KV cache has no free page), Unsupported (logits
// that are NaN or infinite; the message names the step that first computed such
// numbers), Internal (a second computation of such logits gives finite numbers,
// or a GPU chooses a token outside the vocabulary), and those of the store, the
// device and the sink.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_EXECUTOR_H
#define AIRPACK_RUNTIME_EXEC_EXECUTOR_H

#include "runtime/exec/DeviceBatch.h"
#include "runtime/exec/FunctionRef.h"
#include "runtime/exec/ProgramTable.h"
#include "runtime/io/SegmentStore.h"
#include "runtime/kv/KvCache.h"

#include <array>
#include <span>
#include <vector>

namespace air::rt {

/// The tokens of one run. The arrays belong to the caller.
struct Batch {
  std::span<const int32_t> tokens;
  std::span<const SequenceId> sequences; ///< the sequence of each token
  /// The tokens whose logits are requested, as ascending indices into `tokens`.
  std::span<const uint32_t> outputs;
};

/// Receives rows of logits. The first row belongs to element `firstOutput` of
/// Batch::outputs, and the other rows to the elements that follow it. `rows` is
/// valid only during the call.
using LogitsSink =
    FunctionRef<Status(uint64_t firstOutput, std::span<const float> rows)>;

/// Totals since the last call of resetCounters(). A pass that runs ahead is
/// counted when a later call of choose() takes its tokens. If its result is
/// dropped, it is never counted.
struct RunCounters {
  uint64_t passes = 0; ///< runs of a program's body
  uint64_t tokens = 0;
  uint64_t outputs = 0;
  uint64_t weightBytes = 0; ///< bytes of weights that the kernels have read
  /// Bytes of keys and values that were read or written. A pass reads all keys
  /// and values of its sequences once, and writes new ones for its tokens.
  uint64_t kvBytes = 0;
  uint64_t flops = 0;
  /// If a GPU runs some of the steps: the part of weightBytes + kvBytes that
  /// the CPU has read or written. 0 if the CPU runs all steps.
  uint64_t cpuBytes = 0;
  uint64_t cpuKvBytes = 0; ///< the part of cpuBytes for keys and values
};

/// Nanoseconds spent in the steps of each kind, indexed by plan::StepKind.
using StepTimes = std::array<uint64_t, 64>;

/// The objects and sizes that an executor works with. The objects must outlive
/// the executor.
struct ExecutorParts {
  Device *device = nullptr;
  SegmentStore *store = nullptr;
  KvCache *kv = nullptr;
  uint64_t vocabulary = 0;
  uint64_t maxTokens = 0;
  uint64_t maxOutputs = 0;
  uint32_t maxSequences = 0;
  DeviceAddress logits = 0; ///< address of rows of `vocabulary` floats
  /// The batch in the memory of the GPU that runs kernels; null if the CPU runs
  /// all of them.
  DeviceBatch *batch = nullptr;
  uint64_t kvPositionBytes = 0; ///< K and V of one position in all caches
  /// If a GPU runs some of the kernels: the part of kvPositionBytes that is in
  /// the memory of the CPU. 0 if the CPU runs all of them.
  uint64_t cpuKvPositionBytes = 0;
  bool kvIsHalf = false; ///< at least one cache holds float16
};

class Executor {
public:
  Executor(ExecutorParts parts, std::vector<ProgramRecord> programs);

  Status run(const Batch &batch, LogitsSink sink);

  /// Whether choose() supports this number of sequences. False for every number
  /// if a CPU computes the logits.
  bool canChoose(uint64_t sequences) const;
  /// Whether choose() supports this number of sequences and can draw the next
  /// token of each.
  bool canDraw(uint64_t sequences) const;

  /// Runs tokens[i] in sequences[i] and sets next[i] to the token with the
  /// largest logit. If several tokens have this logit, the one with the lowest
  /// id is chosen. If `draws` is not empty, draws[i] says instead how next[i]
  /// is chosen. The sequences must all be different, and all spans must have
  /// the same size, except that `draws` may be empty.
  ///
  /// `continues` says that the caller will probably call choose() again, so the
  /// next pass may run ahead. The tokens of that pass are used only if the next
  /// call has the same sequences, the tokens `next`, and the same draws, except
  /// that TokenDraw::draws is larger by 1 for each token that was drawn.
  /// Results do not depend on `continues`.
  ///
  /// Errors: as run(), and Usage if canChoose() is false, if a token is to be
  /// drawn and canDraw() is false, or if a number in `draws` is out of range.
  Status choose(std::span<const int32_t> tokens,
                std::span<const SequenceId> sequences, std::span<int32_t> next,
                bool continues = false, std::span<const TokenDraw> draws = {});

  const RunCounters &counters() const { return sums; }
  void resetCounters() { sums = {}; }

  /// Turns the timing of steps on or off. It slows runs down a little, because
  /// the compute threads are then woken up once for each step.
  void timeSteps(bool on) { timing = on; }
  const StepTimes &stepTimes() const { return times; }
  void resetStepTimes() { times = {}; }

  /// After this call, each run adds the nanoseconds that dispatch i of its
  /// program takes to nanoseconds[i]. This slows runs down, because the compute
  /// threads are then woken up once for each dispatch. An empty span turns the
  /// timing off. run() and choose() return Usage if the span is too short for
  /// their program. The dispatch that chooses tokens is not timed.
  void timeDispatches(std::span<uint64_t> nanoseconds) {
    dispatchTimes = nanoseconds;
  }

private:
  Status check(const Batch &batch) const;
  Status reserve(const Batch &batch);
  void rollBack(std::span<const SequenceId> sequences);
  void undo(std::span<const SequenceId> sequences);
  Status runPiece(const Batch &batch, uint64_t begin, uint64_t count,
                  uint64_t &nextOutput, LogitsSink sink);
  /// The tokens [begin, begin + count) of a batch, in the form that a device
  /// takes.
  AirBatch pieceOf(const Batch &batch, uint64_t begin, uint64_t count);
  Status checkChoice(const Batch &batch, size_t results) const;
  Status runChoice(const ProgramRecord &program, AirBatch &piece,
                   std::span<int32_t> next, bool continues);
  bool mayRunAhead(const ProgramRecord &program, const AirBatch &piece) const;
  bool isAhead(const ProgramRecord &program, const AirBatch &piece);
  void dropAhead();
  Status runPass(const ProgramRecord &program, const Batch &batch,
                 uint64_t begin, AirBatch &piece, uint64_t &nextOutput,
                 LogitsSink sink);
  /// Passes the logits of a piece's outputs to the sink.
  Status deliver(const ProgramRecord &program, const AirBatch &piece,
                 uint64_t firstOutput, LogitsSink sink);
  /// Runs the steps [beginStep, endStep) and then, if `choose` is true, the
  /// dispatch that chooses the next tokens.
  Status walk(const ProgramRecord &program, uint32_t beginStep,
              uint32_t endStep, const AirBatch &batch, bool choose = false);
  // The functions from here to endPass() no longer call the store once its
  // settled() is true.
  Status beginPass(size_t steps);
  Status beginHeadPass(const ProgramRecord &program);
  Status requireStep(const ProgramRecord &program, uint32_t index,
                     const AirBatch &batch);
  uint32_t endOfGroup(const ProgramRecord &program, uint32_t step,
                      uint32_t endStep) const;
  void releaseStep(uint32_t step);
  void endPass();
  /// Returns the error for a piece whose logits are not finite. Runs the piece
  /// again, step by step, to find the first step whose result is not finite.
  Status explainNotFinite(const ProgramRecord &program, const AirBatch &batch);
  Result<bool> resultIsFinite(const StepRecord &step, const AirBatch &batch);
  Status overflowError(const StepRecord &step) const;
  Status runStep(const ProgramRecord &program, const StepRecord &step,
                 const AirBatch &batch);
  const ProgramRecord &programFor(uint64_t tokens) const;
  void count(const ProgramRecord &program, std::span<const SequenceId> piece);

  ExecutorParts parts;
  std::vector<ProgramRecord> programs;
  std::vector<uint32_t> positions; ///< positions of the tokens of a piece
  /// The tokens whose logits one run of the program's head (ProgramTable.h)
  /// computes, as indices into the tokens of the piece.
  std::vector<uint32_t> outputRows;
  std::vector<SegmentRange> rowRanges; ///< the rows that a step gathers
  std::vector<uint64_t> cursors; ///< per sequence: its next token's position
  std::vector<uint32_t> sequenceLengths; ///< as in AirBatch
  /// For each sequence: the number (`passNumber`) of the last pass whose reads
  /// of the sequence's keys and values are included in RunCounters::kvBytes.
  std::vector<uint64_t> countedIn;
  RunCounters sums;
  StepTimes times = {};
  bool timing = false;
  std::span<uint64_t> dispatchTimes;
  bool settled = false;
  /// The number of tokens of the pass that runs ahead; 0 if none does.
  uint32_t tokensAhead = 0;
  uint64_t dropsBefore = 0; ///< KvCache::drops() when that pass was started
  uint64_t passNumber = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_EXECUTOR_H
