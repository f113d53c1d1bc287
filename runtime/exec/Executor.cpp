//===- Executor.cpp - runs batches of tokens through a program --*- C++ -*-===//
#include "runtime/exec/Executor.h"

#include "formats/support/CountText.h"
#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

using namespace air;
using namespace air::rt;

namespace {

/// If a logit is NaN or infinite, the kernel that chooses the next token writes
/// this instead of a token id (plan.fbs).
constexpr uint32_t kNoChoice = UINT32_MAX;

/// True if no number is NaN or infinite, that is, if no exponent is all ones.
/// The loop has no early exit, so that the compiler can vectorise it.
bool areFinite(std::span<const float> numbers) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad = 0;
  for (float number : numbers) {
    bad |= (std::bit_cast<uint32_t>(number) & kExponent) == kExponent ? 1U : 0U;
  }
  return bad == 0;
}

} // namespace

Executor::Executor(ExecutorParts given, std::vector<ProgramRecord> table)
    : parts(std::move(given)), programs(std::move(table)),
      positions(parts.maxTokens), outputRows(parts.maxOutputs),
      cursors(parts.maxSequences), sequenceLengths(parts.maxSequences),
      countedIn(parts.maxSequences) {
  size_t gathers = 0;
  for (const ProgramRecord &program : programs) {
    for (const StepRecord &step : program.steps) {
      gathers = std::max(gathers, step.gathers.size());
    }
  }
  rowRanges.reserve(gathers * parts.maxTokens);
}

Status Executor::check(const Batch &batch) const {
  if (batch.tokens.empty()) {
    return usageError("batch: there are no tokens; pass at least one");
  }
  if (batch.sequences.size() != batch.tokens.size()) {
    return usageError("batch: " + countOf(batch.tokens.size(), "token") +
                      ", but " + countOf(batch.sequences.size(), "sequence") +
                      "; pass one sequence per token");
  }
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    int32_t token = batch.tokens[i];
    if (token < 0 || static_cast<uint64_t>(token) >= parts.vocabulary) {
      return usageError("batch: token " + std::to_string(token) + " at index " +
                        std::to_string(i) + " is outside the vocabulary of " +
                        countOf(parts.vocabulary, "token"));
    }
    if (!parts.kv->isLive(batch.sequences[i])) {
      return usageError("batch: sequence " +
                        std::to_string(batch.sequences[i]) +
                        " does not exist, or has ended");
    }
  }
  uint64_t next = 0;
  for (uint32_t output : batch.outputs) {
    if (output < next || output >= batch.tokens.size()) {
      return usageError(
          "batch: output " + std::to_string(output) +
          " is out of order, or not less than the number of tokens, " +
          std::to_string(batch.tokens.size()) +
          "; outputs must be indices of tokens in ascending order");
    }
    next = uint64_t{output} + 1;
  }
  if (!batch.outputs.empty() && parts.maxOutputs == 0) {
    return usageError(
        "batch: logits are requested, but this plan has no output head, which "
        "would compute them; request no logits");
  }
  return Status::ok();
}

/// Reserves a position in the KV cache for every token of the batch. If there
/// is no room for all of them, reserves none.
Status Executor::reserve(const Batch &batch) {
  for (SequenceId sequence : batch.sequences) {
    cursors[sequence] = parts.kv->length(sequence);
  }
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    Status status = parts.kv->append(batch.sequences[i], 1);
    if (!status.isOk()) {
      rollBack(batch.sequences.first(i));
      return status;
    }
  }
  return Status::ok();
}

void Executor::rollBack(std::span<const SequenceId> sequences) {
  for (size_t i = sequences.size(); i-- > 0;) {
    (void)parts.kv->truncate(sequences[i], parts.kv->length(sequences[i]) - 1);
  }
}

