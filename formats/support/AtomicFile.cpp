//===- AtomicFile.cpp - outputs appear whole or not at all ----------------===//
#include "formats/support/AtomicFile.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace air {

namespace {

// Paths of open temporaries, in storage that a signal handler may read: a slot
// is claimed first and becomes live only after the path is complete.
constexpr size_t kSlots = 16;
constexpr size_t kPathBytes = 4096;
enum class SlotState : int { Free, Claimed, Live };
struct Slot {
  std::atomic<SlotState> state{SlotState::Free};
  std::array<char, kPathBytes> path{};
};
std::array<Slot, kSlots> slots;

void registerTemporary(const std::string &path) {
  for (Slot &slot : slots) {
    SlotState expected = SlotState::Free;
    if (path.size() < kPathBytes &&
        slot.state.compare_exchange_strong(expected, SlotState::Claimed)) {
      std::memcpy(slot.path.data(), path.c_str(), path.size() + 1);
      slot.state.store(SlotState::Live, std::memory_order_release);
      return;
    }
  }
}

void forgetTemporary(const std::string &path) {
  for (Slot &slot : slots) {
    if (slot.state.load(std::memory_order_acquire) == SlotState::Live &&
        path == slot.path.data()) {
      slot.state.store(SlotState::Free, std::memory_order_release);
    }
  }
}

void unlinkAndReraise(int signal) {
  for (Slot &slot : slots) {
    if (slot.state.load(std::memory_order_acquire) == SlotState::Live) {
      unlink(slot.path.data());
    }
  }
  std::signal(signal, SIG_DFL);
  raise(signal);
}

/// Out of room, whoever sets the limit, or any other refusal.
ErrorCode codeOf(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG
             ? ErrorCode::DoesNotFit
             : ErrorCode::Io;
}

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

AtomicFile::~AtomicFile() {
  if (descriptor >= 0) {
    close(descriptor);
    unlink(temporaryPath.c_str());
    forgetTemporary(temporaryPath);
  }
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : descriptor(std::exchange(other.descriptor, -1)),
      targetPath(std::move(other.targetPath)),
      temporaryPath(std::move(other.temporaryPath)) {}

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(descriptor, other.descriptor);
  std::swap(targetPath, other.targetPath);
  std::swap(temporaryPath, other.temporaryPath);
  return *this;
}

Result<AtomicFile> AtomicFile::create(const std::string &path) {
  struct stat facts{};
  if (stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode)) {
    return ioError("cannot write '" + path +
                   "': it exists and is not a regular file");
  }
  AtomicFile file;
  file.targetPath = path;
  // A name may be taken by what a killed process left behind (in containers
  // process numbers come again), or by another file of this one.
  constexpr int kNames = 100;
  for (int i = 0; i < kNames && file.descriptor < 0; ++i) {
    file.temporaryPath = path + ".tmp-" + std::to_string(getpid()) +
                         (i == 0 ? "" : "-" + std::to_string(i));
    // Read access too: a writer may check what it wrote.
    file.descriptor = ::open(file.temporaryPath.c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file.descriptor < 0 && errno != EEXIST) {
      break;
    }
  }
  if (file.descriptor < 0) {
    return ioError("cannot create '" + file.temporaryPath +
                   "': " + std::strerror(errno));
  }
  registerTemporary(file.temporaryPath);
  return file;
}

Status AtomicFile::reserve(uint64_t bytes) {
  struct statvfs facts{};
  if (fstatvfs(descriptor, &facts) == 0) {
    uint64_t free = static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
    if (free < bytes) {
      return doesNotFitError("cannot write '" + targetPath + "': it needs " +
                             std::to_string(bytes) +
                             " bytes and the disk has " + std::to_string(free) +
                             " free; free some space or choose another folder "
                             "with -o");
    }
  }
  struct rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      limit.rlim_cur < bytes) {
    return doesNotFitError(
        "cannot write '" + targetPath + "': it needs " + std::to_string(bytes) +
        " bytes and a file may have " + std::to_string(limit.rlim_cur) +
        "; raise the limit (ulimit -f)");
  }
  int reason = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  if (codeOf(reason) == ErrorCode::DoesNotFit) {
    return doesNotFitError("cannot write '" + targetPath + "': it needs " +
                           std::to_string(bytes) +
                           " bytes: " + std::strerror(reason));
  }
  // Other errors (a file system without the call): writes will tell.
  return Status::ok();
}

Status AtomicFile::writeAt(uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    // One call moves at most about 2 GiB.
    size_t piece = std::min<size_t>(bytes.size(), size_t{1} << 30);
    ssize_t written =
        pwrite(descriptor, bytes.data(), piece, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return {codeOf(errno), "cannot write " + std::to_string(piece) +
                                 " bytes at offset " + std::to_string(offset) +
                                 " of '" + targetPath +
                                 "': " + std::strerror(errno)};
    }
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Status::ok();
}

Status AtomicFile::commit(uint64_t size) {
  auto fail = [&](const char *what) {
    return Status(codeOf(errno), std::string("cannot ") + what + " '" +
                                     targetPath + "': " + std::strerror(errno));
  };
  if (ftruncate(descriptor, static_cast<off_t>(size)) != 0) {
    return fail("set the size of");
  }
  if (fsync(descriptor) != 0) {
    return fail("sync");
  }
  if (rename(temporaryPath.c_str(), targetPath.c_str()) != 0) {
    return fail("rename the temporary to");
  }
  forgetTemporary(temporaryPath);
  close(descriptor);
  descriptor = -1;
  // The rename is durable once the folder is.
  int folder = ::open(folderOf(targetPath).c_str(), O_RDONLY | O_DIRECTORY);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return Status::ok();
}

void removeTemporariesOnSignal() {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXCPU}) {
    struct sigaction before{};
    // Who started us may want a signal ignored: nohup, or a shell's `&`.
    if (sigaction(signal, nullptr, &before) == 0 &&
        before.sa_handler != SIG_IGN) {
      std::signal(signal, unlinkAndReraise);
    }
  }
  // A file beyond `ulimit -f` is an error of the write that would make it.
  std::signal(SIGXFSZ, SIG_IGN);
}

} // namespace air
