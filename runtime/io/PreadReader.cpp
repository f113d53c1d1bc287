//===- PreadReader.cpp - blocks read by threads ---------------------------===//
#include "runtime/io/PreadReader.h"

#include "formats/support/CheckedMath.h"
#include "runtime/io/BlockProgress.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// The stack of a thread that does nothing but read.
constexpr size_t kReaderStackBytes = size_t{256} << 10;

} // namespace

std::unique_ptr<PreadReader> PreadReader::create(BlockFile file,
                                                 IoMethod method,
                                                 uint32_t depth,
                                                 uint32_t threads) {
  std::unique_ptr<PreadReader> reader(
      new PreadReader(std::move(file), method, depth));
  for (uint32_t i = 0; i < threads; ++i) {
    Result<Thread> thread = Thread::start(
        [self = reader.get()] { self->serve(); }, kReaderStackBytes);
    if (!thread) {
      break;
    }
    reader->threads.push_back(*std::move(thread));
  }
  return reader;
}

PreadReader::~PreadReader() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    isStopping = true;
  }
  hasWork.notify_all();
  for (Thread &thread : threads) {
    thread.join();
  }
}

Status PreadReader::start(const BlockRequest &request) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    waiting.push_back(request);
  }
  hasWork.notify_one();
  return Status::ok();
}

Result<BlockDone> PreadReader::finish() {
  if (threads.empty()) {
    const BlockRequest request = waiting.front();
    waiting.pop_front();
    return read(request);
  }
  std::unique_lock<std::mutex> lock(mutex);
  hasDone.wait(lock, [&] { return !completed.empty(); });
  BlockDone done = std::move(completed.front());
  completed.pop_front();
  return done;
}

void PreadReader::serve() {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    hasWork.wait(lock, [&] { return isStopping || !waiting.empty(); });
    if (isStopping) {
      return;
    }
    const BlockRequest request = waiting.front();
    waiting.pop_front();
    lock.unlock();
    BlockDone done = read(request);
    lock.lock();
    completed.push_back(std::move(done));
    hasDone.notify_one();
  }
}

BlockDone PreadReader::read(const BlockRequest &request) {
  BlockProgress progress(request);
  int64_t result = 0;
  do {
    result = pread(file.descriptor(), progress.to(), progress.bytes(),
                   static_cast<off_t>(progress.offset()));
    if (result < 0) {
      result = -errno;
    } else {
      countBytes(static_cast<uint64_t>(result));
    }
  } while (!progress.take(result));
  if (method() == IoMethod::Buffered) {
    (void)posix_fadvise(
        file.descriptor(), static_cast<off_t>(request.offset),
        static_cast<off_t>(alignUp(request.bytes, kBlockAlignment)),
        POSIX_FADV_DONTNEED);
  }
  return progress.outcome(file);
}
