//===- WeightStream.h - reads weights ahead of the executor -----*- C++ -*-===//
//
// A thread performs the reads of a schedule in order, pass after pass, as far
// ahead as the ring has free space. After the last read of a pass, the thread
// goes on with the first read of the next pass, so the disk need not wait for
// the end of a pass. The first pass also reads what stays resident, and
// verifies all digests. Nothing is read twice in a pass.
//
//   thread    read, read, read ...          waits for free space in the ring
//   executor  require(step)  compute  release(step)
//
// If a read fails, or the executor ends a pass early, the thread drops what it
// has read ahead and starts again at the beginning of the next pass. A failure
// therefore ends one pass, not the process. If the reader itself fails,
// however, every later pass fails, too.
//
// Ownership: borrows the memory and the reader. Thread-safety: all functions
// are called by one thread at a time. Errors: require() returns those of the
// thread's reads (BlockReader, SegmentMemory::show() and VerifyChunk). start()
// and resume() fail with Io if the system starts no thread, and with Internal
// if no executor can follow the schedule. If the reader itself has failed,
// resume() returns its error.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_WEIGHTSTREAM_H
#define AIRPACK_RUNTIME_IO_WEIGHTSTREAM_H

#include "formats/support/Thread.h"
#include "runtime/io/BlockReader.h"
#include "runtime/io/StreamSchedule.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace air::rt {

/// Verifies the digest of a chunk. `segment` is the index of the chunk's
/// segment in the plan, `offset` is where the chunk begins in the segment, and
/// `bytes` is the whole chunk.
using VerifyChunk = std::function<Status(uint32_t segment, uint64_t offset,
                                         std::span<const uint8_t> bytes)>;

/// How a WeightStream reads.
struct StreamInput {
  BlockReader *reader = nullptr;
  /// The size of a request in bytes, a multiple of the page size.
  uint64_t blockBytes = uint64_t{2} << 20;
  /// Whether bytes that do not stay in memory are read into
  /// SegmentMemory::ring() instead of into the windows of the segments. No
  /// request then crosses the end of the ring. Has no effect if ring() returns
  /// an empty range.
  bool readsIntoRing = false;
  VerifyChunk verify;
};

class WeightStream {
public:
  /// Starts the thread. `input.reader` and `arena` must outlive the stream.
  static Result<std::unique_ptr<WeightStream>>
  start(StreamSchedule schedule, SegmentMemory &arena, StreamInput input);
  ~WeightStream();
  WeightStream(const WeightStream &) = delete;
  WeightStream &operator=(const WeightStream &) = delete;

  /// Begins the next pass, which runs the steps [0, steps).
  void beginPass(uint32_t steps);
  /// Waits until the bytes that the steps up to and including `step` need are
  /// in memory.
  Status require(uint32_t step);
  /// Whether require() would return at once and without an error.
  bool has(uint32_t step) const;
  /// States that all steps up to and including `step` have run, or will not run
  /// in this pass. Nothing more is read for a step that will not run. require()
  /// must not have been called for such a step.
  void release(uint32_t step);
  /// The number of consecutive steps, from `step` on and before `end`, that
  /// need no read in this pass, because all their bytes are resident and have
  /// been loaded already.
  uint32_t residentSteps(uint32_t step, uint32_t end) const;
  void endPass();

  /// Waits for the reads in flight and stops the thread. The arena may then be
  /// remapped. May only be called between passes.
  void pause();
  /// Starts the thread again with another schedule of the same segments. What
  /// is resident in both schedules, and in memory, is not read again.
  Status resume(StreamSchedule changed);
  /// Starts the thread again with the same schedule. What had been read ahead
  /// is read again, so it does not matter if the ring has been overwritten in
  /// the meantime.
  Status resume();

  /// Waits until the thread has read as far ahead as the ring allows. May only
  /// be called between passes.
  void waitUntilIdle();

  /// Nanoseconds that require() has waited so far.
  uint64_t waitedNanoseconds() const { return waited; }

private:
  /// A place in the sequence of all reads.
  struct Cursor {
    uint64_t pass = 0;
    uint32_t index = 0; ///< the index of a read in schedule.reads
    uint64_t done = 0;  ///< how many bytes of the read have been requested
  };
  /// A request in flight, or one that has completed out of order.
  struct Block {
    uint64_t id = 0;
    uint64_t pass = 0;
    uint32_t index = 0; ///< the index of its read in schedule.reads
    uint64_t bytes = 0;
    /// The number of bytes from the start of the read to the end of this
    /// request.
    uint64_t end = 0;
    bool done = false;
  };

  WeightStream(StreamSchedule given, SegmentMemory &arena, StreamInput input)
      : schedule(std::move(given)), arena(arena), input(std::move(input)),
        verified(schedule.segments.size()), present(schedule.segments.size()) {
    reset();
  }
  void reset();
  Status startThread();
  void readAhead();
  bool findNext();
  uint64_t bytesInMemory(const ScheduledRead &read) const;
  /// Whether `pass` is the current pass and read `index` belongs to a step that
  /// has run or is left out. Always false for a resident read.
  bool isPast(uint64_t pass, uint32_t index) const;
  // If submitNext() or completeOne() fails, it sets `pass` to the pass that
  // needs the bytes that could not be read.
  Status submitNext(uint64_t &pass);
  Status completeOne(uint64_t &pass);
  Status deliver(const Block &block);
  void restartAt(uint64_t pass);

  StreamSchedule schedule;
  SegmentMemory &arena;
  StreamInput input;

  // Other threads may use these members only while the reading thread is
  // stopped.
  Cursor cursor;
  std::deque<Block> blocks; ///< in the order of submission
  uint64_t nextId = 0;
  /// For each segment and each of its chunks: whether its digest has been
  /// verified.
  std::vector<std::vector<bool>> verified;
  /// For each segment: the number of bytes at its start that are resident and
  /// in memory.
  std::vector<uint64_t> present;
  /// For each read of bytes that stay in memory: whether these bytes are in
  /// memory already or have been requested since the last restart. False for
  /// all other reads.
  std::vector<bool> requested;
  /// If deliver() has found a chunk with a wrong digest that begins in an
  /// earlier read whose bytes stay in memory: the index of that read.
  std::optional<uint32_t> suspect;

  /// For each read: whether it is resident and in memory. The executor's thread
  /// uses these values, too.
  std::vector<std::atomic<bool>> loaded;
  /// For each step: the number of reads of a pass that it and the steps before
  /// it need.
  std::vector<uint32_t> readsBefore;
  /// The number of reads, counted over all passes, that have been completed or
  /// skipped: pass * reads.size() + index + 1 after read `index` of pass
  /// `pass`.
  std::atomic<uint64_t> ready{0};

  std::mutex mutex;
  std::condition_variable forReader;
  std::condition_variable forExecutor;

  // The mutex guards the members from stepsDone to suspects, except isBroken.

  /// The number of steps that have run or were left out, counted over all
  /// passes.
  uint64_t stepsDone = 0;
  uint64_t passesEnded = 0; ///< also the index of the current pass
  uint32_t passSteps = 0;   ///< steps of the current pass
  bool stopping = false;
  bool isIdle = false; ///< nothing is in flight, and nothing can be read yet
  std::atomic<bool> isBroken{false}; ///< the reader itself has failed
  Status failure;
  uint64_t failedPass = 0; ///< the pass that needs what could not be read
  /// The indices of reads whose bytes stay in memory, but may be wrong. After
  /// `failedPass`, they are no longer counted as loaded.
  std::vector<uint32_t> suspects;

  uint64_t waited = 0;
  Thread thread;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_WEIGHTSTREAM_H
