//===- BlockFile.cpp - a file as block readers open it --------------------===//
#include "runtime/io/BlockFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace air;
using namespace air::rt;

Result<BlockFile> BlockFile::reopen(int descriptor, std::string path,
                                    IoMethod method) {
  struct stat info = {};
  if (fstat(descriptor, &info) != 0) {
    return ioError("cannot read the type and size of '" + path +
                   "': " + std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return corruptError("'" + path + "' is not a regular file");
  }
  const bool isDirect = method != IoMethod::Buffered;
  // A duplicate of the descriptor would share flags such as O_DIRECT with the
  // original, so the file is opened again instead.
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  int handle =
      open(link.c_str(), O_RDONLY | O_CLOEXEC | (isDirect ? O_DIRECT : 0));
  if (handle < 0 && isDirect) {
    return unsupportedError("'" + path + "' cannot be opened with O_DIRECT: " +
                            std::strerror(errno));
  }
  if (handle >= 0 && !isDirect) {
    // Without this advice the system also reads what follows a block.
    (void)posix_fadvise(handle, 0, 0, POSIX_FADV_RANDOM);
  }
  if (handle < 0) {
    // Without /proc, the file cannot be opened again. A duplicate of the
    // descriptor will do, because O_DIRECT is not wanted.
    handle = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  }
  if (handle < 0) {
    return ioError("cannot open '" + path + "' again: " + std::strerror(errno));
  }
  return BlockFile(handle, std::move(path));
}

BlockFile::~BlockFile() {
  if (handle >= 0) {
    close(handle);
  }
}

BlockFile::BlockFile(BlockFile &&other) noexcept
    : handle(std::exchange(other.handle, -1)), name(std::move(other.name)) {}

BlockFile &BlockFile::operator=(BlockFile &&other) noexcept {
  std::swap(handle, other.handle);
  std::swap(name, other.name);
  return *this;
}

uint64_t BlockFile::size() const {
  struct stat info = {};
  return fstat(handle, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}
