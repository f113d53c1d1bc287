//===- StreamReaders.h - ways of reading memory -----------------*- C++ -*-===//
//
// There is one function for each combination of an order of loads and a
// prefetch hint of CpuRates.h. Each function uses the widest vectors of the
// CPU, and loads every cache line exactly once.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_STREAMREADERS_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_STREAMREADERS_H

#include "formats/machine/CpuRates.h"

#include <cstdint>

namespace air::rt {

inline constexpr uint64_t kStreamPageBytes = 4096;

/// Reads `pages` pages of 4 KiB, beginning at `data`, which must be aligned to
/// 64 bytes. Prefetches `distance` bytes ahead of the loads, even beyond the
/// last page.
/// Returns a value that depends on every bit that was read: for Single and
/// TwoStreams the XOR of all 64-bit words, for Burst another function of them.
using StreamReader = uint64_t (*)(const uint8_t *data, uint64_t pages,
                                  uint32_t distance);

StreamReader streamReader(StreamLoads loads, StreamHint hint);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_STREAMREADERS_H
