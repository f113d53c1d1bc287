//===- AtomicFile.cpp - outputs appear whole or not at all ----------------===//
#include "formats/support/AtomicFile.h"

#include "formats/support/CountText.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <optional>
#include <string_view>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <tuple>
#include <unistd.h>

namespace air {

namespace {

// The number of open temporary files whose paths a signal handler can read. A
// slot is claimed before its path is written, and becomes live once the path is
// complete. Handlers read only live slots.
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
  removeTemporaries();
  std::signal(signal, SIG_DFL);
  raise(signal);
}

/// Maps the errno value `error` to DoesNotFit if the disk, a quota or the limit
/// on file sizes is too small, and to Io otherwise.
ErrorCode codeOf(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG
             ? ErrorCode::DoesNotFit
             : ErrorCode::Io;
}

// Returns "air-PID-N.tmp", where N is `number`. The name of the output is not a
// part of it, because that name may already be as long as the file system
// allows.
std::string temporaryName(int number) {
  return "air-" + std::to_string(getpid()) + "-" + std::to_string(number) +
         ".tmp";
}

bool isTemporaryName(std::string_view name) {
  auto takeNumber = [&] {
    size_t end = std::min(name.find_first_not_of("0123456789"), name.size());
    name.remove_prefix(end);
    return end != 0;
  };
  auto take = [&](std::string_view text) {
    bool isThere = name.starts_with(text);
    name.remove_prefix(isThere ? text.size() : 0);
    return isThere;
  };
  return take("air-") && takeNumber() && take("-") && takeNumber() &&
         name == ".tmp";
}

/// The number of names to try. A name may be taken by another temporary file of
/// this process, or by one of a killed process with the same id.
constexpr int kNames = 100;

/// Removes `name`, which is a name of temporary files, from the folder if it is
/// a regular file of this user that no process is writing any more, and returns
/// its size in bytes. Otherwise returns nullopt.
std::optional<uint64_t> removeIfLeft(int folder, const char *name) {
  int descriptor =
      openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) {
    return std::nullopt;
  }
  std::optional<uint64_t> removed;
  struct stat facts{};
  // A process that is still writing the file holds the file's lock, which is
  // effective even if that process runs in another container.
  if (fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode) &&
      facts.st_uid == geteuid() && flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
      unlinkat(folder, name, 0) == 0) {
    removed = static_cast<uint64_t>(facts.st_size);
  }
  close(descriptor);
  return removed;
}

/// Removes the temporary files that killed processes left in the folder.
/// Returns a sentence about each.
std::vector<std::string> removeLeftovers(const std::string &folder) {
  std::vector<std::string> removals;
  DIR *entries = opendir(folder.c_str());
  if (entries == nullptr) {
    return removals;
  }
  while (const dirent *entry = readdir(entries)) {
    if (!isTemporaryName(entry->d_name)) {
      continue;
    }
    if (std::optional<uint64_t> bytes =
            removeIfLeft(dirfd(entries), entry->d_name)) {
      removals.push_back("removed '" + folder + "/" + entry->d_name +
                         "', which a killed process had left behind (" +
                         countOf(*bytes, "byte") + ")");
    }
  }
  closedir(entries);
  std::ranges::sort(removals);
  return removals;
}

/// Returns the path by which linkat() finds an open file that has no name.
std::string openFileName(int descriptor) {
  return "/proc/self/fd/" + std::to_string(descriptor);
}

} // namespace

void removeTemporaries() {
  for (Slot &slot : slots) {
    if (slot.state.load(std::memory_order_acquire) == SlotState::Live) {
      unlink(slot.path.data());
    }
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0) {
    if (!temporaryPath.empty()) {
      unlink(temporaryPath.c_str());
      forgetTemporary(temporaryPath);
    }
    close(descriptor);
  }
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : place(std::move(other.place)),
      descriptor(std::exchange(other.descriptor, -1)),
      temporaryPath(std::move(other.temporaryPath)),
      removals(std::move(other.removals)) {}

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(place, other.place);
  std::swap(descriptor, other.descriptor);
  std::swap(temporaryPath, other.temporaryPath);
  std::swap(removals, other.removals);
  return *this;
}

Result<AtomicFile> AtomicFile::prepare(const std::string &path) {
  AtomicFile file;
  AIR_ASSIGN_OR_RETURN(file.place, findOutputPlace(path));
  file.removals = removeLeftovers(file.place.folder);
  return file;
}

