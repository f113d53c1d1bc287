//===- MemoryLimit.h - how much memory is left at present -------*- C++ -*-===//
//
// A process must not use more memory than its memory cgroup and all ancestors
// of that cgroup allow, nor more than the machine has available. The limits may
// be changed while the process runs, and other processes in the same cgroups
// use some of the memory, so what read() returns may soon change. A MemoryLimit
// keeps the system's files open and can be asked before every pass. If
// /proc/meminfo has MemTotal but no MemAvailable, all of MemTotal counts as
// available; without MemTotal, the machine sets no limit.
//
// Memory in use includes the page cache of all files that the cgroup has read.
// Linux reclaims it, both its inactive and its active part, before it refuses
// memory to a process or ends one, so it counts as free. This includes the
// weights that a process uses from the mapping of a plan. Files in memory
// (tmpfs, memfd_create) cannot be reclaimed, so they count as used.
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

/// What is left before the process reaches a limit. If there are several
/// limits, `free`, `limit` and `file` describe the one that the process would
/// reach first.
struct MemoryRoom {
  /// The bytes that can be allocated before the limit is reached. Negative if
  /// more is in use already, because the limit has been lowered. A process that
  /// uses N bytes now can use N + free bytes in all.
  int64_t free = 0;
  /// The limit in bytes. For the limit of the machine this is MemTotal.
  uint64_t limit = 0;
  /// The smallest of all limits, in bytes. It may be smaller than `limit`: a
  /// larger limit is reached first if other processes already use a part of it.
  uint64_t smallest = 0;
  /// The path of the file with the limit. Valid for as long as the MemoryLimit
  /// exists.
  std::string_view file;
  /// The bytes of this process's private memory and of its page tables; nullopt
  /// if they are not known. Memory that it shares with others, which includes a
  /// ring for weights, is not part of it.
  std::optional<uint64_t> own = std::nullopt;
};

/// The bytes that the process can use in all, if it uses `own` bytes now. This
/// is the limit that it would reach first, less what others use.
uint64_t usableBytes(const MemoryRoom &room, uint64_t own);

class MemoryLimit {
public:
  /// Finds the cgroups of this process, which is expected to stay in them.
  /// `root` is put before the paths of all files; only tests need it.
  static MemoryLimit open(const std::string &root = "");
  ~MemoryLimit();
  MemoryLimit(MemoryLimit &&) noexcept = default;
  MemoryLimit &operator=(MemoryLimit &&) = delete;

  /// Reads the files again, which takes a few microseconds for each. If a file
  /// cannot be read or understood, the last value read from it is used. Returns
  /// nullopt if no limit is known.
  std::optional<MemoryRoom> read();

private:
  /// A file that stays open, and the number that was last read from it. read()
  /// returns nullopt if no number has been read yet, for example because the
  /// file does not exist.
  class Number {
  public:
    /// Each key is the start of a line with a number, and the result is the sum
    /// of these numbers. If there are no keys, the file begins with the number.
    /// Numbers count units of `unit` bytes.
    Number(std::string file, std::vector<std::string_view> keys, uint64_t unit);
    ~Number();
    Number(Number &&other) noexcept;
    Number &operator=(Number &&) = delete;
    std::optional<uint64_t> read();
    const std::string &path() const { return name; }

  private:
    std::string name;
    std::vector<std::string_view> keys;
    uint64_t unit;
    int descriptor = -1;
    std::optional<uint64_t> last;
  };
  struct Group {
    std::vector<Number> limits;
    Number usage;
    Number pageCache;
  };

  explicit MemoryLimit(const std::string &root);

  std::vector<Group> groups;
  Number total;
  Number available;
  Number own;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_MEMORYLIMIT_H
