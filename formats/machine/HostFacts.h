//===- HostFacts.h - what Linux reports about this machine ------*- C++ -*-===//
//
// These functions find out how much memory this machine has and which limits
// this process's cgroups have, from the files in which Linux reports them. The
// root directory is a parameter, so that a test can imitate a machine with
// files in a folder. Sources: the Linux kernel's documentation of cgroups,
// admin-guide/cgroup-v1/memory.rst, admin-guide/cgroup-v2.rst and
// scheduler/sched-bwc.rst, and man 5 proc.
//
// Thread-safety: all functions may be called from any thread. Errors: none; the
// functions treat a value that they cannot read as not known.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_HOSTFACTS_H
#define AIRPACK_FORMATS_MACHINE_HOSTFACTS_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace air {

/// A limit of at least this number of bytes counts as no limit. Without a
/// limit, version 1 of cgroups states the largest multiple of the page size
/// that fits in 63 bits.
inline constexpr uint64_t kUnlimitedMemory = uint64_t{1} << 62;

/// The paths of the files of one memory cgroup. A file need not exist.
struct MemoryGroup {
  /// Files each of which contains a limit in bytes, or "max" for no limit. The
  /// smallest limit applies.
  std::vector<std::string> limits;
  /// The file that states how many bytes of memory the group uses, including
  /// the page cache.
  std::string usage;
  /// The file memory.stat, whose lines consist of a key and a number.
  std::string statistics;
  /// The keys in the file `statistics` whose numbers, in bytes, add up to the
  /// size of the page cache of files. Linux reclaims this memory before it
  /// refuses memory to a process or ends one.
  std::vector<std::string_view> pageCache;
};

/// Returns the memory cgroups of this process and their ancestors
/// (ROOT/proc/self/cgroup, versions 1 and 2) whose files are visible.
std::vector<MemoryGroup> memoryGroups(const std::string &root);

/// Returns the smallest limit of memoryGroups(), in bytes; 0 if there is none.
uint64_t memoryLimit(const std::string &root);

/// Returns the smaller of MemTotal (in ROOT/proc/meminfo) and memoryLimit(), in
/// bytes; 0 if neither is known. Unlike the free memory, these numbers hardly
/// ever change while a machine or a container runs.
uint64_t memoryCapacity(const std::string &root);

/// Returns how many CPUs this process can use without pause: the smallest CPU
/// quota of its cgroups and their ancestors, rounded down, but at least 1.
/// Returns UINT32_MAX if there is no quota. Once a cgroup has used its quota,
/// Linux suspends all of its threads until the next period begins, so a process
/// gains little by running more threads than this number.
uint32_t cpuQuota(const std::string &root);

/// Returns the decimal number at the start of `text`, or UINT64_MAX if it
/// overflows; nullopt if `text` does not start with a digit, for example "max".
std::optional<uint64_t> leadingNumber(std::string_view text);

/// Finds the line of `text` that begins with `key` and spaces or tabs, and
/// returns what leadingNumber() returns for the rest of the line; nullopt if
/// there is no such line.
std::optional<uint64_t> numberAfter(std::string_view text,
                                    std::string_view key);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_HOSTFACTS_H
