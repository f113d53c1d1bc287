//===- AtomicFile.h - outputs appear whole or not at all --------*- C++ -*-===//
//
// Writes to a temporary in the target's folder, then fsyncs, and puts it in the
// target's place on commit(): the old file stays whole until then, and is never
// written to. Permissions of a replaced file are kept, its owner and group
// where the system allows it. A link stays a link: what it points to is
// replaced.
//
// The temporary has no name where the file system can do that (O_TMPFILE), so
// nothing is left of it however the process ends. Elsewhere it has one, and is
// locked (flock): the destructor removes it, a signal that can be caught does
// when the tool installs removeTemporariesOnSignal(), and what a killed process
// left nobody holds a lock on, and the next create() in that folder removes.
//
// Thread-safety: one writer; writeAt on disjoint ranges may run in parallel.
// Errors: Usage and Io as findOutputPlace; Io (with errno's text); DoesNotFit
// where the disk, a quota or the limit on file sizes is too small, which
// reserve() finds out before any write (both numbers in the message).
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

  /// Finds out whether the file can be put there, and opens the temporary.
  static Result<AtomicFile> create(const std::string &path);
  /// The same with a temporary that has a name, "air-PID-N.tmp" in the target's
  /// folder. For tests; create() does it where it must.
  static Result<AtomicFile> createNamed(const std::string &path);

  /// The file that commit() makes or replaces: `path`, links followed.
  const std::string &path() const { return place.path; }
  /// For people: temporaries of killed processes that create() removed, a
  /// sentence each.
  const std::vector<std::string> &notes() const { return removals; }

  /// Checks free space and allocates `bytes` on the disk before any write.
  Status reserve(uint64_t bytes);
  Status writeAt(uint64_t offset, std::span<const uint8_t> bytes);
  /// Truncates to `size`, syncs file and folder, puts it in the target's place.
  Status commit(uint64_t size);

private:
  static Result<AtomicFile> prepare(const std::string &path);
  /// False where the file system has no unnamed files, or refuses one.
  bool openUnnamed();
  Status openNamed();
  /// Gives the temporary that has no name one; the target's own if it is free.
  Status link();
  Status keepAccess();

  OutputPlace place;
  int descriptor = -1;
  std::string temporaryPath; ///< empty while the temporary has no name
  std::vector<std::string> removals;
};

/// Installs handlers that unlink open temporaries and re-raise the signal, for
/// those that were not ignored before; ignores SIGXFSZ, so that a write beyond
/// the limit on file sizes fails as any other. For main() only.
void removeTemporariesOnSignal();

/// Unlinks open temporaries; for signal handlers that end the process.
void removeTemporaries();

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_ATOMICFILE_H
