//===- ChunkEncoder.cpp - codes chunks on several threads -----------------===//
#include "formats/plan/ChunkEncoder.h"

#include "formats/plan/CodedSegments.h"

#include <utility>

namespace air {

ChunkEncoder::ChunkEncoder(plan::Codec wanted, unsigned threads, Use user)
    : codec(wanted), use(std::move(user)), mostChunks(size_t{2} * threads) {
  for (unsigned i = 0; threads > 1 && i < threads; ++i) {
    Result<Thread> worker = Thread::start([this] { serve(); });
    if (!worker) {
      break;
    }
    workers.push_back(*std::move(worker));
  }
}

ChunkEncoder::~ChunkEncoder() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    isStopping = true;
  }
  hasWork.notify_all();
  for (Thread &worker : workers) {
    worker.join();
  }
}

void ChunkEncoder::code(Chunk &chunk) const {
  chunk.digest = digestOf(chunk.raw);
  Result<std::vector<uint8_t>> stored = encodedChunk(codec, chunk.raw);
  if (stored) {
    chunk.stored = *std::move(stored);
  } else {
    chunk.status = stored.status();
  }
}

void ChunkEncoder::serve() {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    hasWork.wait(lock, [&] { return isStopping || !waiting.empty(); });
    if (isStopping) {
      return;
    }
    Chunk &chunk = *waiting.front();
    waiting.pop_front();
    lock.unlock();
    code(chunk);
    lock.lock();
    chunk.isDone = true;
    hasDone.notify_one();
  }
}

Status ChunkEncoder::useOldest() {
  Chunk &chunk = *chunks.front();
  {
    std::unique_lock<std::mutex> lock(mutex);
    hasDone.wait(lock, [&] { return chunk.isDone; });
  }
  AIR_RETURN_IF_ERROR(chunk.status);
  AIR_RETURN_IF_ERROR(use(chunk.digest, chunk.stored));
  chunks.pop_front();
  return Status::ok();
}

Status ChunkEncoder::add(std::vector<uint8_t> raw) {
  auto chunk = std::make_unique<Chunk>();
  chunk->raw = std::move(raw);
  if (workers.empty()) {
    code(*chunk);
    AIR_RETURN_IF_ERROR(chunk->status);
    return use(chunk->digest, chunk->stored);
  }
  if (chunks.size() == mostChunks) {
    AIR_RETURN_IF_ERROR(useOldest());
  }
  chunks.push_back(std::move(chunk));
  {
    std::lock_guard<std::mutex> lock(mutex);
    waiting.push_back(chunks.back().get());
  }
  hasWork.notify_one();
  return Status::ok();
}

Status ChunkEncoder::finish() {
  while (!chunks.empty()) {
    AIR_RETURN_IF_ERROR(useOldest());
  }
  return Status::ok();
}

} // namespace air
