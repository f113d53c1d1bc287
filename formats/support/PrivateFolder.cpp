//===- PrivateFolder.cpp - folders for machine code -----------------------===//
#include "formats/support/PrivateFolder.h"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace air {

Status makePrivateFolder(const std::string &folder, const std::string &contents,
                         const std::string &advice) {
  constexpr mode_t kOnlyOwner = 0700;
  const std::string name = "the folder '" + folder + "'";
  for (size_t end = folder.find('/', 1);; end = folder.find('/', end + 1)) {
    const std::string part = folder.substr(0, end);
    if (mkdir(part.c_str(), kOnlyOwner) != 0 && errno != EEXIST) {
      return ioError("cannot create " + name + " for " + contents + ": " +
                     std::strerror(errno) + "; " + advice);
    }
    if (end == std::string::npos) {
      break;
    }
  }
  struct stat status = {};
  if (stat(folder.c_str(), &status) != 0) {
    return ioError("cannot open " + name + " for " + contents + ": " +
                   std::strerror(errno));
  }
  if (!S_ISDIR(status.st_mode)) {
    return ioError("'" + folder + "', which is for " + contents +
                   ", is not a folder; " + advice);
  }
  constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return ioError(name + " belongs to user " + std::to_string(status.st_uid) +
                   ", but this process runs as user " +
                   std::to_string(geteuid()) +
                   "; that is not safe, because the " + contents +
                   " in it contain machine code; " + advice);
  }
  if ((status.st_mode & kOthersWrite) != 0) {
    return ioError("other users may write to " + name +
                   ", which is not safe, because the " + contents +
                   " in it contain machine code; run chmod go-w on it, or " +
                   advice);
  }
  return Status::ok();
}

} // namespace air
