//===- ScratchFile.h - a file to measure a disk with ------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_IO_PROBE_SCRATCHFILE_H
#define AIRPACK_RUNTIME_IO_PROBE_SCRATCHFILE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>

namespace air::rt {

/// Whether a file is in a file system without a disk: tmpfs or ramfs.
bool isInMemory(int descriptor);

/// A file without a name, which is gone when it is closed, even if the process
/// is killed. Its bytes are random, so that no file system can compress them or
/// find equal blocks, and they are on the disk, not only in the page cache.
class ScratchFile {
public:
  /// The least size of the file in bytes.
  static constexpr uint64_t kFewestBytes = uint64_t{32} << 20;

  /// Writes a file of `bytes` bytes to the folder `folder`; `bytes` must be at
  /// least kFewestBytes. After `seconds` seconds, it stops as soon as the file
  /// has at least kFewestBytes bytes. Errors: DoesNotFit if the disk has less
  /// than twice `bytes` free, Unsupported if the folder is on tmpfs or ramfs,
  /// and Io if the file cannot be written.
  static Result<ScratchFile> create(const std::string &folder, uint64_t bytes,
                                    double seconds);
  ~ScratchFile();
  ScratchFile(ScratchFile &&other) noexcept;
  ScratchFile &operator=(ScratchFile &&other) noexcept;
  ScratchFile(const ScratchFile &) = delete;
  ScratchFile &operator=(const ScratchFile &) = delete;

  int descriptor() const { return handle; }

private:
  explicit ScratchFile(int descriptor) : handle(descriptor) {}

  int handle = -1;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PROBE_SCRATCHFILE_H
