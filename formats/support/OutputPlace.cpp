//===- OutputPlace.cpp - what a new file would replace --------------------===//
#include "formats/support/OutputPlace.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace air {

namespace {

const char *kindName(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFDIR:
    return "a folder";
  case S_IFCHR:
    return "a character device";
  case S_IFBLK:
    return "a block device";
  case S_IFIFO:
    return "a pipe";
  case S_IFSOCK:
    return "a socket";
  default:
    return "not a regular file";
  }
}

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Follows `path` as long as it is a symbolic link, and returns the path at the
/// end of the chain. The last component of that path need not exist.
Result<std::string> followLinks(std::string path) {
  // Linux follows at most this number of symbolic links in a path.
  constexpr int kMostLinks = 40;
  for (int i = 0; i <= kMostLinks; ++i) {
    std::array<char, PATH_MAX> target{};
    ssize_t size = readlink(path.c_str(), target.data(), target.size());
    if (size < 0) {
      return path;
    }
    std::string next(target.data(), static_cast<size_t>(size));
    path = next.starts_with('/') ? next : folderOf(path) + "/" + next;
  }
  return ioError("cannot write '" + path + "': " + std::strerror(ELOOP));
}

/// Checks whether the file `path` may be replaced, without changing anything.
Status checkReplaceable(const std::string &path) {
  auto refuse = [&](const std::string &why) {
    return ioError("cannot replace '" + path + "': " + why +
                   "; name another file with -o");
  };
  struct statx facts{};
  if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &facts) ==
          0 &&
      (facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
    return refuse(
        "it is a mount point, for example a file mounted into a container");
  }
  // Replacing a file needs the permission to remove it. rmdir() checks just
  // that and then fails with ENOTDIR, because the path is a regular file.
  if (rmdir(path.c_str()) != 0 &&
      (errno == EPERM || errno == EACCES || errno == EROFS)) {
    return refuse(std::strerror(errno));
  }
  return Status::ok();
}

} // namespace

Result<OutputPlace> findOutputPlace(const std::string &path) {
  if (path.empty()) {
    return usageError("the output's name is empty; name a file with -o");
  }
  auto refuseKind = [&](mode_t mode) {
    return usageError("cannot write '" + path + "': it is " + kindName(mode) +
                      "; name a file with -o");
  };
  struct stat given{};
  const bool exists = stat(path.c_str(), &given) == 0;
  if (!exists && errno != ENOENT) {
    return ioError("cannot write '" + path + "': " + std::strerror(errno));
  }
  if (exists && !S_ISREG(given.st_mode)) {
    return refuseKind(given.st_mode);
  }
  if (path.ends_with('/')) {
    return refuseKind(S_IFDIR);
  }
  OutputPlace place;
  AIR_ASSIGN_OR_RETURN(place.path, followLinks(path));
  place.folder = folderOf(place.path);
  struct stat folder{};
  if (stat(place.folder.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) {
    return ioError("cannot create '" + place.path + "': there is no folder '" +
                   place.folder + "'");
  }
  if (!exists) {
    return place;
  }
  // A link below /proc may lead to a file that has been unlinked. Then
  // `place.path` does not name that file, so the file cannot be replaced.
  struct stat found{};
  if (lstat(place.path.c_str(), &found) != 0 || found.st_dev != given.st_dev ||
      found.st_ino != given.st_ino) {
    return ioError("cannot replace '" + path +
                   "': it is a deleted or unnamed file; choose another file "
                   "with -o");
  }
  AIR_RETURN_IF_ERROR(checkReplaceable(place.path));
  place.access =
      OutputPlace::Access{found.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO),
                          found.st_uid, found.st_gid};
  return place;
}

} // namespace air
