//===- AtomicFile.h - outputs appear whole or not at all --------*- C++ -*-===//
//
// Writes to a temporary file beside the target, then fsyncs and renames on
// commit(). Without commit() the destructor removes the temporary. Nothing is
// left behind by a signal that can be caught either when the tool installs
// removeTemporariesOnSignal().
//
// Thread-safety: one writer; writeAt on disjoint ranges may run in parallel.
// Errors: Io (with errno's text); DoesNotFit where the disk, a quota or the
// limit on file sizes is too small, which reserve() finds out before any write
// (both numbers in the message).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_ATOMICFILE_H
#define AIRPACK_FORMATS_SUPPORT_ATOMICFILE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>

namespace air {

class AtomicFile {
public:
  AtomicFile() = default;
  ~AtomicFile();
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  /// Opens "PATH.tmp-PID" in the folder of `path`, or "PATH.tmp-PID-N" when
  /// that is taken.
  static Result<AtomicFile> create(const std::string &path);

  /// Checks free space and allocates `bytes` on the disk before any write.
  Status reserve(uint64_t bytes);
  Status writeAt(uint64_t offset, std::span<const uint8_t> bytes);
  /// Truncates to `size`, syncs file and folder, renames over the target.
  Status commit(uint64_t size);

private:
  int descriptor = -1;
  std::string targetPath;
  std::string temporaryPath;
};

/// Installs handlers that unlink open temporaries and re-raise the signal, for
/// those that were not ignored before; ignores SIGXFSZ, so that a write beyond
/// the limit on file sizes fails as any other. For main() only.
void removeTemporariesOnSignal();

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_ATOMICFILE_H
