//===- Microarchitecture.cpp - CPUs by name, with nominal rates -----------===//
//
// Unless a comment below says otherwise, the rates come from these sources. For
// instructions per cycle: uops.info and Agner Fog's instruction tables (x86),
// the chapter on AMX of Intel's optimization reference manual (tile registers),
// and Arm's Neoverse V1 Software Optimization Guide. A loop of n instructions
// is assumed to take n / p cycles if p ports can execute them. For clock
// frequencies, caches and memory channels: the vendors' product pages for the
// CPUs that the comments below name.
//
// The family and model numbers come from AMD's revision guides and processor
// programming references (families 19h and 1Ah), table 2-1 in volume 4 of the
// Intel SDM, and Arm's technical reference manual for the Neoverse V1.
//
//===----------------------------------------------------------------------===//
#include "formats/machine/Microarchitecture.h"

#include "formats/machine/MachineProfile.h"

#include <algorithm>

namespace air {

namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;

/// How fast a core decodes weights, in decoded bytes per 100 cycles, for the
/// codecs planes (with and without vector instructions) and zstd
/// (ChunkCodec.h). On Arm, planes are decoded without vector instructions. The
/// rates were measured at 3 GHz on a Xeon of family 6, model 207: planes at
/// 10.6 GB/s with AVX2 and with AVX-512, and at 1 GB/s without vector
/// instructions; zstd at 1.34 GB/s, on bfloat16 numbers of a normal
/// distribution. Other cores are assumed to take as many cycles.
constexpr uint64_t kPlanesVector = 350;
constexpr uint64_t kPlanesPlain = 33;
constexpr uint64_t kZstd = 45;

/// The operations that tile registers execute in 100 cycles. An instruction
/// multiplies two full tiles in 16 cycles. It computes 16 x 16 sums, each of 32
/// products in bfloat16 or of 64 products of bytes.
constexpr uint64_t kBf16Tile = 100 * 16 * 16 * 32 * 2 / 16;
constexpr uint64_t kByteTile = 100 * 16 * 16 * 64 * 2 / 16;

/// The clock frequency of a core, and for each kind of arithmetic the number of
/// operations that it executes in 100 cycles.
struct PerCycles {
  uint64_t megahertz;
  uint64_t fma;
  uint64_t dot;
  uint64_t mixed;
  uint64_t bf16;
  uint64_t planes = kPlanesVector;
  uint64_t zstd = kZstd;
  uint64_t bf16Tile = 0;
  uint64_t byteTile = 0;
};

CpuRates ratesOf(const PerCycles &core) {
  const auto perSecond = [&](uint64_t operations) {
    return operations * core.megahertz * 10'000;
  };
  CpuRates rates;
  rates.fmaF32 = perSecond(core.fma);
  rates.byteDot = perSecond(core.dot);
  rates.byteDotMixed = perSecond(core.mixed);
  rates.bf16Dot = perSecond(core.bf16);
  rates.planesDecode = perSecond(core.planes);
  rates.zstdDecode = perSecond(core.zstd);
  rates.bf16Tile = perSecond(core.bf16Tile);
  rates.byteTile = perSecond(core.byteTile);
  return rates;
}

/// Returns a stream whose bandwidth is `percent` per cent of the bandwidth
/// `reference`. `distance` is in bytes.
StreamRate stream(StreamLoads loads, StreamHint hint, uint32_t distance,
                  uint64_t percent, uint64_t reference) {
  return {loads, hint, distance, reference / 100 * percent};
}

std::vector<std::string> avx2() { return {"avx2", "bmi2", "f16c", "fma"}; }

std::vector<std::string> avx512() {
  return {"avx2",     "avx512bw", "avx512cd", "avx512dq", "avx512f",
          "avx512vl", "bmi2",     "f16c",     "fma"};
}

std::vector<std::string> with(std::vector<std::string> features,
                              std::initializer_list<const char *> more) {
  features.insert(features.end(), more.begin(), more.end());
  std::sort(features.begin(), features.end());
  return features;
}

// A 256-bit FMA counts as 16 operations, and a 256-bit byte dot product as 64.
// Without VNNI, a loop computes eight byte dot products (512 operations) with
// 18 instructions: eight multiplications, eight additions in 16 bits, and two
// instructions that widen the sums to 32 bits and add them. The loop for
// byte_dot_mixed also has eight ANDs and four shifts, 30 instructions in all.

/// Ryzen 9 5950X at 3.4 GHz. A core executes four 256-bit vector instructions
/// per cycle, of which two may be FMAs or byte multiplications. So the 18
/// instructions of the loop for byte_dot take 18 / 4 cycles, and the 30 of the
/// loop for byte_dot_mixed take 30 / 4. The peak bandwidth is that of two
/// channels of DDR4-3200.
Microarchitecture zen3() {
  Microarchitecture row = {"zen3", "x86_64", avx2(),
                           ratesOf({3400, 3200, 11'378, 6'827, 0}),
                           51'200'000'000};
  row.rates.readBandwidth = kNominalCoreBandwidth;
  row.rates.l1dBytes = 32 * kKiB;
  row.rates.l2Bytes = 512 * kKiB;
  row.rates.l3Bytes = 32 * kMiB;
  return row;
}

/// EPYC of family 25, model 17. All rates except those of decoding were
/// measured on two cores of such a CPU. A core executes one 512-bit dot product
/// of bfloat16 or of bytes per cycle. In a loop with an AND for each byte dot
/// product and a shift for every two, a byte dot product takes 1.28 cycles. The
/// core's two FMA units are 256 bits wide, so together they execute one 512-bit
/// FMA per cycle. The peak bandwidth is that of a desktop CPU with these cores,
/// such as the Ryzen 7 7700: two channels of DDR5-5200.
Microarchitecture zen4() {
  constexpr uint64_t kAll = 83'200'000'000;
  Microarchitecture row = {
      "zen4", "x86_64",
      with(avx512(), {"avx512bf16", "avx512vbmi", "avx512vnni"}),
      ratesOf({3700, 3200, 12'800, 10'000, 6400}), kAll};
  row.rates.readBandwidth = 30'000'000'000;
  row.rates.tileNs = 500;
  // The percentages are the bandwidths that the two cores of the measured
  // machine reach together, relative to 68 GB/s, which they reach with loads in
  // bursts and without prefetches.
  row.rates.streams = {
      stream(StreamLoads::Single, StreamHint::None, 0, 92, kAll),
      stream(StreamLoads::Single, StreamHint::Nta, 1024, 89, kAll),
      stream(StreamLoads::Single, StreamHint::Nta, 9216, 98, kAll),
      stream(StreamLoads::Single, StreamHint::T0, 1024, 89, kAll),
      stream(StreamLoads::Single, StreamHint::T0, 9216, 88, kAll),
      stream(StreamLoads::Single, StreamHint::T1, 1024, 92, kAll),
      stream(StreamLoads::Single, StreamHint::T1, 9216, 87, kAll),
      stream(StreamLoads::Burst, StreamHint::None, 0, 100, kAll),
      stream(StreamLoads::Burst, StreamHint::Nta, 1024, 61, kAll),
      stream(StreamLoads::Burst, StreamHint::Nta, 9216, 73, kAll),
      stream(StreamLoads::Burst, StreamHint::T0, 1024, 60, kAll),
      stream(StreamLoads::Burst, StreamHint::T0, 9216, 74, kAll),
      stream(StreamLoads::Burst, StreamHint::T1, 1024, 90, kAll),
      stream(StreamLoads::Burst, StreamHint::T1, 9216, 59, kAll),
      stream(StreamLoads::TwoStreams, StreamHint::None, 0, 34, kAll),
      stream(StreamLoads::TwoStreams, StreamHint::T1, 9216, 41, kAll)};
  row.rates.l1dBytes = 32 * kKiB;
  row.rates.l2Bytes = kMiB;
  row.rates.l3Bytes = 32 * kMiB;
  return row;
}

/// EPYC of family 26. The clock, the reads of one core and the 512-bit byte dot
/// products (two per cycle) were measured on such a CPU. FMAs and bfloat16 dot
/// products are assumed to be as fast: two of 512 bits per cycle. A core
/// executes four vector instructions per cycle in all, so two dot products, two
/// ANDs and a shift take 5 / 4 cycles. The peak bandwidth is that of a desktop
/// CPU with these cores, such as the Ryzen 7 9700X: two channels of DDR5-5600.
Microarchitecture zen5() {
  constexpr uint64_t kAll = 89'600'000'000;
  Microarchitecture row = {
      "zen5", "x86_64",
      with(avx512(), {"avx512bf16", "avx512vbmi", "avx512vnni", "avxvnni"}),
      ratesOf({3940, 6400, 25'600, 20'480, 12'800}), kAll};
  row.rates.readBandwidth = 44'000'000'000;
  // These percentages of the bandwidth were not measured. They follow from a
  // Q4_K matmul that was 1.4 times as fast with this prefetch as without.
  row.rates.streams = {
      stream(StreamLoads::Burst, StreamHint::None, 0, 71, kAll),
      stream(StreamLoads::Burst, StreamHint::Nta, 9216, 100, kAll)};
  row.rates.l1dBytes = 48 * kKiB;
  row.rates.l2Bytes = kMiB;
  row.rates.l3Bytes = 32 * kMiB;
  return row;
}

/// Xeon Gold 6148 at its all-core turbo with AVX-512. 512-bit instructions use
/// two ports. For 1024 operations, the loop for byte_dot has 18 instructions,
/// which take 9 cycles, and the loop for byte_dot_mixed has 30, which take 15.
/// Twelve cache lines of 64 bytes in flight at a latency of 80 ns result in
/// some 10 GB/s for a core. The peak bandwidth is that of six channels of
/// DDR4-2666. l3Bytes counts the L3 slices of eight cores, because the machines
/// of built-in profiles have eight cores.
Microarchitecture skylakeX() {
  Microarchitecture row = {"skylake-x", "x86_64", avx512(),
                           ratesOf({2200, 6400, 11'378, 6'827, 0}),
                           128'000'000'000};
  row.rates.readBandwidth = 10'000'000'000;
  row.rates.l1dBytes = 32 * kKiB;
  row.rates.l2Bytes = kMiB;
  row.rates.l3Bytes = 11 * kMiB;
  return row;
}

/// Xeon Gold 6338 at 2.3 GHz. A core has two ports for 512-bit instructions.
/// Both can execute an FMA or a byte dot product in each cycle, so two dot
/// products, two ANDs and a shift take 5 / 2 cycles. A core is assumed to read
/// as much per second as one of skylakeX(). The peak bandwidth is that of eight
/// channels of DDR4-3200. l3Bytes counts the slices of eight cores, as in
/// skylakeX().
Microarchitecture icelake() {
  Microarchitecture row = {
      "icelake", "x86_64", with(avx512(), {"avx512vbmi", "avx512vnni"}),
      ratesOf({2300, 6400, 25'600, 10'240, 0}), 204'800'000'000};
  row.rates.readBandwidth = 10'000'000'000;
  row.rates.l1dBytes = 48 * kKiB;
  row.rates.l2Bytes = 1280 * kKiB;
  row.rates.l3Bytes = 12 * kMiB;
  return row;
}

/// Xeon Platinum 8480+ at its all-core turbo. Arithmetic, the reads of one
/// core, the streams and tile_ns were measured on a Xeon of family 6, model
/// 207, which has the same core. The streams with the hint T1T0 were measured
/// on a Xeon with tile registers, whose other streams are within 6 per cent of
/// these. The arithmetic is that of icelake(), plus a 512-bit bfloat16 dot
/// product every two cycles. The rates of tile registers
/// were not measured; their clock is assumed to be that of vectors. The peak
/// bandwidth is that of eight channels of DDR5-4800. l3Bytes counts the slices
/// of eight cores, as in skylakeX().
Microarchitecture sapphireRapids() {
  constexpr uint64_t kAll = 307'200'000'000;
  Microarchitecture row = {
      "sapphire-rapids", "x86_64",
      with(avx512(), {"amx-bf16", "amx-int8", "amx-tile", "avx512bf16",
                      "avx512vbmi", "avx512vnni", "avxvnni"}),
      ratesOf({3000, 6400, 25'600, 10'240, 3200, kPlanesVector, kZstd,
               kBf16Tile, kByteTile}),
      kAll};
  row.rates.readBandwidth = 14'000'000'000;
  row.rates.tileNs = 100;
  row.rates.streams = {
      stream(StreamLoads::Single, StreamHint::None, 0, 88, kAll),
      stream(StreamLoads::Single, StreamHint::Nta, 9216, 34, kAll),
      stream(StreamLoads::Single, StreamHint::T0, 9216, 95, kAll),
      stream(StreamLoads::Single, StreamHint::T1, 9216, 91, kAll),
      stream(StreamLoads::Burst, StreamHint::None, 0, 74, kAll),
      stream(StreamLoads::Burst, StreamHint::Nta, 9216, 34, kAll),
      stream(StreamLoads::Burst, StreamHint::T0, 4096, 84, kAll),
      stream(StreamLoads::Burst, StreamHint::T1, 9216, 85, kAll),
      stream(StreamLoads::Burst, StreamHint::T2, 4096, 90, kAll),
      stream(StreamLoads::Burst, StreamHint::T1T0, 4096, 100, kAll),
      stream(StreamLoads::Burst, StreamHint::T1T0, 9216, 97, kAll),
      stream(StreamLoads::TwoStreams, StreamHint::None, 0, 93, kAll),
      stream(StreamLoads::TwoStreams, StreamHint::Nta, 9216, 37, kAll),
      stream(StreamLoads::TwoStreams, StreamHint::T1, 9216, 95, kAll)};
  row.rates.l1dBytes = 48 * kKiB;
  row.rates.l2Bytes = 2 * kMiB;
  row.rates.l3Bytes = 15 * kMiB;
  return row;
}

/// The P-cores of a Core i9-12900K at their base frequency, 3.2 GHz. A core
/// executes two 256-bit FMAs or byte dot products per cycle, and three vector
/// instructions in all, so two dot products, two ANDs and a shift take 5 / 3
/// cycles. Sixteen cache lines of 64 bytes in flight at a latency of 80 ns
/// result in 12.8 GB/s for a core. The peak bandwidth is that of two channels
/// of DDR5-4800.
Microarchitecture alderlake() {
  Microarchitecture row = {"alderlake", "x86_64", with(avx2(), {"avxvnni"}),
                           ratesOf({3200, 3200, 12'800, 7680, 0}),
                           76'800'000'000};
  row.rates.readBandwidth = 12'800'000'000;
  row.rates.l1dBytes = 48 * kKiB;
  row.rates.l2Bytes = 1280 * kKiB;
  row.rates.l3Bytes = 30 * kMiB;
  return row;
}

/// Neoverse V1 at 2.6 GHz. A core executes four 128-bit vector instructions per
/// cycle, all of which may be FMAs or dot products of bytes or bfloat16. So two
/// byte dot products, two ANDs and a shift take 5 / 4 cycles. The peak
/// bandwidth is that of eight channels of DDR5-4800.
Microarchitecture graviton3() {
  Microarchitecture row = {
      "graviton3",
      "aarch64",
      {"bf16", "dotprod", "fullfp16", "i8mm", "neon", "sve"},
      ratesOf({2600, 3200, 12'800, 5120, 6400, kPlanesPlain}),
      307'200'000'000};
  row.rates.readBandwidth = kNominalCoreBandwidth;
  row.rates.l1dBytes = 64 * kKiB;
  row.rates.l2Bytes = kMiB;
  row.rates.l3Bytes = 32 * kMiB;
  return row;
}

bool has(std::span<const std::string> features, std::string_view name) {
  return std::ranges::count(features, name) != 0;
}

std::string_view nameOf(const CpuIdentity &cpu,
                        std::span<const std::string> features) {
  const uint32_t model = cpu.model;
  if (cpu.vendor == "AuthenticAMD" && cpu.family == 0x19) {
    const uint32_t series = model >> 4;
    return series == 0x1 || series == 0x6 || series == 0x7 || series == 0xa
               ? "zen4"
               : "zen3";
  }
  if (cpu.vendor == "AuthenticAMD" && cpu.family == 0x1a) {
    return "zen5";
  }
  if (cpu.vendor == "GenuineIntel" && cpu.family == 6) {
    switch (model) {
    case 0x55:
      // Cascade Lake and Cooper Lake have the same model number as Skylake, but
      // the VNNI units of Ice Lake.
      return std::ranges::count(features, "avx512vnni") != 0 ? "icelake"
                                                             : "skylake-x";
    case 0x6a:
    case 0x6c:
      return "icelake";
    case 0x8f:
    case 0xcf:
      return "sapphire-rapids";
    case 0x97:
    case 0x9a:
    case 0xb7:
    case 0xba:
    case 0xbf:
      return "alderlake";
    default:
      // The cores with tile registers of later models, such as Granite Rapids,
      // resemble that of Sapphire Rapids, and no other core has tile registers.
      // A hypervisor may also report the model of another CPU.
      return has(features, "amx-tile") ? "sapphire-rapids" : "";
    }
  }
  if (cpu.vendor == "arm" && model == 0xd40) {
    return "graviton3";
  }
  return "";
}

/// Returns the microarchitecture of a CPU; null if it is not known, or if the
/// CPU lacks features on which its rates depend. Tile registers need not be
/// there, although the row has their rates.
const Microarchitecture *rowOf(const CpuIdentity &cpu, std::string_view arch,
                               std::span<const std::string> features) {
  // Only bf16Tile and byteTile depend on tile registers, and no rate depends on
  // avx512vbmi, which only moves bytes within vectors.
  constexpr std::string_view kOptional[] = {"amx-bf16", "amx-int8", "amx-tile",
                                            "avx512vbmi"};
  const std::string_view name = nameOf(cpu, features);
  for (const Microarchitecture &row : microarchitectures()) {
    if (row.name != name || row.arch != arch) {
      continue;
    }
    const bool hasAll =
        std::ranges::all_of(row.features, [&](const std::string &feature) {
          return std::ranges::count(kOptional, feature) != 0 ||
                 has(features, feature);
        });
    return hasAll ? &row : nullptr;
  }
  return nullptr;
}

/// The rates of a core that executes one vector instruction per cycle at 2 GHz
/// (on x86-64, a bfloat16 dot product takes two cycles, and a multiplication of
/// tiles 16). Without VNNI, 18 instructions do the work of 8 VNNI instructions.
/// The rate of byte_dot_mixed stays unknown, so that the cost model never
/// chooses a less exact activation format for a CPU of which it knows nothing.
/// Decoding the weights of a codec is assumed to take twice as many cycles as
/// on a known CPU.
CpuRates conservativeRates(std::string_view arch,
                           std::span<const std::string> features) {
  PerCycles core = {2000, 0, 0, 0, 0};
  core.planes = (has(features, "avx2") ? kPlanesVector : kPlanesPlain) / 2;
  core.zstd = kZstd / 2;
  if (arch == "x86_64") {
    core.fma = has(features, "fma") ? 1600 : 0;
    if (has(features, "avx512vnni") || has(features, "avxvnni")) {
      core.dot = 6400;
    } else if (has(features, "avx2")) {
      core.dot = 2844;
    }
    core.bf16 = has(features, "avx512bf16") ? 1600 : 0;
    core.bf16Tile = kBf16Tile;
    core.byteTile = kByteTile;
  } else {
    core.fma = has(features, "neon") ? 800 : 0;
    core.dot = has(features, "dotprod") ? 3200 : 0;
    core.bf16 = has(features, "bf16") ? 1600 : 0;
  }
  CpuRates rates = ratesOf(core);
  rates.readBandwidth = kNominalCoreBandwidth;
  return rates;
}

} // namespace

const std::vector<Microarchitecture> &microarchitectures() {
  static const std::vector<Microarchitecture> kRows = {
      alderlake(), graviton3(), icelake(), sapphireRapids(),
      skylakeX(),  zen3(),      zen4(),    zen5()};
  return kRows;
}

CpuRates nominalRates(const CpuIdentity &cpu, std::string_view arch,
                      std::span<const std::string> features) {
  const Microarchitecture *row = rowOf(cpu, arch, features);
  CpuRates rates =
      row != nullptr ? row->rates : conservativeRates(arch, features);
  if (!has(features, "amx-bf16")) {
    rates.bf16Tile = 0;
  }
  if (!has(features, "amx-int8")) {
    rates.byteTile = 0;
  }
  // Streams that are prefetched twice were measured only on a machine with
  // tile registers.
  if (!has(features, "amx-tile")) {
    std::erase_if(rates.streams, [](const StreamRate &stream) {
      return stream.hint == StreamHint::T1T0;
    });
  }
  return rates;
}

uint64_t nominalMemoryBandwidth(const CpuIdentity &cpu, std::string_view arch,
                                std::span<const std::string> features) {
  const Microarchitecture *row = rowOf(cpu, arch, features);
  return row != nullptr ? row->memoryBandwidth : kNominalHostBandwidth;
}

} // namespace air
