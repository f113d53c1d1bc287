//===- WeightStream.cpp - reads weights ahead of the executor -------------===//
#include "runtime/io/WeightStream.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// The value of passSteps between two passes. It is not known yet how many
/// steps the next pass will run, so the thread reads ahead for all steps.
constexpr uint32_t kAllSteps = std::numeric_limits<uint32_t>::max();

/// The reason why the executor cannot use `read`, or "" if it can. `before` is
/// the beforeStep of the preceding read.
std::string whyUnusable(const ScheduledRead &read,
                        const StreamSchedule &schedule, uint32_t before) {
  if (read.beforeStep >= schedule.steps) {
    return "there are only " + std::to_string(schedule.steps) + " steps";
  }
  if (read.beforeStep < before) {
    return "the read before it must end before step " + std::to_string(before) +
           ", and reads must be in the order of the steps";
  }
  if (read.isResident) {
    return read.offset == 0 ? ""
                            : "weights that stay in RAM are read as a whole";
  }
  if (read.afterStep >= static_cast<int64_t>(read.beforeStep)) {
    return "the read may begin only after step " +
           std::to_string(read.afterStep);
  }
  return read.bytes <= schedule.ringBytes
             ? ""
             : "the ring has only " + std::to_string(schedule.ringBytes) +
                   " bytes";
}

/// Checks that the executor, which runs one step after another, never waits
/// for a read that itself waits for a later step.
Status checkSchedule(const StreamSchedule &schedule) {
  uint32_t before = 0;
  for (const ScheduledRead &read : schedule.reads) {
    const std::string why = whyUnusable(read, schedule, before);
    if (!why.empty()) {
      return internalError(
          "bytes " + std::to_string(read.offset) + " to " +
          std::to_string(read.offset + read.bytes) + " of segment " +
          std::to_string(schedule.segments[read.segment].segment) +
          " must be read before step " + std::to_string(read.beforeStep) +
          ", but " + why);
    }
    before = read.beforeStep;
  }
  return Status::ok();
}

} // namespace

Result<std::unique_ptr<WeightStream>>
WeightStream::start(StreamSchedule schedule, SegmentMemory &arena,
                    StreamInput input) {
  AIR_RETURN_IF_ERROR(checkSchedule(schedule));
  std::unique_ptr<WeightStream> stream(
      new WeightStream(std::move(schedule), arena, std::move(input)));
  stream->passSteps = kAllSteps;
  AIR_RETURN_IF_ERROR(stream->startThread());
  return stream;
}

WeightStream::~WeightStream() { pause(); }

/// Recomputes the members that depend on the schedule.
void WeightStream::reset() {
  for (size_t i = 0; i < schedule.segments.size(); ++i) {
    const StreamedSegment &segment = schedule.segments[i];
    verified[i].resize(ceilDiv(segment.bytes, segment.chunkBytes));
  }
  std::vector<std::atomic<bool>> nowLoaded(schedule.reads.size());
  for (size_t i = 0; i < schedule.reads.size(); ++i) {
    const ScheduledRead &read = schedule.reads[i];
    uint64_t &inMemory = present[read.segment];
    if (read.isResident) {
      nowLoaded[i] = bytesInMemory(read) == read.bytes;
    } else {
      inMemory = std::min(inMemory, read.offset);
    }
  }
  loaded = std::move(nowLoaded);
  requested.assign(schedule.reads.size(), false);
  readsBefore.assign(schedule.steps, 0);
  for (const ScheduledRead &read : schedule.reads) {
    ++readsBefore[read.beforeStep];
  }
  for (uint32_t step = 1; step < schedule.steps; ++step) {
    readsBefore[step] += readsBefore[step - 1];
  }
}

Status WeightStream::startThread() {
  stopping = false;
  Result<Thread> started = Thread::start([this] { readAhead(); });
  if (!started) {
    return ioError("the weights of this plan are read by a thread of their "
                   "own, but " +
                   started.status().message() +
                   "; allow more threads (ulimit -u)");
  }
  thread = *std::move(started);
  return Status::ok();
}

