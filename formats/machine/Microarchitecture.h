//===- Microarchitecture.h - CPUs by name, with nominal rates ---*- C++ -*-===//
//
// The CPUs for which there is a built-in profile, and the identification of the
// host's CPU among them. The rates are nominal: most are the instructions per
// cycle of published tables times a clock frequency that such CPUs sustain on
// all cores, and some were measured, each on a single machine. They rank
// variants of kernels; `airrun probe` measures the rates of a particular
// machine.
//
// Thread-safety: callable from any thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_MICROARCHITECTURE_H
#define AIRPACK_FORMATS_MACHINE_MICROARCHITECTURE_H

#include "formats/machine/CpuRates.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace air {

struct Microarchitecture {
  std::string name; ///< for example "zen4"
  std::string arch; ///< as in MachineProfile
  std::vector<std::string> features;
  CpuRates rates;
  /// The peak bandwidth of all memory channels of one CPU, in bytes per second.
  uint64_t memoryBandwidth = 0;
};

/// All known microarchitectures, sorted by name.
const std::vector<Microarchitecture> &microarchitectures();

/// A CPU as it identifies itself. On x86, the identity comes from cpuid: the
/// vendor is the vendor string of twelve letters, and the family and model
/// include the extended family and model. On Arm, it comes from the main ID
/// register: the vendor is "arm" if the implementer is Arm and empty otherwise,
/// the family is 0, and the model is the part number.
struct CpuIdentity {
  std::string vendor;
  uint32_t family = 0;
  uint32_t model = 0;
};

/// Returns the nominal rates of a CPU with `features`. An Intel CPU of family 6
/// whose model is not known gets those of sapphire-rapids if it has tile
/// registers. A CPU gets conservative rates if it is not known, or if it lacks
/// features on which the rates of its microarchitecture depend, for example
/// because a hypervisor hides them. If only its tile registers are hidden, it
/// keeps its rates except for those of tiles, which are 0, and those of streams
/// with the hint T1T0, which are left out. Conservative rates are those of a
/// core that runs at 2 GHz, executes one vector instruction of 256 bits (128
/// bits on Arm) per cycle, reads memory at kNominalCoreBandwidth
/// (MachineProfile.h), and needs twice as many cycles as known CPUs to decode
/// the weights of a codec. They contain no CpuRates::streams.
CpuRates nominalRates(const CpuIdentity &cpu, std::string_view arch,
                      std::span<const std::string> features);

/// Returns the peak bandwidth of the memory of a CPU with `features`, in bytes
/// per second. If nominalRates() returns conservative rates for the CPU, the
/// result is kNominalHostBandwidth (MachineProfile.h).
uint64_t nominalMemoryBandwidth(const CpuIdentity &cpu, std::string_view arch,
                                std::span<const std::string> features);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_MICROARCHITECTURE_H
