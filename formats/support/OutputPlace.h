//===- OutputPlace.h - what a new file would replace ------------*- C++ -*-===//
//
// Answers, before any work is done, whether a finished file can be put under
// the name that the user gave. Links are followed, so that what a link points
// to is replaced and the link stays.
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
  /// Who may do what with the file that is to be replaced.
  struct Access {
    mode_t mode = 0; ///< permission bits only
    uid_t owner = 0;
    gid_t group = 0;
  };

  std::string path;             ///< as given, with links of the file followed
  std::string folder;           ///< of `path`; exists
  std::optional<Access> access; ///< of the file there, when there is one
};

/// Changes nothing. Usage for an empty name and for what exists and is no
/// regular file (it says what it is); Io when the folder is missing, and when
/// the system would refuse to replace the file that is there: for a folder's
/// sticky bit, an immutable file, a read-only file system or a mount point.
/// Whether a new file can be made in the folder is left to whoever makes it.
Result<OutputPlace> findOutputPlace(const std::string &path);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_OUTPUTPLACE_H