void WeightStream::pause() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  forReader.notify_one();
  thread.join();
}

Status WeightStream::resume(StreamSchedule changed) {
  if (isBroken) {
    return failure;
  }
  AIR_RETURN_IF_ERROR(checkSchedule(changed));
  schedule = std::move(changed);
  reset();
  stepsDone = passesEnded * schedule.steps;
  return resume();
}

Status WeightStream::resume() {
  if (isBroken) {
    return failure;
  }
  restartAt(passesEnded);
  return startThread();
}

uint32_t WeightStream::residentSteps(uint32_t step, uint32_t end) const {
  uint32_t at = step;
  for (uint32_t read = step == 0 ? 0 : readsBefore[step - 1]; at < end; ++at) {
    for (; read < readsBefore[at]; ++read) {
      if (!loaded[read].load(std::memory_order_acquire)) {
        return at - step;
      }
    }
  }
  return at - step;
}

void WeightStream::beginPass(uint32_t steps) {
  std::lock_guard lock(mutex);
  passSteps = steps;
}

void WeightStream::release(uint32_t step) {
  {
    std::lock_guard lock(mutex);
    stepsDone = passesEnded * schedule.steps + step + 1;
  }
  forReader.notify_one();
}

void WeightStream::endPass() {
  {
    std::lock_guard lock(mutex);
    ++passesEnded;
    stepsDone = passesEnded * schedule.steps;
    passSteps = kAllSteps;
    // The thread starts again now, and reads again what is not loaded. It must
    // not do so in mid-pass: if a step had used wrong bytes, the pass would
    // succeed once they had become right.
    if (!failure.isOk() && failedPass < passesEnded) {
      for (const uint32_t read : suspects) {
        loaded[read].store(false, std::memory_order_relaxed);
      }
    }
  }
  forReader.notify_one();
}

bool WeightStream::has(uint32_t step) const {
  uint32_t count = readsBefore[step];
  // The executor need not wait for reads that the reading thread skips:
  // resident ones whose bytes are in memory, and those for steps that this pass
  // leaves out. The executor needs no lock to read passesEnded and stepsDone,
  // because no other thread changes them.
  while (count != 0 && (loaded[count - 1].load(std::memory_order_acquire) ||
                        isPast(passesEnded, count - 1))) {
    --count;
  }
  return count == 0 || ready.load(std::memory_order_acquire) >=
                           passesEnded * schedule.reads.size() + count;
}

Status WeightStream::require(uint32_t step) {
  if (has(step)) {
    return Status::ok();
  }
  uint64_t begin = monotonicNanoseconds();
  std::unique_lock lock(mutex);
  // A failure of another pass is ignored here, unless the reader is broken,
  // because then every pass fails.
  auto hasFailed = [&] {
    return !failure.isOk() && (failedPass == passesEnded || isBroken);
  };
  forExecutor.wait(lock, [&] { return has(step) || hasFailed(); });
  waited += monotonicNanoseconds() - begin;
  return has(step) ? Status::ok() : failure;
}

void WeightStream::waitUntilIdle() {
  std::unique_lock lock(mutex);
  // The reading thread sets isIdle again once it can read no further.
  isIdle = false;
  forReader.notify_one();
  forExecutor.wait(lock, [&] { return isIdle || isBroken; });
}

bool WeightStream::isPast(uint64_t pass, uint32_t index) const {
  const ScheduledRead &read = schedule.reads[index];
  return pass == passesEnded && !read.isResident &&
         pass * schedule.steps + read.beforeStep < stepsDone;
}

void WeightStream::restartAt(uint64_t pass) {
  blocks.clear();
  cursor = {pass, 0, 0};
  failure = Status::ok();
  suspects.clear();
  for (size_t i = 0; i < requested.size(); ++i) {
    requested[i] = loaded[i].load(std::memory_order_relaxed);
  }
  ready.store(pass * schedule.reads.size(), std::memory_order_release);
}

