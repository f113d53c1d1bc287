//===- MicroarchitectureTest.cpp - CPUs by name, with nominal rates -------===//
#include "formats/machine/Microarchitecture.h"

#include "formats/machine/MachineProfile.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;

namespace {

const Microarchitecture &row(const std::string &name) {
  for (const Microarchitecture &known : microarchitectures()) {
    if (known.name == name) {
      return known;
    }
  }
  ADD_FAILURE() << name;
  return microarchitectures().front();
}

/// The nominal rates of a CPU that has all features of the microarchitecture
/// `name`.
CpuRates ratesOf(const CpuIdentity &cpu, const std::string &name) {
  return nominalRates(cpu, row(name).arch, row(name).features);
}

} // namespace

TEST(Microarchitecture, ProfilesAreSoundAndSorted) {
  std::vector<std::string> names;
  for (const Microarchitecture &known : microarchitectures()) {
    names.push_back(known.name);
    const MachineProfile profile = *resolveProfile(known.name);
    EXPECT_EQ(profile.cpu, known.rates);
    EXPECT_GE(profile.memoryBandwidth, profile.cpu.readBandwidth);
    EXPECT_LE(profile.memoryBandwidth, known.memoryBandwidth);
    // The loop of byte_dot_mixed has the dot products of byte_dot, and other
    // operations in addition.
    EXPECT_LT(profile.cpu.byteDotMixed, profile.cpu.byteDot);
    EXPECT_GT(profile.cpu.fmaF32, 0u);
    EXPECT_GT(profile.cpu.planesDecode, 0u);
    EXPECT_GT(profile.cpu.zstdDecode, 0u);
    EXPECT_EQ(profile.cpu.bf16Dot != 0,
              std::ranges::any_of(known.features, [](const auto &feature) {
                return feature == "bf16" || feature == "avx512bf16";
              }));
    EXPECT_EQ(profile.cpu.bf16Tile != 0,
              std::ranges::count(known.features, "amx-bf16") != 0);
    EXPECT_EQ(profile.cpu.byteTile != 0,
              std::ranges::count(known.features, "amx-int8") != 0);
    // Parsing the profile also checks that its features and streams are valid.
    Result<MachineProfile> back = parseProfile(toJson(profile), "x.json");
    ASSERT_TRUE(back) << back.status().message();
    EXPECT_EQ(*back, profile);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("alderlake", "graviton3", "icelake",
                                            "sapphire-rapids", "skylake-x",
                                            "zen3", "zen4", "zen5"));
}

// According to the sources that Microarchitecture.cpp names, each core executes
// `width` vector instructions of `bits` bits per cycle. A dot product of
// vectors of `bits` bits multiplies and adds bits / 8 bytes, so it counts as
// bits / 4 operations. The loop of byte_dot_mixed also has an AND for each dot
// product and a shift for every two dot products, so that it has 2.5
// instructions for each dot product. On a CPU without an instruction for dot
// products, the loop has 30 instructions for every eight dot products.
TEST(Microarchitecture, NoCoreExceedsItsWidth) {
  const struct {
    const char *name;
    double gigahertz;
    double bits;
    double width;
    bool hasDotProducts;
  } cores[] = {
      {"alderlake", 3.2, 256, 3, true},  {"graviton3", 2.6, 128, 4, true},
      {"icelake", 2.3, 512, 2, true},    {"sapphire-rapids", 3, 512, 2, true},
      {"skylake-x", 2.2, 512, 2, false}, {"zen3", 3.4, 256, 4, false},
      {"zen4", 3.7, 512, 2, true},       {"zen5", 3.94, 512, 4, true}};
  EXPECT_EQ(std::size(cores), microarchitectures().size());
  for (const auto &core : cores) {
    const double dotsPerCycle =
        static_cast<double>(row(core.name).rates.byteDotMixed) /
        (core.gigahertz * 1e9) / (core.bits / 4);
    const double instructions = core.hasDotProducts ? 2.5 : 30.0 / 8;
    const double perCycle = dotsPerCycle * instructions;
    EXPECT_LE(perCycle, core.width * 1.001) << core.name;
    EXPECT_GE(perCycle, core.width * 0.95) << core.name;
  }
}