Status Executor::run(const Batch &batch, LogitsSink sink) {
  AIR_RETURN_IF_ERROR(check(batch));
  AIR_RETURN_IF_ERROR(reserve(batch));
  dropAhead();
  Status status;
  uint64_t nextOutput = 0;
  for (uint64_t begin = 0; begin < batch.tokens.size() && status.isOk();
       begin += parts.maxTokens) {
    uint64_t count =
        std::min<uint64_t>(parts.maxTokens, batch.tokens.size() - begin);
    status = runPiece(batch, begin, count, nextOutput, sink);
  }
  if (!status.isOk()) {
    undo(batch.sequences);
  }
  return status;
}

/// Undoes what a failed run has changed.
void Executor::undo(std::span<const SequenceId> sequences) {
  tokensAhead = 0;
  rollBack(sequences);
  if (parts.batch != nullptr) {
    parts.batch->forget();
  }
}

const ProgramRecord &Executor::programFor(uint64_t tokens) const {
  auto it = std::find_if(
      programs.begin(), programs.end(),
      [&](const ProgramRecord &p) { return tokens <= p.maxTokens; });
  return it == programs.end() ? programs.back() : *it;
}

Status Executor::runPiece(const Batch &batch, uint64_t begin, uint64_t count,
                          uint64_t &nextOutput, LogitsSink sink) {
  const ProgramRecord &program = programFor(count);
  AirBatch piece = pieceOf(batch, begin, count);
  this->count(program, batch.sequences.subspan(begin, count));
  bool hasOutputs = nextOutput < batch.outputs.size() &&
                    batch.outputs[nextOutput] < begin + count;
  AIR_RETURN_IF_ERROR(
      beginPass(hasOutputs ? program.steps.size() : program.headStep));
  Status status = runPass(program, batch, begin, piece, nextOutput, sink);
  endPass();
  return status;
}

AirBatch Executor::pieceOf(const Batch &batch, uint64_t begin, uint64_t count) {
  std::span<const SequenceId> sequences = batch.sequences.subspan(begin, count);
  for (uint64_t i = 0; i < count; ++i) {
    positions[i] = static_cast<uint32_t>(cursors[sequences[i]]++);
    sequenceLengths[sequences[i]] = positions[i] + 1;
  }
  AirBatch piece = {};
  piece.tokens = static_cast<uint32_t>(count);
  piece.token_ids = batch.tokens.data() + begin;
  piece.positions = positions.data();
  piece.sequences = sequences.data();
  piece.output_rows = outputRows.data();
  piece.block_tables = parts.kv->blockTables().data();
  piece.rope_positions = positions.data();
  piece.sequence_lengths = sequenceLengths.data();
  return piece;
}

/// Returns Usage if the kernel that draws tokens does not support the
/// parameters of a draw. The kernel itself does not check them.
static Status checkDraws(std::span<const TokenDraw> draws) {
  const auto isValid = [](const TokenDraw &draw) {
    return draw.isBest != 0 ||
           (draw.topK >= 1 && draw.topK <= kMostKeptTokens && draw.topP >= 0 &&
            draw.topP <= 1 && draw.minPDistance <= 0 && draw.scale >= 0 &&
            std::isfinite(draw.scale));
  };
  const auto wrong = std::ranges::find_if_not(draws, isValid);
  if (wrong == draws.end()) {
    return Status::ok();
  }
  return usageError(
      "batch: draw " + std::to_string(wrong - draws.begin()) + " has top-k " +
      std::to_string(wrong->topK) + ", top-p " + std::to_string(wrong->topP) +
      ", min-p distance " + std::to_string(wrong->minPDistance) +
      " and scale " + std::to_string(wrong->scale) +
      ", but a GPU draws only with a top-k of 1 to " +
      std::to_string(kMostKeptTokens) +
      ", a top-p of 0 to 1, a min-p distance of at most 0 and a finite scale "
      "of at least 0; request logits for other draws");
}