/// The number of bytes at the start of a resident read that need not be read,
/// because they are in memory already. These bytes stay valid when the schedule
/// changes. If they end within a chunk whose digest has not been verified yet,
/// the bytes of that chunk are not counted. They are then read again, in case
/// the verification of the chunk failed because of them.
uint64_t WeightStream::bytesInMemory(const ScheduledRead &read) const {
  uint64_t bytes = std::min(present[read.segment], read.bytes);
  uint64_t chunkBytes = schedule.segments[read.segment].chunkBytes;
  bool endsInChunk = bytes % chunkBytes != 0;
  return endsInChunk && !verified[read.segment][bytes / chunkBytes]
             ? bytes - bytes % chunkBytes
             : bytes;
}

/// Moves the cursor to the next bytes to read. Returns false if the ring has no
/// space for them yet, or if nothing needs to be read.
bool WeightStream::findNext() {
  if (cursor.pass < passesEnded) {
    restartAt(passesEnded);
  }
  // Looks only one pass ahead. Otherwise the search would never end if
  // everything were in memory.
  while (cursor.pass <= passesEnded + 1) {
    if (cursor.index == schedule.reads.size() ||
        (cursor.pass == passesEnded &&
         schedule.reads[cursor.index].beforeStep >= passSteps)) {
      cursor = {cursor.pass + 1, 0, 0};
      continue;
    }
    const ScheduledRead &read = schedule.reads[cursor.index];
    bool isKnown = cursor.done == 0 && requested[cursor.index];
    if (isKnown || cursor.done == read.bytes ||
        isPast(cursor.pass, cursor.index)) {
      cursor = {cursor.pass, cursor.index + 1, 0};
      continue;
    }
    if (read.isResident) {
      if (cursor.done == 0) {
        cursor.done = bytesInMemory(read);
      }
      requested[cursor.index] = true;
      return true;
    }
    int64_t free =
        static_cast<int64_t>(cursor.pass * schedule.steps) + read.afterStep + 1;
    return static_cast<int64_t>(stepsDone) >= free;
  }
  return false;
}

/// Submits the block at the cursor and moves the cursor past it.
Status WeightStream::submitNext(uint64_t &pass) {
  pass = cursor.pass;
  const ScheduledRead &read = schedule.reads[cursor.index];
  uint64_t offset = read.offset + cursor.done;
  BlockRequest request;
  request.offset = schedule.segments[read.segment].fileOffset + offset;
  uint64_t most = read.bytes - cursor.done;
  request.to = arena.segment(read.segment) + offset;
  const std::span<uint8_t> ring = arena.ring();
  if (input.readsIntoRing && !read.isResident && !ring.empty()) {
    const uint64_t at = (read.ringOffset + cursor.done) % ring.size();
    request.to = ring.data() + at;
    most = std::min(most, ring.size() - at);
  }
  if (cursor.done == 0 && !read.isResident) {
    AIR_RETURN_IF_ERROR(
        arena.show({read.segment, read.offset, read.bytes, read.ringOffset}));
  }
  const uint64_t bytes =
      input.reader->sizeOfBlock(request.offset, most, input.blockBytes);
  request.bytes = bytes;
  request.id = nextId++;
  AIR_RETURN_IF_ERROR(input.reader->submit(request));
  cursor.done += bytes;
  blocks.push_back(
      {request.id, cursor.pass, cursor.index, bytes, cursor.done, false});
  return Status::ok();
}

/// Waits for one block to complete. Then calls deliver() for completed blocks,
/// in the order of their submission, up to the first block that is still in
/// flight.
Status WeightStream::completeOne(uint64_t &pass) {
  Result<BlockDone> completed = input.reader->wait();
  if (!completed) {
    // It is no longer known when the requests in flight will complete, so their
    // memory must not be used again.
    isBroken = true;
    return completed.status();
  }
  BlockDone done = *std::move(completed);
  auto found = std::find_if(blocks.begin(), blocks.end(),
                            [&](const Block &b) { return b.id == done.id; });
  pass = found->pass;
  AIR_RETURN_IF_ERROR(done.status);
  found->done = true;
  while (!blocks.empty() && blocks.front().done) {
    pass = blocks.front().pass;
    AIR_RETURN_IF_ERROR(deliver(blocks.front()));
    blocks.pop_front();
  }
  return Status::ok();
}

