//===- MappedFile.cpp - a read-only view of a whole file ------------------===//
#include "formats/support/MappedFile.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace air {

/// One entry of the list of mapped files. The list only grows, so that a signal
/// handler may walk it at any time. Entries of closed mappings are reused.
class MappedRange {
public:
  static MappedRange *add(const uint8_t *data, size_t bytes,
                          const std::string &path) {
    MappedRange *range = first.load(std::memory_order_acquire);
    while (range != nullptr && range->isTaken.exchange(true)) {
      range = range->next;
    }
    if (range == nullptr) {
      range = new MappedRange;
      range->next = first.load(std::memory_order_acquire);
      while (!first.compare_exchange_weak(range->next, range)) {
      }
    }
    range->path = path;
    range->end = data + bytes;
    // This release store must come last: it makes the entry visible to find().
    range->begin.store(data, std::memory_order_release);
    return range;
  }

  void remove() {
    begin.store(nullptr, std::memory_order_release);
    isTaken = false;
  }

  static std::optional<MappedPlace> find(const uint8_t *address) {
    for (MappedRange *range = first.load(std::memory_order_acquire);
         range != nullptr; range = range->next) {
      const uint8_t *begin = range->begin.load(std::memory_order_acquire);
      if (begin != nullptr && begin <= address && address < range->end) {
        return MappedPlace{range->path.c_str(),
                           static_cast<uint64_t>(address - begin)};
      }
    }
    return std::nullopt;
  }

private:
  static std::atomic<MappedRange *> first;
  MappedRange *next = nullptr;
  std::atomic<bool> isTaken{true};
  std::atomic<const uint8_t *> begin{nullptr}; ///< null if unused
  const uint8_t *end = nullptr;
  std::string path;
};

std::atomic<MappedRange *> MappedRange::first{nullptr};

std::optional<MappedPlace> mappedPlaceOf(const void *address) {
  return MappedRange::find(static_cast<const uint8_t *>(address));
}

MappedFile::~MappedFile() {
  if (data != nullptr) {
    range->remove();
    close(descriptor);
    munmap(const_cast<uint8_t *>(data), size);
  }
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : data(std::exchange(other.data, nullptr)),
      size(std::exchange(other.size, 0)),
      descriptor(std::exchange(other.descriptor, -1)), modified(other.modified),
      filePath(std::move(other.filePath)),
      range(std::exchange(other.range, nullptr)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(data, other.data);
  std::swap(size, other.size);
  std::swap(descriptor, other.descriptor);
  std::swap(modified, other.modified);
  std::swap(filePath, other.filePath);
  std::swap(range, other.range);
  return *this;
}

static int64_t modifiedTime(const struct stat &facts) {
  constexpr int64_t kNanoseconds = 1'000'000'000;
  return facts.st_mtim.tv_sec * kNanoseconds + facts.st_mtim.tv_nsec;
}

Status MappedFile::checkUnchanged() const {
  struct stat facts{};
  if (descriptor < 0 || fstat(descriptor, &facts) != 0 ||
      (static_cast<uint64_t>(facts.st_size) == size &&
       modifiedTime(facts) == modified)) {
    return Status::ok();
  }
  return ioError("'" + filePath +
                 "' was overwritten while it was in use, so the results may be "
                 "wrong; start again, and replace files that are in use only "
                 "by renaming new ones over them (mv)");
}

Result<MappedFile> MappedFile::open(const std::string &path) {
  // Without O_NONBLOCK, open() of a FIFO would wait for a writer.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return ioError("cannot open '" + path + "': " + std::strerror(errno));
  }
  struct stat facts{};
  if (fstat(descriptor, &facts) != 0) {
    Status failure = ioError("cannot find out the size of '" + path +
                             "': " + std::strerror(errno));
    close(descriptor);
    return failure;
  }
  if (!S_ISREG(facts.st_mode)) {
    close(descriptor);
    return corruptError("'" + path + "' is not a regular file");
  }
  if (facts.st_size == 0) {
    close(descriptor);
    return corruptError("'" + path + "' is empty (0 bytes)");
  }
  size_t bytes = static_cast<size_t>(facts.st_size);
  void *address = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  int reason = errno;
  if (address == MAP_FAILED) {
    close(descriptor);
    return ioError("cannot map the " + std::to_string(bytes) + " bytes of '" +
                   path + "' into memory: " + std::strerror(reason));
  }
  MappedFile file;
  file.data = static_cast<const uint8_t *>(address);
  file.size = bytes;
  file.descriptor = descriptor;
  file.modified = modifiedTime(facts);
  file.filePath = path;
  file.range = MappedRange::add(file.data, file.size, path);
  return file;
}

void MappedFile::release(uint64_t offset, uint64_t length) const {
  // Only whole pages inside the range are released, because the data next to it
  // may still be in use.
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t begin = (offset + page - 1) / page * page;
  uint64_t end = std::min<uint64_t>(offset + length, size) / page * page;
  if (begin < end) {
    madvise(const_cast<uint8_t *>(data) + begin, end - begin, MADV_DONTNEED);
  }
}

void MappedFile::dropFromCache(uint64_t offset, uint64_t length) const {
  release(offset, length);
  (void)posix_fadvise(descriptor, static_cast<off_t>(offset),
                      static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

} // namespace air
