//===- OutputPlace.h - what a new file would replace ------------*- C++ -*-===//
//
// findOutputPlace() finds out, before any work is done, whether the finished
// file can be moved to the path that the user gave. Links are followed, so that
// what a link points to is replaced and the link stays.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_OUTPUTPLACE_H
#define AIRPACK_FORMATS_SUPPORT_OUTPUTPLACE_H

#include "formats/support/Status.h"

#include <optional>
#include <string>
#include <sys/types.h>

namespace air {

struct OutputPlace {
  /// Permissions and ownership of the file that is to be replaced.
  struct Access {
    mode_t mode = 0; ///< permission bits only
    uid_t owner = 0;
    gid_t group = 0;
  };

  std::string path;   ///< the given path, with symbolic links followed
  std::string folder; ///< the folder of `path`, which exists
  std::optional<Access> access; ///< of the file to be replaced, if any
};

/// Checks where an output can be written; changes nothing. Fails with Usage if
/// the path is empty or ends in '/', or names something that is not a regular
/// file; the message says what it is. Fails with Io if the system cannot find
/// out what the path names, if the folder is missing, if the path leads to a
/// deleted or unnamed file, or if the system would refuse to replace the file:
/// because of the folder's permissions or sticky bit, an immutable file, a
/// read-only file system or a mount point. Whether a new file can be created in
/// the folder is not checked.
Result<OutputPlace> findOutputPlace(const std::string &path);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_OUTPUTPLACE_H
