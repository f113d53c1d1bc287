//===- PrivateFolder.h - folders for machine code ---------------*- C++ -*-===//
//
// Whoever can write to a folder from which a program loads machine code
// controls what the program does. Such a folder must therefore belong to the
// user who runs the program or to root, and no other user may write to it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_PRIVATEFOLDER_H
#define AIRPACK_FORMATS_SUPPORT_PRIVATEFOLDER_H

#include "formats/support/Status.h"

#include <string>

namespace air {

/// Creates `folder` and the folders above it that are missing, each with mode
/// 0700, however permissive the umask is. `contents`, such as "plans", says in
/// messages what the folder is for, and `advice`, such as "name another folder
/// with XDG_CACHE_HOME", says what the user can do. The folders above `folder`
/// are not checked.
///
/// Errors: Io if `folder` cannot be created or inspected, if something that is
/// not a folder has this name, if the folder belongs neither to the user of
/// this process nor to root, or if other users may write to it. Thread-safety:
/// callable from any thread.
Status makePrivateFolder(const std::string &folder, const std::string &contents,
                         const std::string &advice);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_PRIVATEFOLDER_H
