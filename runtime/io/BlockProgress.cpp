//===- BlockProgress.cpp - one request, read by read ----------------------===//
#include "runtime/io/BlockProgress.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <unistd.h>

using namespace air;
using namespace air::rt;

uint32_t BlockProgress::bytes() const {
  return static_cast<uint32_t>(
      std::min(kMostBytes, alignUp(request.bytes - done, kBlockAlignment)));
}

bool BlockProgress::take(int64_t result) {
  if (result == -EINTR || result == -EAGAIN) {
    failure = static_cast<int>(-result);
    return ++repeats == kMostRepeats;
  }
  repeats = 0;
  failure = result < 0 ? static_cast<int>(-result) : 0;
  if (failure != 0) {
    return true;
  }
  covered = done + static_cast<uint64_t>(result);
  if (covered >= request.bytes) {
    return true;
  }
  // The next read has to be aligned, so it may read some bytes again.
  const uint64_t next = covered / kBlockAlignment * kBlockAlignment;
  const bool isStuck = next == done;
  done = next;
  return isStuck;
}

BlockDone BlockProgress::outcome(const BlockFile &file) const {
  const auto text = [](uint64_t number) { return std::to_string(number); };
  if (failure != 0) {
    return {request.id,
            ioError("cannot read " + text(request.bytes) + " bytes at offset " +
                    text(request.offset) + " of '" + file.path() +
                    "': " + std::strerror(failure))};
  }
  if (covered >= request.bytes) {
    return {request.id, Status::ok()};
  }
  const std::string counts =
      "only " + text(covered) + " of " + text(request.bytes) +
      " bytes could be read at offset " + text(request.offset);
  if (file.size() < request.offset + request.bytes) {
    return {request.id, ioError("'" + file.path() + "' is truncated: " +
                                counts + "; restore the file")};
  }
  return {request.id, ioError("the operating system stopped reading '" +
                              file.path() + "' early: " + counts)};
}

BlockDone air::rt::readBlock(const BlockFile &file, const BlockRequest &request,
                             uint64_t &count) {
  BlockProgress progress(request);
  int64_t result = 0;
  do {
    result = pread(file.descriptor(), progress.to(), progress.bytes(),
                   static_cast<off_t>(progress.offset()));
    if (result < 0) {
      result = -errno;
    } else {
      count += static_cast<uint64_t>(result);
    }
  } while (!progress.take(result));
  return progress.outcome(file);
}
