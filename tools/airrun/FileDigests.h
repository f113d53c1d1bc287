//===- FileDigests.h - digests of files, remembered -------------*- C++ -*-===//
//
// Reading a model of many gigabytes only to name its contents takes as long as
// loading it. The digest of a file is therefore kept, together with the file's
// device, inode, size, and times of last modification and last change. As long
// as these stay the same, the file is taken to be unchanged.
//
// The memory is a JSON file. One that is missing or damaged counts as empty.
// Two processes that save at the same time do not damage it, but what one of
// them has added may be lost, and is then computed again.
//
// Thread-safety: one caller at a time. Errors: Io if a file cannot be read or
// changes while it is read; those of AtomicFile for save().
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
  /// The number of files that are remembered. Those that were added first are
  /// forgotten first.
  static constexpr size_t kMostFiles = 1000;
  /// A file that was changed less than this many seconds ago is not remembered,
  /// because the next change might not move its times.
  static constexpr int64_t kSettledSeconds = 2;

  /// Reads the memory at `path`.
  static FileDigests open(std::string path);

  /// The digest of the bytes of `file`. If they must be read, `progress` is
  /// called with the number of bytes that have been read so far.
  Result<Digest> digestOf(const std::string &file,
                          const std::function<void(uint64_t)> &progress);

  /// Writes the memory, if anything was added to it.
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