bool Executor::canChoose(uint64_t sequences) const {
  return sequences != 0 && sequences <= parts.maxTokens &&
         parts.batch != nullptr && programFor(sequences).chooses;
}

bool Executor::canDraw(uint64_t sequences) const {
  return canChoose(sequences) && programFor(sequences).draws;
}

Status Executor::checkChoice(const Batch &batch, size_t results) const {
  if (results != batch.tokens.size()) {
    return usageError("batch: " + countOf(results, "next token") +
                      (results == 1 ? " is" : " are") + " requested for " +
                      countOf(batch.tokens.size(), "sequence") +
                      "; on a GPU, these two numbers must be equal");
  }
  if (!canChoose(batch.tokens.size())) {
    return usageError("batch: the plan has no GPU program that chooses " +
                      countOf(batch.tokens.size(), "next token") +
                      "; request logits instead");
  }
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    const auto rest = batch.sequences.subspan(i + 1);
    if (std::ranges::find(rest, batch.sequences[i]) != rest.end()) {
      return usageError(
          "batch: sequence " + std::to_string(batch.sequences[i]) +
          " has several tokens, but each sequence must have one if the next "
          "token is chosen on a GPU");
    }
  }
  return Status::ok();
}

Status Executor::choose(std::span<const int32_t> tokens,
                        std::span<const SequenceId> sequences,
                        std::span<int32_t> next, bool continues,
                        std::span<const TokenDraw> draws) {
  const Batch batch = {tokens, sequences, {}};
  AIR_RETURN_IF_ERROR(check(batch));
  AIR_RETURN_IF_ERROR(checkChoice(batch, next.size()));
  const bool isDrawn = std::ranges::any_of(
      draws, [](const TokenDraw &draw) { return draw.isBest == 0; });
  AIR_RETURN_IF_ERROR(checkDraws(draws));
  if (!draws.empty() && draws.size() != tokens.size()) {
    return usageError("batch: " + std::to_string(draws.size()) +
                      " draws are given for " +
                      countOf(tokens.size(), "token") +
                      "; there must be none, or one for each");
  }
  if (isDrawn && !canDraw(tokens.size())) {
    return usageError("batch: the plan has no GPU program that draws " +
                      countOf(tokens.size(), "next token") +
                      "; request logits instead");
  }
  parts.batch->setDraws(isDrawn ? draws : std::span<const TokenDraw>());
  AIR_RETURN_IF_ERROR(reserve(batch));
  const ProgramRecord &program = programFor(tokens.size());
  AirBatch piece = pieceOf(batch, 0, tokens.size());
  count(program, sequences);
  sums.weightBytes += program.head.weightBytes;
  sums.flops += program.head.flopsPerRow * tokens.size();
  sums.outputs += tokens.size();
  Status status = beginPass(program.steps.size());
  if (status.isOk()) {
    status = runChoice(program, piece, next, continues);
    endPass();
  }
  if (!status.isOk()) {
    undo(sequences);
  }
  return status;
}

/// Whether the next pass may run ahead (see the top of Executor.h). The pass of
/// `piece` has already been enqueued, and the next pass would continue all of
/// its sequences.
bool Executor::mayRunAhead(const ProgramRecord &program,
                           const AirBatch &piece) const {
  return settled && !timing && dispatchTimes.empty() &&
         std::ranges::all_of(program.steps, &StepRecord::isOnGpu) &&
         std::all_of(piece.sequences, piece.sequences + piece.tokens,
                     [&](SequenceId sequence) {
                       return parts.kv->canGrowInPlace(sequence);
                     });
}

/// Returns true if a pass runs ahead and its result can be used for `piece`.
/// Otherwise, drops the result of the pass that runs ahead, if there is one.
bool Executor::isAhead(const ProgramRecord &program, const AirBatch &piece) {
  // It does not suffice that tokens, positions and pages are the same: since
  // the pass was enqueued, a sequence may have been cut short and continued
  // with other tokens, so that its pages hold other keys and values.
  if (tokensAhead == piece.tokens && dropsBefore == parts.kv->drops() &&
      !timing && dispatchTimes.empty() &&
      parts.batch->holds(piece, program.maxTokens, program.tileTokens)) {
    tokensAhead = 0;
    return true;
  }
  dropAhead();
  return false;
}

