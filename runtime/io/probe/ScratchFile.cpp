//===- ScratchFile.cpp - a file to measure a disk with --------------------===//
#include "runtime/io/probe/ScratchFile.h"

#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kPieceBytes = uint64_t{16} << 20;

/// Fills `words` with the next numbers of a generator (Steele, Lea and Flood,
/// "Fast splittable pseudorandom number generators", OOPSLA 2014).
void fillRandomly(std::vector<uint64_t> &words, uint64_t &state) {
  for (uint64_t &word : words) {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

/// Opens a file without a name. If the file system does not support such files,
/// opens one with a name and removes the name at once. Returns -1 and sets
/// errno on failure.
int openUnnamed(const std::string &folder) {
  const int descriptor =
      open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0) {
    return descriptor;
  }
  std::string path = folder + "/air-probe-XXXXXX";
  const int named = mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) {
    unlink(path.c_str());
  }
  return named;
}

} // namespace

bool air::rt::isInMemory(int descriptor) {
  struct statfs system = {};
  return fstatfs(descriptor, &system) == 0 &&
         (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC);
}

Result<ScratchFile> ScratchFile::create(const std::string &folder,
                                        uint64_t bytes, double seconds) {
  const auto refuse = [&](const char *what) {
    return ioError(std::string("cannot ") + what + " a file in the folder '" +
                   folder + "': " + std::strerror(errno));
  };
  struct statvfs space = {};
  if (statvfs(folder.c_str(), &space) != 0) {
    return refuse("create");
  }
  const uint64_t available = uint64_t{space.f_bavail} * space.f_frsize;
  if (available / 2 < bytes) {
    return doesNotFitError("measuring the disk takes a file of " +
                           std::to_string(bytes) +
                           " bytes and twice as much free space, but only " +
                           std::to_string(available) +
                           " bytes are free in the folder '" + folder + "'");
  }
  const int descriptor = openUnnamed(folder);
  if (descriptor < 0) {
    return refuse("create");
  }
  ScratchFile file(descriptor);
  if (isInMemory(descriptor)) {
    return unsupportedError("the folder '" + folder +
                            "' is in a file system in memory, not on a disk");
  }
  std::vector<uint64_t> piece(kPieceBytes / sizeof(uint64_t));
  uint64_t state = 0;
  const double start = monotonicSeconds();
  for (uint64_t written = 0; written < bytes;) {
    if (written >= kFewestBytes && monotonicSeconds() - start > seconds) {
      break;
    }
    fillRandomly(piece, state);
    const ssize_t count =
        pwrite(descriptor, piece.data(), std::min(kPieceBytes, bytes - written),
               static_cast<off_t>(written));
    if (count < 0 && errno != EINTR) {
      return refuse("write");
    }
    written += count > 0 ? static_cast<uint64_t>(count) : 0;
    // The time limit is for writing to the disk, not only to the page cache.
    if (fdatasync(descriptor) != 0) {
      return refuse("write");
    }
  }
  return file;
}

ScratchFile::~ScratchFile() {
  if (handle >= 0) {
    close(handle);
  }
}

ScratchFile::ScratchFile(ScratchFile &&other) noexcept
    : handle(std::exchange(other.handle, -1)) {}

ScratchFile &ScratchFile::operator=(ScratchFile &&other) noexcept {
  std::swap(handle, other.handle);
  return *this;
}
