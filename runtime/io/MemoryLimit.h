//===- MemoryLimit.h - how much memory is left at present -------*- C++ -*-===//
//
// A process has to stay below the limits of its memory cgroup and of all
// ancestors of that cgroup, and of what the machine has available. The limits
// may be changed while it runs, and other processes in the same cgroups use
// some of the memory, so the answer holds for the moment only. A MemoryLimit
// keeps the files of the kernel open and can be asked before every pass.
//
// Memory in use includes the page cache of all files that the cgroup has read.
// The kernel takes back the inactive part of it before it refuses memory to a
// process, so that part counts as free. The active part does not.
//
// Thread-safety: an object is used by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_MEMORYLIMIT_H
#define AIRPACK_RUNTIME_IO_MEMORYLIMIT_H

#include "formats/machine/HostFacts.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

/// What the limit that is the closest allows.
struct MemoryRoom {
  /// The bytes that can be allocated before the limit is reached. Negative if
  /// more is in use already, because the limit has been lowered. A process that
  /// uses N bytes now can use N + free bytes in all.
  int64_t free = 0;
  uint64_t limit = 0; ///< in bytes; MemTotal if no cgroup is closer
  /// The smallest limit of all, in bytes. It is not `limit` if other processes
  /// use up what a larger one allows.
  uint64_t smallest = 0;
  /// The path of the file with the limit. Valid as long as the MemoryLimit.
  std::string_view file;
};

class MemoryLimit {
public:
  /// Finds the cgroups of this process. `root` is where the file system begins;
  /// tests pass a folder. The process is expected to stay in its cgroups.
  static MemoryLimit open(const std::string &root = "");
  ~MemoryLimit();
  MemoryLimit(MemoryLimit &&) noexcept = default;
  MemoryLimit &operator=(MemoryLimit &&) = delete;

  /// Reads the files again; takes some microseconds for each. A file that
  /// cannot be read or understood at the moment counts with its last contents.
  /// Returns nullopt if no limit is known.
  std::optional<MemoryRoom> read();

  /// Calls read(), and returns the bytes that the process can use in all, given
  /// that it uses `own` bytes now; nullopt if no limit is known.
  std::optional<uint64_t> usable(uint64_t own);

private:
  /// A file that stays open, and its number as of the last time that it was
  /// read. It holds nullopt if there is no such file.
  class Number {
  public:
    /// `key` is the line with the number; if it is empty, the number is the
    /// first thing in the file. `unit` is what the number counts, in bytes.
    Number(std::string file, std::string_view key, uint64_t unit);
    ~Number();
    Number(Number &&other) noexcept;
    Number &operator=(Number &&) = delete;
    std::optional<uint64_t> read();
    const std::string &path() const { return name; }

  private:
    std::string name;
    std::string_view key;
    uint64_t unit;
    int descriptor = -1;
    std::optional<uint64_t> last;
  };
  struct Group {
    std::vector<Number> limits;
    Number usage;
    Number inactiveFile;
  };

  explicit MemoryLimit(const std::string &root);

  std::vector<Group> groups;
  Number total;
  Number available;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_MEMORYLIMIT_H