/// Drops the result of the pass that runs ahead, if any. It is not known what
/// this pass leaves in the arrays of the batch.
void Executor::dropAhead() {
  if (tokensAhead != 0) {
    tokensAhead = 0;
    parts.batch->forget();
  }
}

/// Runs the program for `piece`, and reads the tokens that the program chooses.
Status Executor::runChoice(const ProgramRecord &program, AirBatch &piece,
                           std::span<int32_t> next, bool continues) {
  // If no token can be chosen, the logits of all tokens are needed to explain
  // why.
  piece.outputs = piece.tokens;
  for (uint32_t i = 0; i < piece.tokens; ++i) {
    outputRows[i] = i;
  }
  const auto write = [&] {
    return parts.batch->write(*parts.device, piece, program.maxTokens,
                              program.tileTokens);
  };
  const auto steps = static_cast<uint32_t>(program.steps.size());
  if (!isAhead(program, piece)) {
    AIR_RETURN_IF_ERROR(write());
    AIR_RETURN_IF_ERROR(walk(program, 0, steps, piece, /*choose=*/true));
  }
  AIR_RETURN_IF_ERROR(parts.batch->requestTokens(*parts.device, next.size()));
  Status ahead;
  if (continues && mayRunAhead(program, piece)) {
    // This needs no write(): the pass before it leaves the next batch in the
    // arrays in the memory of the GPU.
    ahead = walk(program, 0, steps, piece, /*choose=*/true);
    tokensAhead = ahead.isOk() ? piece.tokens : 0;
    dropsBefore = parts.kv->drops();
  }
  AIR_ASSIGN_OR_RETURN(const std::span<const uint32_t> chosen,
                       parts.batch->takeTokens(*parts.device));
  for (const uint32_t id : chosen) {
    if (id == kNoChoice) {
      tokensAhead = 0;
      parts.batch->forget();
      AIR_RETURN_IF_ERROR(write());
      return explainNotFinite(program, piece);
    }
    if (id >= parts.vocabulary) {
      return internalError("a kernel has chosen token " + std::to_string(id) +
                           ", but the vocabulary has only the tokens 0 to " +
                           std::to_string(parts.vocabulary - 1) +
                           "; pack the model again");
    }
  }
  std::ranges::copy(chosen, next.begin());
  parts.batch->advance(chosen);
  if (!ahead.isOk() || parts.batch->failedSince()) {
    tokensAhead = 0;
    // The caller has its tokens, and may not need the pass that was to run
    // ahead. Some of that pass may have been enqueued. The next call enqueues
    // all of it again, and returns the error if it persists.
    parts.batch->forget();
  }
  return Status::ok();
}

