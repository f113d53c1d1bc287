//===- MappedFile.h - a read-only view of a whole file ----------*- C++ -*-===//
//
// Ownership: a MappedFile owns its mapping; spans from bytes() are valid only
// as long as it exists. Thread-safety: immutable after open(). Errors: Io if
// the file cannot be opened or mapped, Corrupt if it is empty or not a regular
// file.
//
// Reading a page that no longer exists (the file was truncated, or the disk
// fails) raises SIGBUS. With mappedPlaceOf(), a tool's signal handler finds out
// to which file the page belongs.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_MAPPEDFILE_H
#define AIRPACK_FORMATS_SUPPORT_MAPPEDFILE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace air {

class MappedRange;

class MappedFile {
public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  static Result<MappedFile> open(const std::string &path);

  std::span<const uint8_t> bytes() const { return {data, size}; }
  const std::string &path() const { return filePath; }

  /// Fails with Io if the file has been written to since it was opened, because
  /// results computed from it may be wrong. Renaming another file over it is
  /// allowed.
  Status checkUnchanged() const;

  /// Drops the pages of [offset, offset + length) from this process (they stay
  /// in the page cache), so that the resident memory of the process stays small
  /// during a pass over a huge file.
  void release(uint64_t offset, uint64_t length) const;

  /// Like release(), but also drops the pages from the page cache, except those
  /// that another process has mapped.
  void dropFromCache(uint64_t offset, uint64_t length) const;

  /// The open file, or -1 if there is none. It belongs to the MappedFile.
  int file() const { return descriptor; }

private:
  const uint8_t *data = nullptr;
  size_t size = 0;
  int descriptor = -1;
  int64_t modified = 0; ///< last modification as of open(), in ns since 1970
  std::string filePath;
  MappedRange *range = nullptr; ///< lets signal handlers find `data`
};

struct MappedPlace {
  const char *path; ///< valid as long as the mapping exists
  uint64_t offset;
};

/// Returns the file and offset that `address` points to; nullopt if it does not
/// point into a mapped file. Signal handlers may call it, because it takes no
/// lock and allocates nothing.
std::optional<MappedPlace> mappedPlaceOf(const void *address);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_MAPPEDFILE_H
