//===- CacheSizes.h - the data caches that Linux reports --------*- C++ -*-===//
//
// Source: the Linux kernel's Documentation/ABI/testing/
// sysfs-devices-system-cpu, the entries "cache". The root directory is a
// parameter, so that a test can imitate a machine with files in a folder; it is
// "" otherwise.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_CACHESIZES_H
#define AIRPACK_RUNTIME_HAL_CPU_CACHESIZES_H

#include <cstdint>
#include <span>
#include <string>

namespace air::rt {

/// In bytes; 0 for a cache that the system does not report.
struct CacheSizes {
  uint64_t l1d = 0;
  uint64_t l2 = 0;
  uint64_t l3 = 0;

  uint64_t largest() const { return l3 != 0 ? l3 : l2 != 0 ? l2 : l1d; }
};

/// The data caches that CPU number `cpu` reaches.
CacheSizes cacheSizes(const std::string &root, uint32_t cpu);

/// The sum of the last-level caches that `cpus` reach, each counted once.
uint64_t allLastLevelCacheBytes(const std::string &root,
                                std::span<const uint32_t> cpus);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CACHESIZES_H
