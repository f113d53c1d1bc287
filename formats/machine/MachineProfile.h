//===- MachineProfile.h - what a target is, as data -------------*- C++ -*-===//
//
// A target is a JSON file, a built-in profile, or this machine. Capacities are
// in bytes, bandwidths in bytes per second; 0 means "not known". `measured`
// says whether the bandwidths came from `airrun probe` on that machine or are
// nominal.
//
// The profile of `host` contains fixed properties of the machine but no
// measurements, so that two plans made on one machine are identical.
//
// The JSON is one object with the keys of plan.fbs's Machine:
//   name              1 to 1024 bytes without '/' and control characters; the
//                     file's name when absent
//   arch              "x86_64" or "aarch64" (required)
//   features          list of names from knownFeatures(), which contains every
//                     feature that another one implies (FeatureRules.h); []
//                     when absent
//   cores             1..4096 (required)
//   memory_bytes      0..2^63-1, 0 when absent; the same for
//   memory_bandwidth, disk_bandwidth
//   measured          true or false; false when absent
// Any other key is refused, and so is a key that appears twice.
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

/// The memory bandwidth that is assumed for a host that was not measured. One
/// core of current server and desktop CPUs streams some 10 GB/s, and the peak
/// of two channels of DDR4-3200 is 51 GB/s. These values rank plans; they do
/// not predict speed.
inline constexpr uint64_t kNominalCoreBandwidth = 10'000'000'000;
inline constexpr uint64_t kNominalHostBandwidth = 50'000'000'000;

/// This machine, by cpuid or the kernel's auxiliary vector. `cores` are the
/// CPUs of this process's affinity mask; `memoryBytes` is the smaller of the
/// RAM and the cgroup's limit, not what happens to be free.
MachineProfile hostProfile();

/// `spec` is "host", a built-in name, or a path that ends in ".json" or holds a
/// '/'. An Unsupported error lists the built-in names; for the name of a GPU,
/// it states the backend that the GPU needs. A Corrupt error names the JSON
/// field.
Result<MachineProfile> resolveProfile(const std::string &spec);

/// Names of the built-in profiles, sorted.
std::vector<std::string> builtinProfiles();

/// The features of `arch` that a profile may name, sorted; empty for an
/// architecture that has no CPU backend.
std::vector<std::string_view> knownFeatures(std::string_view arch);

Result<MachineProfile> parseProfile(const std::string &json,
                                    const std::string &where);
/// The text has a two-space indent, every key and a final newline, so that
/// equal profiles result in equal bytes.
std::string toJson(const MachineProfile &profile);

/// Ok when `host` can run a plan that was made for `plan`. Otherwise Mismatch,
/// "FIELD: plan needs X, this machine has Y", for the architecture or for all
/// missing features. Fewer cores or less bandwidth only reduce the speed and
/// are not a mismatch.
Status checkRunsOn(const MachineProfile &plan, const MachineProfile &host);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H