// A core with tile registers executes 1024 operations of bfloat16, or 2048 of
// bytes, per cycle (Intel's optimization reference manual). A product and an
// addition are two operations.
TEST(Microarchitecture, TilesMultiplyAsManyAsIntelSays) {
  const CpuRates &rates = row("sapphire-rapids").rates;
  EXPECT_EQ(rates.bf16Tile, 3'000'000'000 * uint64_t{1024});
  EXPECT_EQ(rates.byteTile, 3'000'000'000 * uint64_t{2048});
}

// The families and models of CPUs are from LLVM's getHostCPUName() and Linux's
// intel-family.h.
TEST(Microarchitecture, KnowsTheNumbersOfProducts) {
  const struct {
    CpuIdentity cpu;
    const char *name;
  } products[] = {
      {{"AuthenticAMD", 25, 1}, "zen3"},      // EPYC 7003
      {{"AuthenticAMD", 25, 33}, "zen3"},     // Ryzen 5000
      {{"AuthenticAMD", 25, 80}, "zen3"},     // Ryzen 5000 G
      {{"AuthenticAMD", 25, 17}, "zen4"},     // EPYC 9004
      {{"AuthenticAMD", 25, 97}, "zen4"},     // Ryzen 7000
      {{"AuthenticAMD", 25, 116}, "zen4"},    // Ryzen 7040
      {{"AuthenticAMD", 25, 160}, "zen4"},    // EPYC 97x4
      {{"AuthenticAMD", 26, 2}, "zen5"},      // EPYC 9005
      {{"AuthenticAMD", 26, 68}, "zen5"},     // Ryzen 9000
      {{"GenuineIntel", 6, 85}, "skylake-x"}, // Xeon of 2017
      {{"GenuineIntel", 6, 106}, "icelake"},  // Xeon of 2021
      {{"GenuineIntel", 6, 143}, "sapphire-rapids"},
      {{"GenuineIntel", 6, 207}, "sapphire-rapids"}, // Emerald Rapids
      {{"GenuineIntel", 6, 151}, "alderlake"},
      {{"GenuineIntel", 6, 183}, "alderlake"}, // Raptor Lake
      {{"arm", 0, 0xd40}, "graviton3"},        // Neoverse V1
  };
  for (const auto &product : products) {
    EXPECT_EQ(ratesOf(product.cpu, product.name), row(product.name).rates)
        << product.name << " " << product.cpu.model;
    EXPECT_EQ(nominalMemoryBandwidth(product.cpu, row(product.name).arch,
                                     row(product.name).features),
              row(product.name).memoryBandwidth);
  }
}

// Model 173 is Granite Rapids. Model 167 has no tile registers, but hypervisors
// report it for CPUs that have them.
TEST(Microarchitecture, TileRegistersTellTheCore) {
  std::vector<std::string> features = row("sapphire-rapids").features;
  for (const uint32_t model : {173U, 167U}) {
    EXPECT_EQ(nominalRates({"GenuineIntel", 6, model}, "x86_64", features),
              row("sapphire-rapids").rates);
  }
  std::erase_if(features, [](const std::string &feature) {
    return feature.starts_with("amx-");
  });
  EXPECT_EQ(nominalRates({"GenuineIntel", 6, 167}, "x86_64", features),
            nominalRates({}, "x86_64", features));
}

TEST(Microarchitecture, CascadeLakeHasTheUnitsOfIceLake) {
  std::vector<std::string> features = row("icelake").features;
  EXPECT_EQ(nominalRates({"GenuineIntel", 6, 85}, "x86_64", features),
            row("icelake").rates);
}

TEST(Microarchitecture, TilesNeedNotBeThere) {
  const CpuIdentity cpu = {"GenuineIntel", 6, 207};
  std::vector<std::string> features = row("sapphire-rapids").features;
  CpuRates rates = row("sapphire-rapids").rates;
  EXPECT_EQ(nominalRates(cpu, "x86_64", features), rates);
  // If a CPU lacks the feature for one kind of tiles, only the rate of these
  // tiles is 0. All other rates stay the same.
  std::erase(features, "amx-int8");
  rates.byteTile = 0;
  EXPECT_EQ(nominalRates(cpu, "x86_64", features), rates);
  std::erase_if(features, [](const std::string &feature) {
    return feature.starts_with("amx-");
  });
  rates.bf16Tile = 0;
  // Prefetching twice was measured only with tile registers.
  const size_t all = rates.streams.size();
  std::erase_if(rates.streams, [](const StreamRate &stream) {
    return stream.hint == StreamHint::T1T0;
  });
  EXPECT_LT(rates.streams.size(), all);
  EXPECT_EQ(nominalRates(cpu, "x86_64", features), rates);
}

TEST(Microarchitecture, UnknownOnesAreSlowerThanAnyKnown) {
  for (const Microarchitecture &known : microarchitectures()) {
    const CpuRates rates = nominalRates({}, known.arch, known.features);
    EXPECT_LT(rates.fmaF32, known.rates.fmaF32) << known.name;
    EXPECT_GT(rates.fmaF32, 0u);
    EXPECT_LT(rates.byteDot, known.rates.byteDot);
    EXPECT_LT(rates.byteDotMixed, known.rates.byteDotMixed);
    EXPECT_LT(rates.planesDecode, known.rates.planesDecode);
    EXPECT_GT(rates.planesDecode, 0u);
    EXPECT_LT(rates.zstdDecode, known.rates.zstdDecode);
    EXPECT_GT(rates.zstdDecode, 0u);
    EXPECT_EQ(rates.bf16Tile != 0, known.rates.bf16Tile != 0);
    EXPECT_LE(rates.bf16Tile, known.rates.bf16Tile);
    EXPECT_EQ(rates.byteTile != 0, known.rates.byteTile != 0);
    EXPECT_LE(rates.byteTile, known.rates.byteTile);
    EXPECT_LE(rates.readBandwidth, known.rates.readBandwidth);
    EXPECT_TRUE(rates.streams.empty());
    EXPECT_EQ(nominalMemoryBandwidth({}, known.arch, known.features),
              kNominalHostBandwidth);
  }
  // A hypervisor may hide AVX-512, and VNNI with it.
  const std::vector<std::string> plain = {"avx2", "bmi2", "f16c", "fma"};
  const CpuRates hidden =
      nominalRates({"AuthenticAMD", 25, 17}, "x86_64", plain);
  EXPECT_EQ(hidden, nominalRates({}, "x86_64", plain));
  EXPECT_EQ(hidden.bf16Dot, 0u);
  EXPECT_EQ(
      nominalRates({}, "aarch64", std::vector<std::string>{"neon"}).byteDot,
      0u);
}
