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
  void *memory =
      mmap(nullptr, kBufferBytes + kHugePageBytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (limit.descriptor < 0 || memory == MAP_FAILED) {
    return ioError("cannot measure how fast '" + path +
                   "' is read: " + std::strerror(errno));
  }
  limit.buffer = static_cast<uint8_t *>(memory);
  (void)madvise(memory, kBufferBytes + kHugePageBytes, MADV_HUGEPAGE);
  std::memset(memory, 1, kBufferBytes + kHugePageBytes);
  return limit;
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

Result<double> DiskLimit::measure(const Combination &how, uint64_t bytes) {
  auto *start = reinterpret_cast<uint8_t *>(
      alignUp(reinterpret_cast<uintptr_t>(buffer), kHugePageBytes));
  uint64_t blocks = std::max<uint64_t>(bytes / how.blockBytes, how.threads);
  uint64_t inFile = std::max<uint64_t>((end - begin) / how.blockBytes, 1);
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> done{0};
  std::atomic<int> failed{0};
  uint64_t first = (at - begin) / how.blockBytes;
  auto work = [&](uint32_t thread) {
    for (uint64_t i = next++; i < blocks && failed == 0; i = next++) {
      uint64_t offset = begin + (first + i) % inFile * how.blockBytes;
      uint64_t size = std::min(how.blockBytes, end - offset);
      ssize_t got = pread(descriptor, start + thread * how.blockBytes, size,
                          static_cast<off_t>(offset));
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
    AIR_ASSIGN_OR_RETURN(Thread thread, Thread::start([&, i] { work(i); }));
    threads.push_back(std::move(thread));
  }
  work(0);
  threads.clear();
  double seconds = monotonicSeconds() - began;
  at = begin + (first + blocks) % inFile * how.blockBytes;
  if (failed != 0) {
    return ioError("cannot read '" + path + "': " + std::strerror(failed));
  }
  return static_cast<double>(done.load()) / seconds;
}

Result<double> DiskLimit::measure(uint64_t bytes) {
  double rate = 0;
  if (best.threads == 0) {
    constexpr uint64_t kMiB = uint64_t{1} << 20;
    for (const Combination &how :
         {Combination{2, kMiB}, Combination{4, kMiB}, Combination{2, 2 * kMiB},
          Combination{4, 2 * kMiB}, Combination{2, 4 * kMiB}}) {
      AIR_ASSIGN_OR_RETURN(double found, measure(how, bytes));
      if (found > rate) {
        rate = found;
        best = how;
      }
    }
    return rate;
  }
  return measure(best, bytes);
}

} // namespace air
