//===- MappedFile.cpp - a read-only view of a whole file ------------------===//
#include "formats/support/MappedFile.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace air {

MappedFile::~MappedFile() {
  if (data != nullptr) {
    munmap(const_cast<uint8_t *>(data), size);
  }
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : data(std::exchange(other.data, nullptr)),
      size(std::exchange(other.size, 0)), filePath(std::move(other.filePath)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(data, other.data);
  std::swap(size, other.size);
  std::swap(filePath, other.filePath);
  return *this;
}

Result<MappedFile> MappedFile::open(const std::string &path) {
  // Without O_NONBLOCK a FIFO would make the call wait for a writer.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return ioError("cannot open '" + path + "': " + std::strerror(errno));
  }
  struct stat facts{};
  if (fstat(descriptor, &facts) != 0) {
    Status failure =
        ioError("cannot stat '" + path + "': " + std::strerror(errno));
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
  close(descriptor); // the mapping keeps the file
  if (address == MAP_FAILED) {
    return ioError("cannot map '" + path + "' (" + std::to_string(bytes) +
                   " bytes): " + std::strerror(reason));
  }
  MappedFile file;
  file.data = static_cast<const uint8_t *>(address);
  file.size = bytes;
  file.filePath = path;
  return file;
}

void MappedFile::release(uint64_t offset, uint64_t length) const {
  // Only whole pages inside the range: a neighbour may still be in use.
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t begin = (offset + page - 1) / page * page;
  uint64_t end = std::min<uint64_t>(offset + length, size) / page * page;
  if (begin < end) {
    madvise(const_cast<uint8_t *>(data) + begin, end - begin, MADV_DONTNEED);
  }
}

} // namespace air