/// Runs the program for `piece`, whose first token is token `begin` of the
/// batch, counted from 0.
Status Executor::runPass(const ProgramRecord &program, const Batch &batch,
                         uint64_t begin, AirBatch &piece, uint64_t &nextOutput,
                         LogitsSink sink) {
  if (parts.batch != nullptr) {
    AIR_RETURN_IF_ERROR(parts.batch->write(
        *parts.device, piece, program.maxTokens, program.tileTokens));
  }
  uint32_t steps = static_cast<uint32_t>(program.steps.size());
  uint32_t fromStep = 0;
  while (true) {
    uint64_t firstOutput = nextOutput;
    uint32_t rows = 0;
    while (rows < parts.maxOutputs && nextOutput < batch.outputs.size() &&
           batch.outputs[nextOutput] < begin + piece.tokens) {
      outputRows[rows++] =
          static_cast<uint32_t>(batch.outputs[nextOutput++] - begin);
    }
    if (rows == 0 && fromStep != 0) {
      break;
    }
    // The first iteration runs the program's body and, if logits are requested,
    // the head. The head computes a limited number of rows, so each further
    // iteration runs only the head, for the next rows.
    piece.outputs = rows;
    if (parts.batch != nullptr && program.tileTokens != 0 && rows != 0) {
      AIR_RETURN_IF_ERROR(parts.batch->writeOutputs(
          *parts.device, std::span(outputRows).first(rows)));
    }
    if (fromStep != 0) {
      AIR_RETURN_IF_ERROR(beginHeadPass(program));
    }
    AIR_RETURN_IF_ERROR(
        walk(program, fromStep, rows == 0 ? program.headStep : steps, piece));
    if (rows == 0) {
      AIR_RETURN_IF_ERROR(parts.device->synchronise());
      break;
    }
    fromStep = program.headStep;
    sums.weightBytes += program.head.weightBytes;
    sums.flops += program.head.flopsPerRow * rows;
    sums.outputs += rows;
    AIR_RETURN_IF_ERROR(parts.device->synchronise());
    AIR_RETURN_IF_ERROR(deliver(program, piece, firstOutput, sink));
  }
  return Status::ok();
}

Status Executor::deliver(const ProgramRecord &program, const AirBatch &piece,
                         uint64_t firstOutput, LogitsSink sink) {
  for (uint32_t done = 0; done < piece.outputs;) {
    // Outputs in adjacent rows are read with one call.
    uint64_t row = 0;
    uint32_t rows = piece.outputs;
    if (program.logitsRows == GridRows::Tokens) {
      row = outputRows[done];
      rows = 1;
      while (done + rows < piece.outputs &&
             outputRows[done + rows] == row + rows) {
        ++rows;
      }
    }
    const uint64_t floats = rows * parts.vocabulary;
    AIR_ASSIGN_OR_RETURN(
        const void *logits,
        parts.device->read(parts.logits +
                               row * parts.vocabulary * sizeof(float),
                           floats * sizeof(float)));
    const std::span rowsOfLogits(static_cast<const float *>(logits), floats);
    if (!areFinite(rowsOfLogits)) {
      return explainNotFinite(program, piece);
    }
    AIR_RETURN_IF_ERROR(sink(firstOutput + done, rowsOfLogits));
    done += rows;
  }
  return Status::ok();
}

Result<bool> Executor::resultIsFinite(const StepRecord &step,
                                      const AirBatch &batch) {
  uint64_t rows =
      step.resultRows == GridRows::Tokens ? batch.tokens : batch.outputs;
  uint64_t bytes = rows * step.resultRowBytes;
  if (bytes == 0) {
    return true;
  }
  // The addresses of the CPU are pointers.
  const void *numbers = reinterpret_cast<const void *>(step.result);
  if (parts.batch == nullptr || step.isOnGpu) {
    AIR_ASSIGN_OR_RETURN(numbers, parts.device->read(step.result, bytes));
  }
  return areFinite(
      {static_cast<const float *>(numbers), bytes / sizeof(float)});
}

Status Executor::explainNotFinite(const ProgramRecord &program,
                                  const AirBatch &batch) {
  endPass();
  AIR_RETURN_IF_ERROR(beginPass(program.steps.size()));
  for (uint32_t i = 0; i < program.steps.size(); ++i) {
    const StepRecord &step = program.steps[i];
    // It is safe to run the steps again, because they write the same positions
    // of the KV cache.
    AIR_RETURN_IF_ERROR(requireStep(program, i, batch));
    AIR_RETURN_IF_ERROR(parts.device->run(
        program.deviceProgram, step.firstDispatch, step.dispatchCount, batch));
    AIR_RETURN_IF_ERROR(parts.device->synchronise());
    releaseStep(i);
    AIR_ASSIGN_OR_RETURN(bool finite, resultIsFinite(step, batch));
    if (!finite) {
      return overflowError(step);
    }
  }
  return internalError("the logits were NaN or infinite, but were finite when "
                       "the same tokens were computed again; if this happens "
                       "again, the memory or the processor may be faulty");
}

