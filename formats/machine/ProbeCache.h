//===- ProbeCache.h - measurements that are remembered ----------*- C++ -*-===//
//
// The file that `airrun probe --save` writes and `airpack --target host` reads.
// It is a JSON object with the keys
//   cpu_model  hostCpuModel() of the machine that was measured (required)
//   profile    its profile, a JSON object (MachineProfile.h, required)
// Any other key is refused.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_PROBECACHE_H
#define AIRPACK_FORMATS_MACHINE_PROBECACHE_H

#include "formats/machine/MachineProfile.h"

#include <string>

namespace air {

struct ProbeCache {
  std::string cpuModel;
  MachineProfile profile;

  bool operator==(const ProbeCache &) const = default;
};

/// The model of this machine's CPU as the CPU itself states it: on x86 the
/// vendor, family, model, stepping and brand from cpuid, on Arm the main ID
/// register. It is the same on every machine with such a CPU.
std::string hostCpuModel();

/// Returns the cache as JSON. The text has a two-space indent and a final
/// newline, and equal caches result in equal bytes.
std::string toJson(const ProbeCache &cache);
/// Parses what toJson() returns. `where` is the name of the file. A Corrupt
/// error names the file and the field that is wrong.
Result<ProbeCache> parseProbeCache(const std::string &json,
                                   const std::string &where);

/// Returns a copy of `host` in which the GPU, and all bandwidths and rates that
/// a plan records, are those of `cache`. `cpuModel` is the model of the
/// host's CPU. Fails with Mismatch if the cache was measured on another
/// machine: if the model of the CPU, the architecture or the features differ.
/// The message names both models, or says that the features differ.
///
/// If the number of cores differs, because the affinity mask or the CPU quota
/// has changed, the rates that depend on how many cores work at the same time
/// stay those of `host`, and differentCores() says so. These rates are
/// diskBeside, memoryBeside, memoryBandwidth and, in `cpu`, the list `streams`,
/// barrierNs, planesDecode and zstdDecode. There is one exception: if the
/// memoryCurve of the cache has an entry for `host.cores` threads,
/// memoryBandwidth is the bandwidth of this entry. `measured` comes from the
/// same profile as memoryBandwidth.
Result<MachineProfile> withMeasurements(const MachineProfile &host,
                                        const std::string &cpuModel,
                                        const ProbeCache &cache);

/// If `cache` was measured with another number of cores than `host` has,
/// returns a message that says which of its measurements are used, which are
/// not, and how to measure again. Otherwise, returns "".
std::string differentCores(const MachineProfile &host, const ProbeCache &cache);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_PROBECACHE_H
