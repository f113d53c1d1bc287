//===- BlockFile.h - a file as block readers open it ------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_IO_BLOCKFILE_H
#define AIRPACK_RUNTIME_IO_BLOCKFILE_H

#include "formats/machine/DiskRates.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>

namespace air::rt {

/// A second descriptor for a file that the caller has already opened, so that
/// O_DIRECT and advice on reading ahead do not affect the caller's descriptor.
class BlockFile {
public:
  /// Opens the file of `descriptor` again, for reading with `method`. It is the
  /// same file even if it has been renamed or deleted. `path` is used in
  /// messages. Errors: Corrupt if it is not a regular file, Unsupported if it
  /// cannot be opened with O_DIRECT although `method` needs that, Io for all
  /// other failures.
  static Result<BlockFile> reopen(int descriptor, std::string path,
                                  IoMethod method);

  ~BlockFile();
  BlockFile(BlockFile &&other) noexcept;
  BlockFile &operator=(BlockFile &&other) noexcept;
  BlockFile(const BlockFile &) = delete;
  BlockFile &operator=(const BlockFile &) = delete;

  int descriptor() const { return handle; }
  const std::string &path() const { return name; }
  /// The current size in bytes; 0 if the system does not report it.
  uint64_t size() const;

private:
  BlockFile(int descriptor, std::string path)
      : handle(descriptor), name(std::move(path)) {}

  int handle = -1;
  std::string name;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_BLOCKFILE_H