/// Returns the error for `step`, whose result is not finite although the
/// results of the steps before it are finite.
Status Executor::overflowError(const StepRecord &step) const {
  const std::string where = "step '" + std::string(step.name) + "'";
  if (step.isOnGpu) {
    return unsupportedError(
        where + " computes NaN or infinite numbers, because GPU kernels "
                "multiply float16 numbers, and values of this model exceed "
                "65504, the largest float16 number; pack the model for a CPU");
  }
  // The result of the previous step is finite. It contains the queries of this
  // pass, and the keys and values before their conversion to float16. Keys or
  // values must therefore have overflowed in the conversion.
  if (step.kind == plan::StepKind::Attn && parts.kvIsHalf) {
    return unsupportedError(
        where +
        ": keys or values of this model exceed 65504, the largest "
        "number that the float16 KV cache holds; pack the model again " +
        (parts.batch == nullptr ? "" : "for a CPU, ") + "with --kv-type f32");
  }
  return unsupportedError(
      where + " computes NaN or infinite numbers, because values of this model "
              "exceed the range of float32 there; the model cannot be run");
}

Status Executor::beginPass(size_t steps) {
  return settled ? Status::ok()
                 : parts.store->beginPass(static_cast<uint32_t>(steps));
}

/// Begins another pass that runs only the head. A store that streams weights
/// must read the head's weights again, because it may never hold all of them in
/// memory at once.
Status Executor::beginHeadPass(const ProgramRecord &program) {
  endPass();
  AIR_RETURN_IF_ERROR(beginPass(program.steps.size()));
  if (program.headStep != 0) {
    releaseStep(program.headStep - 1);
  }
  return Status::ok();
}

void Executor::endPass() {
  if (!settled) {
    parts.store->endPass();
  }
}

/// Requires the weights that the step reads (see SegmentStore::require()).
Status Executor::requireStep(const ProgramRecord &program, uint32_t index,
                             const AirBatch &batch) {
  if (settled) {
    return Status::ok();
  }
  const StepRecord &step = program.steps[index];
  AIR_RETURN_IF_ERROR(parts.store->require(
      index, std::span(program.segments)
                 .subspan(step.firstSegment, step.segmentCount)));
  if (step.gathers.empty()) {
    return Status::ok();
  }
  rowRanges.clear();
  for (const RowGather &gather : step.gathers) {
    for (uint32_t i = 0; i < batch.tokens; ++i) {
      uint64_t block =
          static_cast<uint64_t>(batch.token_ids[i]) / gather.blockRows;
      rowRanges.push_back({gather.segment,
                           gather.offset + block * gather.blockBytes,
                           gather.blockBytes});
    }
  }
  return parts.store->requireRows(rowRanges);
}

void Executor::releaseStep(uint32_t step) {
  if (!settled) {
    parts.store->release(step);
  }
}

/// Returns the end of the group of steps that begins with step `step` and runs
/// as a whole, so that the compute threads are woken up once for all of it.
/// Steps that need not wait for weights form a group. Any other step runs
/// alone, so that the memory of its weights is free as soon as it has run.
uint32_t Executor::endOfGroup(const ProgramRecord &program, uint32_t step,
                              uint32_t endStep) const {
  if (settled || timing || !dispatchTimes.empty()) {
    return step + 1;
  }
  uint32_t most = step + parts.store->residentSteps(step, endStep);
  uint32_t end = step + 1;
  while (end < most && program.steps[end].gathers.empty()) {
    ++end;
  }
  return end;
}

