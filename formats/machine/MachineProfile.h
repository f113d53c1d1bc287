//===- MachineProfile.h - what a target is, as data -------------*- C++ -*-===//
//
// A target is a JSON file, a built-in profile, a machine with a GPU from
// GpuTable.cpp, or this machine. Capacities are in bytes, bandwidths in bytes
// per second; 0 means "not known". `measured` says whether the bandwidths were
// measured by `airrun probe` on that machine or are nominal.
//
// hostProfile() contains fixed properties of the machine but no measurements,
// so that two plans made on one machine are identical. withMeasurements()
// (ProbeCache.h) adds what `airrun probe --save` has measured.
//
// The JSON is one object with the following keys. A plan contains its machine
// as the table Machine of plan.fbs. This table has no fields for memory_limit,
// memlock_limit and memory_curve, because they matter only on the machine
// itself. Of the object disk, it has only bandwidth_beside (as disk_beside) and
// memory_beside. Its field `devices` holds the list gpus.
//   name              1 to 1024 bytes without '/' or control characters; the
//                     file's name without ".json" when absent
//   arch              "x86_64" or "aarch64" (required)
//   features          list of names from knownFeatures(). A list that contains
//                     a feature must also contain all features that it implies
//                     (FeatureRules.h). [] when absent
//   cores             1..4096 (required)
//   memory_bytes, memory_bandwidth, disk_bandwidth
//                     0..2^63-1; 0 when absent
//   measured          true or false; false when absent
//   memory_limit, memlock_limit
//                     1..2^63-1; only written if known
//   memory_curve      a list of at most 256 objects with both keys of
//                     ThreadRate, at most one for each number of threads; only
//                     written if it is not empty
//   disk              as DiskRates.h describes; only written if a rate is known
//   cpu               an object with the keys that CpuRates.h names, all of
//                     them optional: numbers from 0 to 2^63-1, and "streams", a
//                     list of at most 256 objects with all four keys of
//                     StreamRate. It is only written if a value is known.
//                     planes_decode, zstd_decode, bf16_tile and byte_tile are
//                     left out if they are not known
//   gpus              as GpuProfile.h describes
// Any other key is refused, and so is a key that appears twice.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H
#define AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H

#include "formats/machine/CpuRates.h"
#include "formats/machine/DiskRates.h"
#include "formats/machine/GpuProfile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air {

/// The memory bandwidth that a number of threads reach together.
struct ThreadRate {
  uint32_t threads = 1;   ///< threads: 1 to the number of cores
  uint64_t bandwidth = 0; ///< bandwidth: bytes per second, at least 1

  bool operator==(const ThreadRate &) const = default;
};

struct MachineProfile {
  std::string name; ///< "host", "x86-64-v3", or the file's name
  std::string arch; ///< "x86_64" or "aarch64"
  std::vector<std::string>
      features;                 ///< sorted LLVM names: "avx2", "avx512vnni"
  uint32_t cores = 1;           ///< compute threads that the plan is made for
  uint64_t memoryBytes = 0;     ///< size of the RAM in bytes
  uint64_t memoryBandwidth = 0; ///< reads by all cores, in bytes/s
  uint64_t diskBandwidth = 0;   ///< sequential reads, in bytes/s
  bool measured = false;
  /// memory_limit: the smallest memory limit of the cgroups in which `airrun
  /// probe` ran, in bytes; 0 if there is none. If there is a limit,
  /// memoryBytes, as `airrun probe` writes it, is at most this limit.
  uint64_t memoryLimit = 0;
  /// memlock_limit: the bytes that a process may lock in RAM (RLIMIT_MEMLOCK);
  /// 0 if it is not known.
  uint64_t memlockLimit = 0;
  std::vector<ThreadRate> memoryCurve; ///< sorted by number of threads
  std::vector<DiskRate> diskCurve;     ///< sorted by compareDiskRates()
  std::vector<RingRate> diskRings;     ///< sorted by size
  /// disk.bandwidth_beside and disk.memory_beside (DiskRates.h): the rates of
  /// the disk and of memory while both are read, in bytes/s; 0 = not known.
  uint64_t diskBeside = 0;
  uint64_t memoryBeside = 0;
  CpuRates cpu;
  std::vector<GpuProfile> gpus; ///< none or one

