//===- ThreadedReader.cpp - a block reader with threads -------------------===//
#include "runtime/io/ThreadedReader.h"

#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// The stack of a thread that reads blocks, and that in some readers also
/// decodes or converts them.
constexpr size_t kReaderStackBytes = size_t{256} << 10;

} // namespace

void ThreadedReader::startThreads(uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    Result<Thread> thread =
        Thread::start([this, i] { serve(i); }, kReaderStackBytes);
    if (!thread) {
      break;
    }
    threads.push_back(*std::move(thread));
  }
}

void ThreadedReader::stopThreads() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    isStopping = true;
  }
  hasWork.notify_all();
  for (Thread &thread : threads) {
    thread.join();
  }
}

Status ThreadedReader::start(const BlockRequest &request) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    waiting.push_back(request);
  }
  hasWork.notify_one();
  return Status::ok();
}

Result<BlockDone> ThreadedReader::finish() {
  if (threads.empty()) {
    const BlockRequest request = waiting.front();
    waiting.pop_front();
    return read(request, 0);
  }
  std::unique_lock<std::mutex> lock(mutex);
  hasDone.wait(lock, [&] { return !completed.empty(); });
  BlockDone done = std::move(completed.front());
  completed.pop_front();
  return done;
}

void ThreadedReader::serve(uint32_t thread) {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    hasWork.wait(lock, [&] { return isStopping || !waiting.empty(); });
    if (isStopping) {
      return;
    }
    const BlockRequest request = waiting.front();
    waiting.pop_front();
    lock.unlock();
    BlockDone done = read(request, thread);
    lock.lock();
    completed.push_back(std::move(done));
    hasDone.notify_one();
  }
}
