//===- DiskLimit.cpp - how fast the disk reads a plan ---------------------===//
#include "tools/airrun/DiskLimit.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/MonotonicClock.h"
#include "formats/support/Thread.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace air {
namespace {

constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;
constexpr uint64_t kPageBytes = 4096;

} // namespace

Result<DiskLimit> DiskLimit::create(const std::string &path, uint64_t begin,
                                    uint64_t end) {
  DiskLimit limit;
  limit.path = path;
  limit.begin = limit.at = begin / kPageBytes * kPageBytes;
  limit.end = end / kPageBytes * kPageBytes;
  limit.descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (limit.descriptor < 0) {
    limit.isDirect = false;
    limit.descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (limit.descriptor < 0) {
    return ioError("cannot measure how fast '" + path +
                   "' is read: " + std::strerror(errno));
  }
  return limit;
}

Status DiskLimit::allocate() {
  void *memory =
      mmap(nullptr, kBufferBytes + kHugePageBytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return ioError("cannot measure how fast '" + path +
                   "' is read: " + std::strerror(errno));
  }
  buffer = static_cast<uint8_t *>(memory);
  (void)madvise(memory, kBufferBytes + kHugePageBytes, MADV_HUGEPAGE);
  std::memset(memory, 1, kBufferBytes + kHugePageBytes);
  return Status::ok();
}

DiskLimit::DiskLimit(DiskLimit &&other) noexcept
    : path(std::move(other.path)),
      descriptor(std::exchange(other.descriptor, -1)), isDirect(other.isDirect),
      begin(other.begin), end(other.end), at(other.at),
      buffer(std::exchange(other.buffer, nullptr)), best(other.best) {}

DiskLimit::~DiskLimit() {
  if (descriptor >= 0) {
    close(descriptor);
  }
  if (buffer != nullptr) {
    munmap(buffer, kBufferBytes + kHugePageBytes);
  }
}

Result<double> DiskLimit::read(const Combination &how,
                               std::span<uint8_t> memory) {
  const uint64_t blockBytes = std::min<uint64_t>(
      how.blockBytes, memory.size() / kPageBytes * kPageBytes);
  const uint64_t places = memory.size() / blockBytes;
  // The product cannot overflow, because rings are much smaller than 2^64 /
  // kMostFills bytes.
  const uint64_t bytes = std::clamp<uint64_t>(kSampleBytes, memory.size(),
                                              kMostFills * memory.size());
  const uint64_t blocks = ceilDiv(bytes, blockBytes);
  const uint64_t inFile = std::max<uint64_t>((end - begin) / blockBytes, 1);
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> done{0};
  std::atomic<int> failed{0};
  const uint64_t first = (at - begin) / blockBytes;
  auto work = [&] {
    for (uint64_t i = next++; i < blocks && failed == 0; i = next++) {
      uint64_t offset = begin + (first + i) % inFile * blockBytes;
      uint64_t size = std::min(blockBytes, end - offset);
      ssize_t got = pread(descriptor, memory.data() + i % places * blockBytes,
                          size, static_cast<off_t>(offset));
      if (got < 0) {
        failed = errno;
        return;
      }
      if (!isDirect) {
        (void)posix_fadvise(descriptor, static_cast<off_t>(offset),
                            static_cast<off_t>(size), POSIX_FADV_DONTNEED);
      }
      done += static_cast<uint64_t>(got);
    }
  };
  double began = monotonicSeconds();
  std::vector<Thread> threads;
  for (uint32_t i = 1; i < how.threads; ++i) {
    AIR_ASSIGN_OR_RETURN(Thread thread, Thread::start(work));
    threads.push_back(std::move(thread));
  }
  work();
  threads.clear();
  double seconds = monotonicSeconds() - began;
  at = begin + (first + blocks) % inFile * blockBytes;
  if (failed != 0) {
    return ioError("cannot read '" + path + "': " + std::strerror(failed));
  }
  return static_cast<double>(done.load()) / seconds;
}

Result<double> DiskLimit::sample(std::span<uint8_t> memory) {
  if (memory.empty()) {
    if (buffer == nullptr) {
      AIR_RETURN_IF_ERROR(allocate());
    }
    memory = {reinterpret_cast<uint8_t *>(
                  alignUp(reinterpret_cast<uintptr_t>(buffer), kHugePageBytes)),
              kBufferBytes};
  }
  if (best.threads != 0) {
    return read(best, memory);
  }
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  double rate = 0;
  // Each combination is sampled in both turns, so its samples are some time
  // apart: the rates of a machine may change in the meantime.
  for (int turn = 0; turn < 2; ++turn) {
    for (const Combination &how :
         {Combination{2, kMiB}, Combination{4, kMiB}, Combination{8, kMiB},
          Combination{2, 2 * kMiB}, Combination{4, 2 * kMiB},
          Combination{2, 4 * kMiB}}) {
      AIR_ASSIGN_OR_RETURN(const double found, read(how, memory));
      if (found > rate) {
        rate = found;
        best = how;
      }
    }
  }
  if (best.threads == 0) {
    return ioError("cannot measure how fast '" + path +
                   "' is read: nothing could be read between byte " +
                   std::to_string(begin) + " and byte " + std::to_string(end));
  }
  return read(best, memory);
}

} // namespace air