Status Executor::walk(const ProgramRecord &program, uint32_t beginStep,
                      uint32_t endStep, const AirBatch &batch, bool choose) {
  if (!dispatchTimes.empty() && dispatchTimes.size() < program.dispatchCount) {
    return usageError("the array has room for " +
                      countOf(dispatchTimes.size(), "dispatch time") +
                      ", but the program has " +
                      countOf(program.dispatchCount, "dispatch", "dispatches"));
  }
  if (settled && !timing && dispatchTimes.empty()) {
    uint32_t first = program.dispatchesBefore(beginStep);
    const uint32_t end = program.dispatchesBefore(endStep) + (choose ? 1 : 0);
    return parts.device->run(program.deviceProgram, first, end - first, batch);
  }
  for (uint32_t i = beginStep; i < endStep;) {
    const StepRecord &step = program.steps[i];
    uint32_t next = endOfGroup(program, i, endStep);
    AIR_RETURN_IF_ERROR(requireStep(program, i, batch));
    uint64_t start = timing ? monotonicNanoseconds() : 0;
    if (next == i + 1) {
      AIR_RETURN_IF_ERROR(runStep(program, step, batch));
    } else {
      AIR_RETURN_IF_ERROR(parts.device->run(
          program.deviceProgram, step.firstDispatch,
          program.dispatchesBefore(next) - step.firstDispatch, batch));
    }
    if (timing || (!settled && !parts.store->ordersWork())) {
      AIR_RETURN_IF_ERROR(parts.device->synchronise());
    }
    if (timing) {
      times[static_cast<size_t>(step.kind) % times.size()] +=
          monotonicNanoseconds() - start;
    }
    i = next;
    releaseStep(i - 1);
  }
  if (choose) {
    AIR_RETURN_IF_ERROR(parts.device->run(program.deviceProgram,
                                          program.dispatchCount, 1, batch));
  }
  if (!settled) {
    // At the end of the first pass, resident segments that it did not use are
    // verified, before the caller sees any result.
    AIR_RETURN_IF_ERROR(parts.store->requireRest());
    settled = parts.store->settled();
  }
  return Status::ok();
}

Status Executor::runStep(const ProgramRecord &program, const StepRecord &step,
                         const AirBatch &batch) {
  if (dispatchTimes.empty()) {
    return parts.device->run(program.deviceProgram, step.firstDispatch,
                             step.dispatchCount, batch);
  }
  for (uint32_t i = 0; i < step.dispatchCount; ++i) {
    uint32_t dispatch = step.firstDispatch + i;
    uint64_t start = monotonicNanoseconds();
    AIR_RETURN_IF_ERROR(
        parts.device->run(program.deviceProgram, dispatch, 1, batch));
    AIR_RETURN_IF_ERROR(parts.device->synchronise());
    dispatchTimes[dispatch] += monotonicNanoseconds() - start;
  }
  return Status::ok();
}

void Executor::count(const ProgramRecord &program,
                     std::span<const SequenceId> piece) {
  ++passNumber;
  sums.passes += 1;
  sums.tokens += piece.size();
  sums.weightBytes +=
      program.body.weightBytes + program.body.weightBytesPerRow * piece.size();
  sums.cpuBytes += program.body.cpuWeightBytes +
                   program.body.cpuWeightBytesPerRow * piece.size();
  sums.flops += program.body.flopsPerRow * piece.size();
  // The number of positions whose keys and values are written, one for each
  // token, plus the number of those whose keys and values are read.
  uint64_t kvPositions = piece.size();
  for (SequenceId sequence : piece) {
    if (countedIn[sequence] != passNumber) {
      countedIn[sequence] = passNumber;
      kvPositions += cursors[sequence];
    }
  }
  sums.kvBytes += parts.kvPositionBytes * kvPositions;
  sums.cpuKvBytes += parts.cpuKvPositionBytes * kvPositions;
  sums.cpuBytes += parts.cpuKvPositionBytes * kvPositions;
}
