//===- StreamReaders.h - ways of reading memory -----------------*- C++ -*-===//
//
// One function for every order of loads and every prefetch hint of CpuRates.h,
// with the widest vectors of the CPU. Each reads every line exactly once.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_STREAMREADERS_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_STREAMREADERS_H

#include "formats/machine/CpuRates.h"

#include <cstdint>

namespace air::rt {

inline constexpr uint64_t kStreamPageBytes = 4096;

/// Reads `pages` pages of 4 KiB, which begin at a multiple of 64 bytes, and
/// prefetches `distance` bytes ahead of each load, also beyond the end. Returns
/// a value that depends on every bit that was read: the XOR of all 64-bit words
/// for Single and TwoStreams, some other linear function for Burst.
using StreamReader = uint64_t (*)(const uint8_t *data, uint64_t pages,
                                  uint32_t distance);

StreamReader streamReader(StreamLoads loads, StreamHint hint);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_STREAMREADERS_H
