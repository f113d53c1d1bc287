//===- FileDigests.h - digests of files, remembered -------------*- C++ -*-===//
//
// Reading a model of many gigabytes only to compute its digest takes as long as
// loading it. The digest of a file is therefore kept, together with the file's
// device, inode, size, and times of last modification and last change. As long
// as these stay the same, the file is taken to be unchanged.
//
// The digests are in a JSON file, which counts as empty if it is missing or
// damaged. Two processes that save at the same time do not damage it, but what
// one of them has added may be lost, and is then computed again.
//
// Thread-safety: one caller at a time. Errors: Io if a file cannot be read or
// changes while it is read; Corrupt if it is not a regular file; those of
// AtomicFile for save().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_FILEDIGESTS_H
#define AIRPACK_TOOLS_AIRRUN_FILEDIGESTS_H

#include "formats/support/Digest.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace air {

class FileDigests {
public:
  /// The largest number of files that are remembered. The files that were added
  /// first are forgotten first.
  static constexpr size_t kMostFiles = 1000;
  /// A file that was changed less than this many seconds ago is not remembered,
  /// because another change might leave its times the same.
  static constexpr int64_t kSettledSeconds = 2;

  /// Reads the JSON file at `path`.
  static FileDigests open(std::string path);

  /// The digest of the bytes of `file`. If the file must be read, `progress` is
  /// called with the number of bytes that have been read so far.
  Result<Digest> digestOf(const std::string &file,
                          const std::function<void(uint64_t)> &progress);

  /// Writes the JSON file if a digest was added.
  Status save();

private:
  struct Known {
    std::string file; ///< device, inode, size and times, as one text
    std::string digest;
  };

  std::string memory; ///< the path of the JSON file
  std::vector<Known> files;
  bool isChanged = false;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_FILEDIGESTS_H
