//===- PreadReader.cpp - blocks read by threads ---------------------------===//
#include "runtime/io/PreadReader.h"

#include "formats/support/CheckedMath.h"
#include "runtime/io/BlockProgress.h"

#include <fcntl.h>
#include <utility>

using namespace air;
using namespace air::rt;

std::unique_ptr<PreadReader> PreadReader::create(BlockFile file,
                                                 IoMethod method,
                                                 uint32_t depth,
                                                 uint32_t threads) {
  std::unique_ptr<PreadReader> reader(
      new PreadReader(std::move(file), method, depth));
  reader->startThreads(threads);
  return reader;
}

BlockDone PreadReader::read(const BlockRequest &request, uint32_t) {
  uint64_t count = 0;
  BlockDone done = readBlock(file, request, count);
  countBytes(count);
  if (method() == IoMethod::Buffered) {
    (void)posix_fadvise(
        file.descriptor(), static_cast<off_t>(request.offset),
        static_cast<off_t>(alignUp(request.bytes, kBlockAlignment)),
        POSIX_FADV_DONTNEED);
  }
  return done;
}
