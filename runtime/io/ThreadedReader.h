//===- ThreadedReader.h - a block reader with threads -----------*- C++ -*-===//
//
// The base class of block readers whose threads each read one block at a time.
// If the system starts fewer threads than there may be requests in flight,
// requests wait for a thread; if it starts none, finish() reads in the calling
// thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_THREADEDREADER_H
#define AIRPACK_RUNTIME_IO_THREADEDREADER_H

#include "formats/support/Thread.h"
#include "runtime/io/BlockReader.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

namespace air::rt {

class ThreadedReader : public BlockReader {
protected:
  ThreadedReader(IoMethod method, uint32_t depth)
      : BlockReader(method, depth) {}

  /// Starts at most `count` threads. Each reads one block at a time.
  void startThreads(uint32_t count);
  /// Ends the threads when they have finished their current blocks. A class
  /// that starts threads must call this in its destructor.
  void stopThreads();

  /// Reads a block. `thread` is the index of the calling thread, below the
  /// count that startThreads() was given.
  virtual BlockDone read(const BlockRequest &request, uint32_t thread) = 0;

  Status start(const BlockRequest &request) override;
  Result<BlockDone> finish() override;

private:
  void serve(uint32_t thread);

  std::vector<Thread> threads;
  std::mutex mutex; ///< guards the members below
  std::condition_variable hasWork;
  std::condition_variable hasDone;
  std::deque<BlockRequest> waiting;
  std::deque<BlockDone> completed;
  bool isStopping = false;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_THREADEDREADER_H
