//===- ChunkEncoder.h - codes chunks on several threads ---------*- C++ -*-===//
//
// Codes the chunks of a segment (CodedSegments.h) on `threads` threads, and
// passes the results to `use` in the order of the chunks, so the results do not
// depend on the number of threads. At most 2 * `threads` chunks are held at a
// time. If the system refuses to start some of the threads, fewer threads are
// used. If it starts none, or if `threads` is 1, the calling thread codes the
// chunks.
//
// Ownership: owns the chunks that it is given. The destructor ends the threads,
// and drops chunks whose results have not been used. Thread-safety: an encoder
// is used by one thread, on which `use` runs.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_CHUNKENCODER_H
#define AIRPACK_FORMATS_PLAN_CHUNKENCODER_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Digest.h"
#include "formats/support/Status.h"
#include "formats/support/Thread.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace air {

class ChunkEncoder {
public:
  /// Receives the results for one chunk: the digest of its raw bytes, and the
  /// bytes that encodedChunk() has returned for them.
  using Use = std::function<Status(const Digest &digest,
                                   std::span<const uint8_t> stored)>;

  ChunkEncoder(plan::Codec wanted, unsigned threads, Use user);
  ~ChunkEncoder();
  ChunkEncoder(const ChunkEncoder &) = delete;
  ChunkEncoder &operator=(const ChunkEncoder &) = delete;

  /// Hands over the next chunk, padded to whole pages. Errors: those of
  /// encodedChunk() and of `use` for this chunk or an earlier one. After an
  /// error, add() and finish() must not be called again.
  Status add(std::vector<uint8_t> raw);

  /// Waits until all chunks have been coded and passed to `use`. Fails as add()
  /// does.
  Status finish();

private:
  struct Chunk {
    std::vector<uint8_t> raw;
    std::vector<uint8_t> stored;
    Digest digest = {};
    Status status;
    bool isDone = false; ///< guarded by `mutex`
  };

  void code(Chunk &chunk) const;
  void serve();
  Status useOldest();

  plan::Codec codec;
  Use use;
  size_t mostChunks;
  /// The chunks that have not been passed to `use` yet, the oldest first.
  std::deque<std::unique_ptr<Chunk>> chunks;
  std::vector<Thread> workers;
  std::mutex mutex; ///< guards what follows
  std::condition_variable hasWork;
  std::condition_variable hasDone;
  std::deque<Chunk *> waiting;
  bool isStopping = false;
};

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_CHUNKENCODER_H
