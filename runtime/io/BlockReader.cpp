//===- BlockReader.cpp - opens block readers ------------------------------===//
#include "runtime/io/BlockReader.h"

#include "formats/support/CountText.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/io/BlockFile.h"
#include "runtime/io/PreadReader.h"
#include "runtime/io/UringReader.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

using namespace air;
using namespace air::rt;

Status BlockReader::submit(const BlockRequest &request) {
  const auto refuse = [&](const std::string &why) {
    return internalError("cannot read a block of " +
                         std::to_string(request.bytes) + " bytes at offset " +
                         std::to_string(request.offset) + ": " + why);
  };
  if (flying == mostInFlight) {
    return refuse(
        "the reader already has " +
        countOf(mostInFlight, "request in flight", "requests in flight") +
        ", which is its limit");
  }
  // The end of a block, rounded up to kBlockAlignment, must fit in int64_t.
  constexpr auto kMost = static_cast<uint64_t>(INT64_MAX) - kBlockAlignment;
  if (request.bytes == 0 || request.bytes > kMost ||
      request.offset > kMost - request.bytes || request.to == nullptr) {
    return refuse("a block must have memory to be read into and at least 1 "
                  "byte, and must end before byte 2^63 of the file");
  }
  if (request.offset % alignment() != 0 ||
      reinterpret_cast<uintptr_t>(request.to) % alignment() != 0) {
    return refuse("the offset and the memory address must be multiples of " +
                  std::to_string(alignment()));
  }
  AIR_RETURN_IF_ERROR(start(request));
  ++flying;
  return Status::ok();
}

Result<BlockDone> BlockReader::wait() {
  if (flying == 0) {
    return internalError("the reader cannot wait, because it has no request "
                         "in flight");
  }
  Result<BlockDone> done = finish();
  if (done) {
    --flying;
    keepLimit();
  }
  return done;
}

/// Waits as long as the rate of reading is above the limit. Time in which
/// nothing was read does not allow a higher rate later.
void BlockReader::keepLimit() {
  const uint64_t bytes = bytesRead();
  if (rateLimit != 0 && bytes > counted) {
    const uint64_t now = monotonicNanoseconds();
    const double seconds =
        static_cast<double>(bytes - counted) / static_cast<double>(rateLimit);
    // One wait takes at most a day, so that the nanoseconds do not overflow.
    constexpr double kMostSeconds = 86400;
    dueNanoseconds =
        std::max(dueNanoseconds, now) +
        static_cast<uint64_t>(std::min(seconds, kMostSeconds) * 1e9);
    std::this_thread::sleep_for(std::chrono::nanoseconds(dueNanoseconds - now));
  }
  counted = bytes;
}

Status BlockReader::tryReading(uint64_t fileBytes) {
  if (fileBytes == 0) {
    return Status::ok();
  }
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(2 * kBlockAlignment, 2 * kBlockAlignment), &std::free);
  if (memory == nullptr) {
    return ioError("cannot allocate memory for a trial read of one block");
  }
  // The address and, unless the file has only one block, the offset are aligned
  // to kBlockAlignment, but to no larger power of two, so that the trial fails
  // if the device requires more.
  BlockRequest request;
  request.offset = fileBytes > kBlockAlignment ? kBlockAlignment : 0;
  request.bytes = std::min(kBlockAlignment, fileBytes - request.offset);
  request.to = static_cast<uint8_t *>(memory.get()) + kBlockAlignment;
  AIR_RETURN_IF_ERROR(submit(request));
  AIR_ASSIGN_OR_RETURN(BlockDone done, wait());
  if (!done.status.isOk()) {
    return unsupportedError(
        "reading a block with direct I/O (O_DIRECT) failed: " +
        done.status.message());
  }
  total = 0;
  counted = 0;
  return Status::ok();
}

Result<std::unique_ptr<BlockReader>>
air::rt::openBlockReader(int descriptor, const std::string &path,
                         IoMethod method, uint32_t depth) {
  if (depth < 1 || depth > kMaxReaderDepth) {
    return usageError("the number of blocks that are read at a time is " +
                      std::to_string(depth) + "; it must be 1 to " +
                      std::to_string(kMaxReaderDepth));
  }
  AIR_ASSIGN_OR_RETURN(BlockFile file,
                       BlockFile::reopen(descriptor, path, method));
  const uint64_t bytes = file.size();
  std::unique_ptr<BlockReader> reader;
  if (method == IoMethod::Uring) {
    AIR_ASSIGN_OR_RETURN(reader, UringReader::create(std::move(file), depth));
  } else {
    reader = PreadReader::create(std::move(file), method, depth, depth);
  }
  if (method != IoMethod::Buffered) {
    AIR_RETURN_IF_ERROR(reader->tryReading(bytes));
  }
  return reader;
}

Result<OpenedReader> air::rt::openBestReader(int descriptor,
                                             const std::string &path,
                                             IoMethod wanted, uint32_t depth) {
  std::string reasons;
  for (IoMethod method :
       {IoMethod::Uring, IoMethod::Pread, IoMethod::Buffered}) {
    if (method < wanted) {
      continue;
    }
    Result<std::unique_ptr<BlockReader>> reader =
        openBlockReader(descriptor, path, method, depth);
    if (reader) {
      OpenedReader opened{*std::move(reader), ""};
      if (!reasons.empty()) {
        opened.note = "'" + path + "' is read with the " +
                      std::string(ioMethodName(method)) +
                      " method instead of " +
                      std::string(ioMethodName(wanted)) + ": " + reasons;
      }
      return opened;
    }
    if (method == IoMethod::Buffered ||
        reader.status().code() == ErrorCode::Usage) {
      return reader.status();
    }
    const std::string &reason = reader.status().message();
    if (reasons.find(reason) == std::string::npos) {
      reasons += (reasons.empty() ? "" : "; ") + reason;
    }
  }
  return internalError("there is no method of reading with number " +
                       std::to_string(static_cast<int>(wanted)));
}
