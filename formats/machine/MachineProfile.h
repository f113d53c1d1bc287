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
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H
#define AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>
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
};

/// This machine, by cpuid or the kernel's auxiliary vector.
MachineProfile hostProfile();

/// `spec` is "host", a built-in name, or a path that ends in ".json" or holds a
/// '/'. Unsupported lists the built-in names; a GPU's name says which backend
/// it needs. Corrupt names the JSON field.
Result<MachineProfile> resolveProfile(const std::string &spec);

/// Names of the built-in profiles, sorted.
std::vector<std::string> builtinProfiles();

Result<MachineProfile> parseProfile(const std::string &json,
                                    const std::string &where);
std::string toJson(const MachineProfile &profile);

/// Ok when `host` can run what was made for `plan`; else Mismatch with one
/// "field: plan needs X, this machine has Y" a line.
Status checkRunsOn(const MachineProfile &plan, const MachineProfile &host);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_MACHINEPROFILE_H