Status WeightStream::deliver(const Block &block) {
  const ScheduledRead &read = schedule.reads[block.index];
  const StreamedSegment &segment = schedule.segments[read.segment];
  // Blocks arrive in order, so all chunks that end in this block are complete.
  // A chunk may begin in an earlier block of the read, or in the resident bytes
  // before it.
  uint64_t blockEnd = read.offset + block.end;
  uint64_t first = (blockEnd - block.bytes) / segment.chunkBytes;
  for (uint64_t i = first; i * segment.chunkBytes < blockEnd; ++i) {
    uint64_t begin = i * segment.chunkBytes;
    uint64_t end = std::min(begin + segment.chunkBytes, segment.bytes);
    if (end > blockEnd) {
      break;
    }
    if (verified[read.segment][i]) {
      continue;
    }
    Status status =
        input.verify(segment.segment, begin,
                     {arena.segment(read.segment) + begin, end - begin});
    if (!status.isOk()) {
      const auto stays =
          std::ranges::find_if(schedule.reads, [&](const ScheduledRead &other) {
            return other.isResident && other.segment == read.segment;
          });
      if (!read.isResident && stays != schedule.reads.end() &&
          stays->bytes > begin) {
        suspect = static_cast<uint32_t>(stays - schedule.reads.begin());
      }
      return status;
    }
    verified[read.segment][i] = true;
  }
  if (read.isResident) {
    present[read.segment] = blockEnd;
  }
  if (block.end == read.bytes) {
    loaded[block.index].store(read.isResident, std::memory_order_release);
    ready.store(block.pass * schedule.reads.size() + block.index + 1,
                std::memory_order_release);
    // `loaded` and `ready` were changed without the mutex. Locking it now makes
    // sure that the executor either sees the new values before it waits, or is
    // waiting already and is woken up.
    {
      std::lock_guard lock(mutex);
    }
    forExecutor.notify_one();
  }
  return Status::ok();
}

void WeightStream::readAhead() {
  std::unique_lock lock(mutex);
  BlockReader &reader = *input.reader;
  auto run = [&](Status (WeightStream::*work)(uint64_t &)) {
    uint64_t pass = passesEnded;
    lock.unlock();
    Status status = (this->*work)(pass);
    lock.lock();
    // Bytes that stay in memory may be read again only after the end of the
    // current pass, which may have used them.
    if (suspect) {
      suspects.push_back(*suspect);
      suspect.reset();
      pass = std::max(pass, passesEnded);
    }
    // If several reads fail, the failure in the earliest pass is reported.
    if (!status.isOk() && (failure.isOk() || pass < failedPass)) {
      failure = std::move(status);
      failedPass = pass;
      forExecutor.notify_one();
    }
  };
  while (!stopping && !isBroken) {
    // All blocks are dropped if a read has failed, or if any of them belongs to
    // a pass that has ended or to a step that has been left out. Their memory
    // can be used again when no block is in flight any more.
    bool isStale =
        !failure.isOk() ||
        std::any_of(blocks.begin(), blocks.end(), [&](const Block &block) {
          return block.pass < passesEnded || isPast(block.pass, block.index);
        });
    if (!isStale && reader.inFlight() < reader.depth() && findNext()) {
      run(&WeightStream::submitNext);
    } else if (reader.inFlight() != 0) {
      run(&WeightStream::completeOne);
    } else if (failure.isOk() ? isStale : failedPass < passesEnded) {
      restartAt(passesEnded);
    } else {
      isIdle = true;
      forExecutor.notify_one();
      forReader.wait(lock);
      isIdle = false;
    }
  }
  forExecutor.notify_one();
  lock.unlock();
  while (reader.inFlight() != 0 && reader.wait()) {
  }
  lock.lock();
}
