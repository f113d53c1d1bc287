//===- AtomicFile.h - outputs appear whole or not at all --------*- C++ -*-===//
//
// Data is written to a temporary file in the folder of the destination.
// commit() syncs it and gives it the name of the destination. Until then, the
// old file stays as it is; it is never written to. The new file gets the
// permissions of the file that it replaces, and its owner and group where the
// system allows it. A symbolic link is kept: the file that it points to is
// replaced.
//
// Where the file system supports it (O_TMPFILE), the temporary file has no name
// before commit(), so nothing is left of it however the process ends. Elsewhere
// it has a name and a lock (flock), as it also has for a moment in commit() if
// it replaces a file. The destructor removes it, and so do the signal handlers
// of removeTemporariesOnSignal() if the tool has installed them. When a process
// is killed, its lock is released, and the next create() in that folder removes
// the temporary file.
//
// Thread-safety: one writer; writeAt() on disjoint ranges may run in parallel.
// Errors: Usage and Io as described at findOutputPlace(); Io with errno's text;
// DoesNotFit if the disk, a quota or the limit on file sizes is too small.
// reserve() detects most of these cases before any write. Its message states
// how many bytes are needed and, if known, how many are free or allowed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_ATOMICFILE_H
#define AIRPACK_FORMATS_SUPPORT_ATOMICFILE_H

#include "formats/support/OutputPlace.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace air {

class AtomicFile {
public:
  AtomicFile() = default;
  ~AtomicFile();
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  /// Checks that `path` can be created or replaced, and opens the temporary
  /// file.
  static Result<AtomicFile> create(const std::string &path);
  /// For tests: does the same as create(), but always gives the temporary file
  /// a name, "air-PID-N.tmp" in the folder of path().
  static Result<AtomicFile> createNamed(const std::string &path);

  /// The path of the file that commit() creates or replaces: the path given to
  /// create(), with symbolic links followed.
  const std::string &path() const { return place.path; }
  /// One sentence for the user about each temporary file of a killed process
  /// that create() removed.
  const std::vector<std::string> &notes() const { return removals; }

  /// Checks that the disk has `bytes` bytes free, and allocates them if the
  /// file system supports this. To be called before anything is written.
  Status reserve(uint64_t bytes);
  Status writeAt(uint64_t offset, std::span<const uint8_t> bytes);
  /// Writes `bytes` at `offset`. They must be the content of the open file
  /// `source` from `sourceOffset` on. Where the file system supports it, the
  /// two files share blocks (FICLONERANGE), or the system copies the bytes from
  /// file to file (copy_file_range). If `source` is -1, does the same as
  /// writeAt().
  Status copyAt(uint64_t offset, int source, uint64_t sourceOffset,
                std::span<const uint8_t> bytes);
  /// Truncates the temporary file to `size`, syncs it, gives it the name
  /// path(), and syncs the folder.
  Status commit(uint64_t size);

private:
  static Result<AtomicFile> prepare(const std::string &path);
  /// Opens a temporary file without a name. Returns false if the system cannot
  /// open one in the folder of path(), for example because the file system does
  /// not support O_TMPFILE.
  bool openUnnamed();
  Status openNamed();
  /// Gives an unnamed temporary file a name: path() if there is no such file,
  /// and otherwise a temporary name.
  Status link();
  Status keepAccess();

  OutputPlace place;
  int descriptor = -1;
  std::string temporaryPath; ///< empty while the temporary file has no name
  std::vector<std::string> removals;
};

/// Installs signal handlers that call removeTemporaries() and raise the signal
/// again. Signals that are ignored stay ignored. Also ignores SIGXFSZ, so that
/// a write beyond the limit on file sizes fails like any other write. Only
/// main() may call it.
void removeTemporariesOnSignal();

/// As long as the object exists, removeTemporaries() also deletes the file
/// `path`.
class RemovedOnSignal {
public:
  explicit RemovedOnSignal(std::string path);
  RemovedOnSignal(const RemovedOnSignal &) = delete;
  RemovedOnSignal &operator=(const RemovedOnSignal &) = delete;
  ~RemovedOnSignal();

private:
  std::string path;
};

/// Deletes the temporary files of this process that have names, and the files
/// of RemovedOnSignal objects, but at most 16 files in all. Signal handlers
/// that end the process call it.
void removeTemporaries();

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_ATOMICFILE_H
