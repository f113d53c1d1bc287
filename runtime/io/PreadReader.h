//===- PreadReader.h - blocks read by threads -------------------*- C++ -*-===//
//
// The methods Pread and Buffered. Each thread reads one block at a time. If the
// system starts fewer threads than there may be requests in flight, requests
// wait for a thread; if it starts none, finish() reads in the calling thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_PREADREADER_H
#define AIRPACK_RUNTIME_IO_PREADREADER_H

#include "formats/support/Thread.h"
#include "runtime/io/BlockFile.h"
#include "runtime/io/BlockReader.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace air::rt {

class PreadReader final : public BlockReader {
public:
  /// `file` was opened for `method`, which is Pread or Buffered. Starts at most
  /// `threads` threads.
  static std::unique_ptr<PreadReader> create(BlockFile file, IoMethod method,
                                             uint32_t depth, uint32_t threads);
  ~PreadReader() override;

protected:
  Status start(const BlockRequest &request) override;
  Result<BlockDone> finish() override;

private:
  PreadReader(BlockFile opened, IoMethod method, uint32_t depth)
      : BlockReader(method, depth), file(std::move(opened)) {}
  void serve();
  BlockDone read(const BlockRequest &request);

  BlockFile file;
  std::vector<Thread> threads;
  std::mutex mutex; ///< guards what follows
  std::condition_variable hasWork;
  std::condition_variable hasDone;
  std::deque<BlockRequest> waiting;
  std::deque<BlockDone> completed;
  bool isStopping = false;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PREADREADER_H
