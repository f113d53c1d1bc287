//===- CpuProbe.h - measures the rates of this CPU --------------*- C++ -*-===//
//
// Measures everything in CpuRates.h: arithmetic in registers, decoding of
// weights, reading of memory, and the costs of a tile and of a barrier. The
// measurements take turns (Rounds.h), and the results are medians, with two
// exceptions: the memory bandwidth is the best sample, because it serves as an
// upper bound, and the cost of a barrier is computed from the fastest samples
// (BarrierCost.h).
//
// Memory is read in a buffer that is too large for any cache, and each sample
// continues where the previous one ended. The cost of a tile is measured with
// tiles of 32 KiB, about as much as the weights of the smallest tiles of a
// matmul.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_CPUPROBE_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_CPUPROBE_H

#include "formats/machine/MachineProfile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace air::rt {

struct CpuProbeOptions {
  uint32_t threads = 1;
  uint64_t memoryBytes = 0; ///< size of the RAM; 0 if it is not known
  /// As in MachineProfile. If the list has "amx-tile", the probe requests the
  /// permission to use tile registers for this process. If the system refuses,
  /// CpuRates::bf16Tile and CpuRates::byteTile are 0 in the result.
  std::span<const std::string> features;
  /// After this number of seconds, no further round begins. At least three
  /// rounds are always taken. A round takes about one second.
  double seconds = 12;
};

struct CpuProbeResult {
  CpuRates rates;
  uint64_t memoryBandwidth = 0; ///< reads by all threads, in bytes per second
  /// The bandwidth of 1, 2, 3, 4, 6, 8, 12, ... and all threads. The entry for
  /// all threads repeats memoryBandwidth. If there are several threads, the
  /// entry for one thread repeats CpuRates::readBandwidth.
  std::vector<ThreadRate> memoryCurve;
};

/// Errors: DoesNotFit if the machine has too little memory for the buffer
/// (ReadBandwidth.h), and those of CpuDevice and DecodeRate.
Result<CpuProbeResult> probeCpu(const CpuProbeOptions &options);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_CPUPROBE_H
