//===- CacheSizes.h - the data caches that Linux reports --------*- C++ -*-===//
//
// Reads the sizes of data and unified caches from files in /sys, whose format
// is described in Documentation/ABI/testing/sysfs-devices-system-cpu of the
// Linux kernel. `root` replaces the root directory of the file system, so that
// a test can imitate a machine with files in a folder. Other callers pass "".
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_CACHESIZES_H
#define AIRPACK_RUNTIME_HAL_CPU_CACHESIZES_H

#include <cstdint>
#include <span>
#include <string>

namespace air::rt {

/// The sizes in bytes of the caches that one CPU uses; 0 for a cache that the
/// system does not report.
struct CacheSizes {
  uint64_t l1d = 0;
  uint64_t l2 = 0;
  uint64_t l3 = 0;

  uint64_t largest() const { return l3 != 0 ? l3 : l2 != 0 ? l2 : l1d; }
};

/// Returns the sizes of the data and unified caches that CPU number `cpu` uses.
CacheSizes cacheSizes(const std::string &root, uint32_t cpu);

/// Returns the total size in bytes of the last-level caches that `cpus` use. A
/// cache that several CPUs share is counted once.
uint64_t allLastLevelCacheBytes(const std::string &root,
                                std::span<const uint32_t> cpus);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CACHESIZES_H