  bool operator==(const MachineProfile &) const = default;
};

/// The memory bandwidth, in bytes per second, that is assumed for a CPU that is
/// not known: kNominalCoreBandwidth for each core, but at most
/// kNominalHostBandwidth for all cores together. One core of any current server
/// or desktop CPU reads at least some 10 GB/s, and the peak of two channels of
/// DDR4-3200 is 51 GB/s. These values rank plans; they do not predict speed.
inline constexpr uint64_t kNominalCoreBandwidth = 10'000'000'000;
inline constexpr uint64_t kNominalHostBandwidth = 50'000'000'000;

/// Returns the profile of this machine, with the nominal rates of its
/// microarchitecture (Microarchitecture.h). Its features come from cpuid (x86)
/// or from Linux's auxiliary vector (Arm). `cores` is the number of CPUs in the
/// affinity mask of this process, or cpuQuota() (HostFacts.h) if that is
/// smaller. `memoryBytes` is the RAM or the limit of the cgroup, whichever is
/// smaller; it does not depend on how much memory is free.
MachineProfile hostProfile();

/// Returns the shares of their full rates that the machine's disk and memory
/// reach while the disk and memory are read at the same time.
KeptShares keptShares(const MachineProfile &machine);

/// Returns the machine that `spec` names: "host", a built-in name, the name of
/// a GPU, or a path that ends in ".json" or contains a '/'. Fails with
/// Unsupported if it names none of these; the message lists builtinProfiles().
/// Fails with Io if the file cannot be opened, and with Corrupt if the file is
/// not a valid profile; the message names the file and, where possible, the
/// JSON field.
Result<MachineProfile> resolveMachine(const std::string &spec);

/// Returns the machine that `spec` names, if a plan can be made for it. Fails
/// as resolveMachine() does, and with Unsupported if there is no backend for
/// the machine's GPU, or if the profile does not state enough about the GPU.
Result<MachineProfile> resolveProfile(const std::string &spec);

/// Returns `machine` with another CPU, which `spec` names in one of these ways:
///   - the name of a built-in profile: only the architecture, the features, the
///     rates and the memory bandwidth change, `measured` becomes false, and
///     diskBeside and memoryBeside become unknown;
///   - "desktop", "laptop" or "server" (GpuTable.h), "host" or a file:
///     everything but the name and the GPU changes, including cores, RAM and
///     disk.
/// Fails as resolveMachine() does, and with Unsupported if `spec` names a
/// machine with a GPU.
Result<MachineProfile> withCpu(const MachineProfile &machine,
                               const std::string &spec);

/// Names of the built-in profiles, sorted.
std::vector<std::string> builtinProfiles();

/// The features that a profile for `arch` may name, sorted; empty for an
/// architecture that has no CPU backend.
std::vector<std::string_view> knownFeatures(std::string_view arch);

Result<MachineProfile> parseProfile(const std::string &json,
                                    const std::string &where);
/// Returns the profile as JSON, with a two-space indent and a final newline.
/// All keys are written, except where the top of this file says otherwise.
/// Equal profiles result in equal bytes.
std::string toJson(const MachineProfile &profile);

/// Returns Ok if the machine `host` can run a plan that was made for the
/// machine `plan`. Fails with Mismatch if the architectures differ or if `host`
/// lacks a feature of `plan`. The message begins "FIELD: the plan needs X, but
/// this machine has Y", where FIELD is "arch" or "features". Fewer cores or
/// less bandwidth only reduce the speed and are not a mismatch.
Status checkRunsOn(const MachineProfile &plan, const MachineProfile &host);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H