Result<AtomicFile> AtomicFile::create(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(AtomicFile file, prepare(path));
  if (!file.openUnnamed()) {
    AIR_RETURN_IF_ERROR(file.openNamed());
  }
  return file;
}

Result<AtomicFile> AtomicFile::createNamed(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(AtomicFile file, prepare(path));
  AIR_RETURN_IF_ERROR(file.openNamed());
  return file;
}

// The file is also opened for reading, so that a writer can check what it
// wrote.
constexpr int kOpenFlags = O_RDWR | O_CLOEXEC;

// If the new file replaces another one, only the user of this process may read
// the new file until keepAccess() has given it the permissions of the old file.
static mode_t newFileMode(const OutputPlace &place) {
  return place.access ? 0600 : 0644;
}

bool AtomicFile::openUnnamed() {
  descriptor =
      ::open(place.folder.c_str(), kOpenFlags | O_TMPFILE, newFileMode(place));
  if (descriptor >= 0 && access(openFileName(descriptor).c_str(), F_OK) != 0) {
    // Without /proc, link() could not give the unnamed file a name, so a named
    // temporary file is used instead.
    close(std::exchange(descriptor, -1));
  }
  return descriptor >= 0;
}

Status AtomicFile::openNamed() {
  for (int i = 0; i < kNames && descriptor < 0; ++i) {
    temporaryPath = place.folder + "/" + temporaryName(i);
    descriptor = ::open(temporaryPath.c_str(), kOpenFlags | O_CREAT | O_EXCL,
                        newFileMode(place));
    if (descriptor < 0) {
      if (errno != EEXIST) {
        break;
      }
      continue;
    }
    // Before flock(), another process may have mistaken the new file for a
    // leftover, and locked or removed it.
    struct stat facts{};
    if ((flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) ||
        (fstat(descriptor, &facts) == 0 && facts.st_nlink == 0)) {
      close(std::exchange(descriptor, -1));
      errno = EEXIST;
    }
  }
  if (descriptor < 0) {
    return {codeOf(errno), "cannot create '" + place.path +
                               "': " + std::strerror(errno) +
                               "; choose another folder with -o"};
  }
  registerTemporary(temporaryPath);
  return Status::ok();
}

Status AtomicFile::reserve(uint64_t bytes) {
  struct statvfs facts{};
  if (fstatvfs(descriptor, &facts) == 0) {
    uint64_t free = static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
    if (free < bytes) {
      return doesNotFitError("cannot write '" + place.path + "': it needs " +
                             std::to_string(bytes) +
                             " bytes, but the disk has " +
                             std::to_string(free) +
                             " free; free some space or choose another folder "
                             "with -o");
    }
  }
  struct rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      limit.rlim_cur < bytes) {
    return doesNotFitError(
        "cannot write '" + place.path + "': it needs " + std::to_string(bytes) +
        " bytes, but the limit on file sizes is " +
        std::to_string(limit.rlim_cur) + " bytes; raise it with ulimit -f");
  }
  int reason = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  if (codeOf(reason) == ErrorCode::DoesNotFit) {
    return doesNotFitError("cannot write '" + place.path + "': it needs " +
                           std::to_string(bytes) +
                           " bytes: " + std::strerror(reason));
  }
  // Other errors are ignored: the file system may not support
  // posix_fallocate(), and writes report their own errors.
  return Status::ok();
}

Status AtomicFile::writeAt(uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    // Linux writes at most 2 GiB per call, so pieces have at most 1 GiB.
    size_t piece = std::min<size_t>(bytes.size(), size_t{1} << 30);
    ssize_t written =
        pwrite(descriptor, bytes.data(), piece, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return {codeOf(errno), "cannot write " + std::to_string(piece) +
                                 " bytes at offset " + std::to_string(offset) +
                                 " of '" + place.path +
                                 "': " + std::strerror(errno)};
    }
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Status::ok();
}

