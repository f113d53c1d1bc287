//===- MachineProfile.h - what a target is, as data -------------*- C++ -*-===//
//
// A target is a JSON file, a built-in profile, or this machine. Capacities in
// bytes, bandwidths in bytes per second; 0 means "not known". `measured` tells
// whether the bandwidths came from `airrun probe` on that machine or are
// nominal.
//
// The profile of `host` holds only what the machine is, never a measurement, so
// that a plan made twice on one machine is the same file.
//
// The JSON is one object with the keys of plan.fbs's Machine:
//   name              1 to 1024 bytes without '/' and control characters; the
//                     file's name when absent
//   arch              "x86_64" or "aarch64" (required)
//   features          list of names from knownFeatures(), with all that each
//                     implies (FeatureRules.h); [] when absent
//   cores             1..4096 (required)
//   memory_bytes      0..2^63-1, 0 when absent; the same for
//   memory_bandwidth, disk_bandwidth
//   measured          true or false; false when absent
// Any other key is refused, and so is a key that is there twice.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H
#define AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air {

struct MachineProfile {
  std::string name; ///< "host", "x86-64-v3", or the file's name
  std::string arch; ///< "x86_64" or "aarch64"
  std::vector<std::string>
      features;                 ///< sorted LLVM names: "avx2", "avx512vnni"
  uint32_t cores = 1;           ///< compute threads the plan is made for
  uint64_t memoryBytes = 0;     ///< RAM
  uint64_t memoryBandwidth = 0; ///< read, all cores
  uint64_t diskBandwidth = 0;   ///< sequential read
  bool measured = false;

  bool operator==(const MachineProfile &) const = default;
};

/// What a host's memory bandwidth is taken to be where nobody measured it: one
/// core of current server and desktop parts streams some 10 GB/s, and two
/// channels of DDR4-3200 end at 51 GB/s. It ranks plans; it promises nothing.
inline constexpr uint64_t kNominalCoreBandwidth = 10'000'000'000;
inline constexpr uint64_t kNominalHostBandwidth = 50'000'000'000;

/// This machine, by cpuid or the kernel's auxiliary vector. `cores` are the
/// CPUs of this process's affinity mask; `memoryBytes` is the smaller of the
/// RAM and the cgroup's limit, never what happens to be free.
MachineProfile hostProfile();

/// `spec` is "host", a built-in name, or a path that ends in ".json" or holds a
/// '/'. Unsupported lists the built-in names; a GPU's name says which backend
/// it needs. Corrupt names the JSON field.
Result<MachineProfile> resolveProfile(const std::string &spec);

/// Names of the built-in profiles, sorted.
std::vector<std::string> builtinProfiles();

/// The features of `arch` that a profile may name, sorted; empty for an
/// architecture that has no CPU backend.
std::vector<std::string_view> knownFeatures(std::string_view arch);

Result<MachineProfile> parseProfile(const std::string &json,
                                    const std::string &where);
/// Two-space indent, every key, a final newline: equal profiles give equal
/// bytes.
std::string toJson(const MachineProfile &profile);

/// Ok when `host` can run what was made for `plan`; else Mismatch, "FIELD: plan
/// needs X, this machine has Y": the architecture, or all features that lack.
/// Fewer cores or less bandwidth only cost speed and are no mismatch.
Status checkRunsOn(const MachineProfile &plan, const MachineProfile &host);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H
