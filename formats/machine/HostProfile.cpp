//===- HostProfile.cpp - this machine as a profile ------------------------===//
//
// Sources for x86: Intel SDM, volume 2, CPUID, and volume 1, chapter 13 (XCR0);
// AMD APM, volume 3, appendix E. An x86 feature counts only if the operating
// system saves the registers that it uses. Source for Arm: the Linux kernel's
// documentation of AT_HWCAP and AT_HWCAP2, and its
// Documentation/arch/arm64/cpu-feature-registers.rst.
//
//===----------------------------------------------------------------------===//
#include "formats/machine/FeatureRules.h"
#include "formats/machine/HostFacts.h"
#include "formats/machine/MachineProfile.h"
#include "formats/machine/Microarchitecture.h"
#include "formats/machine/ProbeCache.h"
#include "formats/machine/TileRegisters.h"

#include <algorithm>
#include <initializer_list>
#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <cstdlib>
#include <fstream>
#include <sys/auxv.h>
#endif

namespace air {

#if defined(__x86_64__)

namespace {

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidRegisters cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidRegisters r;
  // If the leaf does not exist, this call returns false and leaves the
  // registers at zero.
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

/// Returns XCR0, a mask of the register states that the operating system saves;
/// 0 if XCR0 cannot be read.
uint64_t savedState(const CpuidRegisters &leaf1) {
  if ((leaf1.ecx >> 27 & 1) == 0) { // OSXSAVE: without it, xgetbv faults
    return 0;
  }
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

std::vector<std::string> hostFeatures() {
  const CpuidRegisters leaf1 = cpuid(1, 0);
  const CpuidRegisters leaf7 = cpuid(7, 0);
  const CpuidRegisters leaf7a = leaf7.eax >= 1 ? cpuid(7, 1) : CpuidRegisters{};
  const uint64_t saved = savedState(leaf1);
  // If XCR0 has all bits of a mask, the operating system saves these registers:
  constexpr uint64_t kYmm = 0x6;      // XMM and YMM
  constexpr uint64_t kZmm = 0xE6;     // XMM, YMM, ZMM and the opmasks
  constexpr uint64_t kTile = 0x60000; // the tile registers
  const bool ymm = (saved & kYmm) == kYmm && (leaf1.ecx >> 28 & 1) != 0;
  const bool zmm = ymm && (saved & kZmm) == kZmm && (leaf7.ebx >> 16 & 1) != 0;
  const bool tile = (saved & kTile) == kTile && (leaf7.edx >> 24 & 1) != 0 &&
                    hasTileRegisters();

  struct Bit {
    const char *name;
    bool usable;
    uint32_t word;
    unsigned bit;
  };
  const Bit bits[] = {
      {"amx-bf16", tile, leaf7.edx, 22},  {"amx-int8", tile, leaf7.edx, 25},
      {"amx-tile", tile, leaf7.edx, 24},  {"avx2", ymm, leaf7.ebx, 5},
      {"avx512bf16", zmm, leaf7a.eax, 5}, {"avx512bw", zmm, leaf7.ebx, 30},
      {"avx512cd", zmm, leaf7.ebx, 28},   {"avx512dq", zmm, leaf7.ebx, 17},
      {"avx512f", zmm, leaf7.ebx, 16},    {"avx512vbmi", zmm, leaf7.ecx, 1},
      {"avx512vl", zmm, leaf7.ebx, 31},   {"avx512vnni", zmm, leaf7.ecx, 11},
      {"avxvnni", ymm, leaf7a.eax, 4},    {"bmi2", true, leaf7.ebx, 8},
      {"f16c", ymm, leaf1.ecx, 29},       {"fma", ymm, leaf1.ecx, 12},
  };
  std::vector<std::string> features;
  for (const Bit &bit : bits) {
    if (bit.usable && (bit.word >> bit.bit & 1) != 0) {
      features.emplace_back(bit.name);
    }
  }
  return features;
}

constexpr const char *kHostArch = "x86_64";

/// Appends the characters that cpuid returned in `registers`, four in each, to
/// `text`.
void appendText(std::initializer_list<uint32_t> registers, std::string &text) {
  for (uint32_t value : registers) {
    for (int byte = 0; byte < 4; ++byte) {
      text += static_cast<char>(value >> 8 * byte & 0xff);
    }
  }
}

CpuIdentity hostIdentity() {
  CpuIdentity cpu;
  const CpuidRegisters leaf0 = cpuid(0, 0);
  appendText({leaf0.ebx, leaf0.edx, leaf0.ecx}, cpu.vendor);
  const uint32_t signature = cpuid(1, 0).eax;
  const uint32_t family = signature >> 8 & 0xf;
  cpu.family = family == 0xf ? family + (signature >> 20 & 0xff) : family;
  cpu.model = signature >> 4 & 0xf;
  if (family == 0x6 || family == 0xf) {
    cpu.model += (signature >> 16 & 0xf) << 4;
  }
  return cpu;
}

/// Returns the stepping and the brand string of the CPU, in which CPUs with the
/// same CpuIdentity may differ.
std::string hostBrand() {
  std::string brand;
  for (uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
    const CpuidRegisters r = cpuid(leaf, 0);
    appendText({r.eax, r.ebx, r.ecx, r.edx}, brand);
  }
  brand.resize(std::min(brand.size(), brand.find('\0')));
  return "stepping " + std::to_string(cpuid(1, 0).eax & 0xf) + " " + brand;
}

} // namespace

#elif defined(__aarch64__)

namespace {

std::vector<std::string> hostFeatures() {
  const unsigned long caps = getauxval(AT_HWCAP);
  const unsigned long caps2 = getauxval(AT_HWCAP2);
  std::vector<std::string> features;
  auto add = [&](const char *name, bool has) {
    if (has) {
      features.emplace_back(name);
    }
  };
  add("bf16", (caps2 & HWCAP2_BF16) != 0);
  add("dotprod", (caps & HWCAP_ASIMDDP) != 0);
  add("fullfp16", (caps & HWCAP_FPHP) != 0 && (caps & HWCAP_ASIMDHP) != 0);
  add("i8mm", (caps2 & HWCAP2_I8MM) != 0);
  add("neon", (caps & HWCAP_ASIMD) != 0);
  add("sve", (caps & HWCAP_SVE) != 0);
  return features;
}

constexpr const char *kHostArch = "aarch64";

/// The main ID register of CPU 0, which Linux shows in sysfs as text such as
/// "0x00000000410fd401"; 0 if Linux does not show it.
uint64_t mainId() {
  std::ifstream file(
      "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1");
  std::string text;
  std::getline(file, text);
  return std::strtoull(text.c_str(), nullptr, 16);
}

CpuIdentity hostIdentity() {
  CpuIdentity cpu;
  const uint64_t id = mainId();
  cpu.vendor = id >> 24 == 0x41 ? "arm" : "";
  cpu.model = static_cast<uint32_t>(id >> 4 & 0xfff);
  return cpu;
}

std::string hostBrand() { return "main ID " + std::to_string(mainId()); }

} // namespace

#else
#error "the supported hosts are x86_64 and aarch64"
#endif

namespace {

/// Returns the number of CPUs in the affinity mask of this process. Machines
/// with more than 1024 CPUs need a larger mask, so several sizes are tried.
uint32_t usableCores() {
  for (int capacity = 1024; capacity <= 1 << 20; capacity *= 4) {
    cpu_set_t *set = CPU_ALLOC(static_cast<size_t>(capacity));
    if (set == nullptr) {
      break;
    }
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(capacity));
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) {
      return static_cast<uint32_t>(std::max(1, count));
    }
  }
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<uint32_t>(online) : 1;
}

/// Returns the features whose implied features are all present. A hypervisor
/// may hide a feature but not the features that imply it, and no code can be
/// compiled for such an inconsistent set.
std::vector<std::string> usable(const std::vector<std::string> &features) {
  std::vector<std::string> kept;
  for (const std::string &feature : features) {
    const auto implied = impliedFeatures(kHostArch, feature);
    if (std::all_of(implied.begin(), implied.end(), [&](auto other) {
          return std::find(features.begin(), features.end(), other) !=
                 features.end();
        })) {
      kept.push_back(feature);
    }
  }
  return kept;
}

} // namespace

std::string hostCpuModel() {
  const CpuIdentity cpu = hostIdentity();
  return cpu.vendor + " family " + std::to_string(cpu.family) + " model " +
         std::to_string(cpu.model) + " " + hostBrand();
}

MachineProfile hostProfile() {
  MachineProfile host;
  host.name = "host";
  host.arch = kHostArch;
  host.features = usable(hostFeatures());
  host.cores = std::min(usableCores(), cpuQuota(""));
  host.memoryBytes = memoryCapacity("");
  const CpuIdentity cpu = hostIdentity();
  host.cpu = nominalRates(cpu, host.arch, host.features);
  host.memoryBandwidth =
      std::min(host.cores * host.cpu.readBandwidth,
               nominalMemoryBandwidth(cpu, host.arch, host.features));
  return host;
}

} // namespace air