Status AtomicFile::copyAt(uint64_t offset, int source, uint64_t sourceOffset,
                          std::span<const uint8_t> bytes) {
  struct file_clone_range range{};
  range.src_fd = source;
  range.src_offset = sourceOffset;
  range.src_length = bytes.size();
  range.dest_offset = offset;
  // A length of 0 would clone everything up to the end of the source.
  if (source < 0 || bytes.empty() ||
      ioctl(descriptor, FICLONERANGE, &range) == 0) {
    return source < 0 ? writeAt(offset, bytes) : Status::ok();
  }
  auto from = static_cast<off_t>(sourceOffset);
  auto to = static_cast<off_t>(offset);
  while (!bytes.empty()) {
    const ssize_t copied = copy_file_range(source, &from, descriptor, &to,
                                           bytes.size(), /*flags=*/0);
    if (copied < 0 && errno == EINTR) {
      continue;
    }
    if (copied <= 0) {
      // Between some file systems, the system cannot copy, so the bytes are
      // written instead. If the copy failed for another reason, such as a full
      // disk, this write fails, too, and reports the reason.
      return writeAt(static_cast<uint64_t>(to), bytes);
    }
    bytes = bytes.subspan(static_cast<size_t>(copied));
  }
  return Status::ok();
}

Status AtomicFile::link() {
  const std::string source = openFileName(descriptor);
  auto linkTo = [&](const std::string &name) {
    return linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(),
                  AT_SYMLINK_FOLLOW) == 0;
  };
  if (!place.access && linkTo(place.path)) {
    return Status::ok();
  }
  // linkat() cannot replace an existing file, so the new file gets a temporary
  // name here, which commit() renames to the final one. The file is locked
  // first, so that no other process removes it as a leftover.
  (void)flock(descriptor, LOCK_EX | LOCK_NB);
  for (int i = 0; i < kNames; ++i) {
    std::string name = place.folder + "/" + temporaryName(i);
    if (linkTo(name)) {
      temporaryPath = std::move(name);
      registerTemporary(temporaryPath);
      return Status::ok();
    }
    if (errno != EEXIST) {
      break;
    }
  }
  return {codeOf(errno), "cannot give the finished file the name '" +
                             place.path + "': " + std::strerror(errno)};
}

Status AtomicFile::keepAccess() {
  if (!place.access) {
    return Status::ok();
  }
  mode_t mode = place.access->mode;
  const bool keepsGroup =
      fchown(descriptor, static_cast<uid_t>(-1), place.access->group) == 0;
  // Only root may change the owner. For other users this call has no effect,
  // and the new file belongs to the user who runs the process.
  std::ignore = fchown(descriptor, place.access->owner, static_cast<gid_t>(-1));
  if (!keepsGroup) {
    // The permissions of the old group must not pass to the new group, which
    // gets the permissions of all other users instead.
    mode = (mode & ~mode_t{S_IRWXG}) | ((mode & S_IRWXO) << 3);
  }
  if (fchmod(descriptor, mode) != 0) {
    return ioError("cannot keep the permissions of '" + place.path +
                   "': " + std::strerror(errno));
  }
  return Status::ok();
}

Status AtomicFile::commit(uint64_t size) {
  auto fail = [&](const char *what) {
    return Status(codeOf(errno), std::string("cannot ") + what + " '" +
                                     place.path + "': " + std::strerror(errno));
  };
  if (ftruncate(descriptor, static_cast<off_t>(size)) != 0) {
    return fail("set the size of");
  }
  AIR_RETURN_IF_ERROR(keepAccess());
  if (fsync(descriptor) != 0) {
    return fail("sync");
  }
  if (temporaryPath.empty()) {
    AIR_RETURN_IF_ERROR(link());
  }
  if (!temporaryPath.empty()) {
    if (rename(temporaryPath.c_str(), place.path.c_str()) != 0) {
      return fail("rename the temporary file to");
    }
    forgetTemporary(temporaryPath);
  }
  close(descriptor);
  descriptor = -1;
  // The new name is durable only after the folder has been synced.
  int folder = ::open(place.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return Status::ok();
}

RemovedOnSignal::RemovedOnSignal(std::string file) : path(std::move(file)) {
  registerTemporary(path);
}

RemovedOnSignal::~RemovedOnSignal() { forgetTemporary(path); }

void removeTemporariesOnSignal() {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXCPU}) {
    struct sigaction before{};
    // A signal that is already ignored stays ignored: the parent process may
    // want this (nohup, `&` in a shell).
    if (sigaction(signal, nullptr, &before) == 0 &&
        before.sa_handler != SIG_IGN) {
      std::signal(signal, unlinkAndReraise);
    }
  }
  // When SIGXFSZ is ignored, a write beyond `ulimit -f` fails with EFBIG.
  std::signal(SIGXFSZ, SIG_IGN);
}

} // namespace air
