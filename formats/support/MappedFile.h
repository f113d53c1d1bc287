//===- MappedFile.h - a read-only view of a whole file ----------*- C++ -*-===//
//
// Ownership: the object owns the mapping; spans from bytes() die with it.
// Thread-safety: immutable after open. Errors: Io when the file can't be opened
// or mapped, Corrupt when it is empty or not a regular file.
//
// Reading a page that no longer exists (the file was truncated, or the disk
// fails) raises SIGBUS. mappedPlaceOf() tells a tool's signal handler which
// file that was.
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

  /// Io if the file has been written to since it was opened, because results
  /// computed from it may be wrong. Renaming another file over it is allowed.
  Status checkUnchanged() const;

  /// Drops the pages of [offset, offset + length) from this process (they stay
  /// in the page cache), so that a pass over a huge file keeps a small RSS.
  void release(uint64_t offset, uint64_t length) const;

private:
  const uint8_t *data = nullptr;
  size_t size = 0;
  int descriptor = -1;
  int64_t modified = 0; ///< at open(), in nanoseconds since 1970
  std::string filePath;
  MappedRange *range = nullptr; ///< lets signal handlers find `data`
};

/// A place in a mapped file.
struct MappedPlace {
  const char *path; ///< lives as long as the mapping
  uint64_t offset;
};

/// The place in a mapped file that `address` points to; nullopt if it points to
/// none. For signal handlers: takes no lock and allocates nothing.
std::optional<MappedPlace> mappedPlaceOf(const void *address);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_MAPPEDFILE_H
