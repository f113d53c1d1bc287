//===- Microarchitecture.h - CPUs by name, with nominal rates ---*- C++ -*-===//
//
// The built-in profiles of CPUs, and which of them a CPU is. The rates are
// nominal: instructions per cycle of published tables, times a clock frequency
// that such CPUs sustain on all cores. They rank variants of kernels;
// `airrun probe` measures what a machine really does.
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
  std::string name; ///< "zen4"
  std::string arch; ///< as in MachineProfile
  std::vector<std::string> features;
  CpuRates rates;
  /// The peak of all memory channels of one CPU, in bytes per second.
  uint64_t memoryBandwidth = 0;
};

/// All that are known, sorted by name.
const std::vector<Microarchitecture> &microarchitectures();

/// A CPU as it identifies itself. On x86, from cpuid: the vendor's twelve
/// letters, and family and model with their extensions added. On Arm, from the
/// main ID register: the vendor is "arm" if the implementer is Arm and empty
/// otherwise, the family is 0, and the model is the part number.
struct CpuIdentity {
  std::string vendor;
  uint32_t family = 0;
  uint32_t model = 0;
};

/// Returns the nominal rates of a CPU with `features`. A CPU that is not known,
/// or whose features are fewer than those of its kind because a hypervisor
/// hides some, has conservative ones: one 256-bit vector instruction per cycle
/// (on Arm 128-bit) at 2 GHz, and no known ways of reading memory.
CpuRates nominalRates(const CpuIdentity &cpu, std::string_view arch,
                      std::span<const std::string> features);

/// Returns the peak bandwidth of the memory of such a CPU if its rates are
/// known, else kNominalHostBandwidth (MachineProfile.h), in bytes per second.
uint64_t nominalMemoryBandwidth(const CpuIdentity &cpu, std::string_view arch,
                                std::span<const std::string> features);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_MICROARCHITECTURE_H
