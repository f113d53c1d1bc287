//===- PreadReader.h - blocks read by threads -------------------*- C++ -*-===//
//
// Implements the Pread and Buffered methods of BlockReader.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_PREADREADER_H
#define AIRPACK_RUNTIME_IO_PREADREADER_H

#include "runtime/io/BlockFile.h"
#include "runtime/io/ThreadedReader.h"

#include <memory>

namespace air::rt {

class PreadReader final : public ThreadedReader {
public:
  /// `file` was opened for `method`, which is Pread or Buffered. Starts at most
  /// `threads` threads.
  static std::unique_ptr<PreadReader> create(BlockFile file, IoMethod method,
                                             uint32_t depth, uint32_t threads);
  ~PreadReader() override { stopThreads(); }

protected:
  BlockDone read(const BlockRequest &request, uint32_t thread) override;

private:
  PreadReader(BlockFile opened, IoMethod method, uint32_t depth)
      : ThreadedReader(method, depth), file(std::move(opened)) {}

  BlockFile file;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PREADREADER_H
