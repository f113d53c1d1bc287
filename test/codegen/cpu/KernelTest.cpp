//===- KernelTest.cpp - every kernel of the registry against the reference ===//
//
// Compiles the kernels of every op, dtype, layout and M class in the registry
// for the host. The kernels of ops without a dtype and of common dtypes are
// also compiled for the other targets, but only a sixth of them for each
// target. Less common dtypes have fewer kernels. All kernels of such a dtype
// are compiled for a sixth of the other targets that support them, but for at
// least one target. The dtype, the layout and the precision determine which
// targets these are. If the environment variable AIR_TEST_ALL is set,
// everything is compiled for every target.
//
// In a build with a sanitizer, which is many times as slow, only a sixth of the
// kernels of each op, dtype and layout is compiled for the host, and ops
// without a dtype and common dtypes are tested on only one of the other
// targets.
//
// A kernel is also run if this machine can run code for its target, by itself
// or with an emulator. An emulator may cover a whole architecture or only some
// instructions. An op without cases fails the test.
//
//===----------------------------------------------------------------------===//
#include "AmxEmulator.h"
#include "KernelHarness.h"

#include "codegen/cpu/KernelRegistry.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "formats/machine/TileRegisters.h"
#include "runtime/hal/ElfLoader.h"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <set>

namespace air::codegen::test {
namespace {

/// The paths of an emulator for aarch64 and of the program that runs a kernel
/// in it, or null if the build found no emulator.
#ifdef AIR_FOREIGN_RUNNER
constexpr const char *kEmulator = AIR_FOREIGN_EMULATOR;
constexpr const char *kRunner = AIR_FOREIGN_RUNNER;
#else
constexpr const char *kEmulator = nullptr;
constexpr const char *kRunner = nullptr;
#endif

bool testsEverything() { return std::getenv("AIR_TEST_ALL") != nullptr; }

constexpr bool kIsSanitized =
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    true ||
#endif
#endif
    false;

/// Whether this machine has every feature of the target. If these include tile
/// registers, also requests the permission to use them.
bool runsHere(const MachineProfile &target) {
  return prepareToRun(target, hostProfile()).isOk();
}
/// Whether this machine has every feature of the target except tile
/// instructions, and can emulate those.
bool runsWithEmulatedTiles(MachineProfile target) {
  std::erase_if(target.features, [](const std::string &feature) {
    return feature.starts_with("amx-");
  });
  return canEmulateAmx() && runsHere(target);
}
bool runsEmulated(const MachineProfile &target) {
  return kEmulator != nullptr && target.arch == "aarch64" &&
         hostProfile().arch != "aarch64";
}

/// The host, and every built-in profile that differs from the host and from all
/// profiles earlier in the list. Profiles differ if their vectors or byte
/// permutations differ or, for kernels that are not in float32, their
/// instructions for products of int8 or bfloat16.
std::vector<MachineProfile> targets(Precision precision) {
  std::vector<MachineProfile> profiles = {hostProfile()};
  std::set<std::string> seen;
  const auto isNew = [&](const MachineProfile &profile) {
    const Result<CpuTarget> target = makeCpuTarget(profile);
    EXPECT_TRUE(target.isOk()) << target.status().message();
    if (!target.isOk()) {
      return false;
    }
    const IsaTraits &isa = target->isa;
    std::string kind = target->triple + std::to_string(isa.vectorBytes) +
                       (isa.hasVbmi ? ",vbmi" : "");
    if (precision != Precision::Float) {
      kind += "," + std::to_string(static_cast<int>(isa.byteDot));
    }
    if (precision == Precision::Int8 && isa.hasI8mm) {
      kind += ",i8mm";
    }
    if (precision == Precision::Int8 && isa.hasBf16Dot) {
      kind += ",bf16";
    }
    if ((precision == Precision::Int8 || precision == Precision::Bf16) &&
        isa.hasAmxBf16) {
      kind += ",amx";
    }
    return seen.insert(kind).second;
  };
  EXPECT_TRUE(isNew(profiles.front()));
  for (const std::string &name : builtinProfiles()) {
    Result<MachineProfile> profile = resolveProfile(name);
    EXPECT_TRUE(profile.isOk()) << profile.status().message();
    // The profile x86-64-v4-vnni stands for no particular CPU, so it has no
    // rates. It gets rates here for which hasSpareUnits() (MatMulCost.h) is
    // true, so that the test includes large-M kernels that have GEMV code for
    // small numbers of tokens.
    if (profile.isOk() && name == "x86-64-v4-vnni") {
      profile->cpu.byteDot = profile->cpu.byteDotMixed = 1;
    }
    if (profile.isOk() && isNew(*profile)) {
      profiles.push_back(*profile);
    }
  }
  return profiles;
}

/// Unless everything is tested, each target other than the host tests only one
/// in this many kernels of a large slice (Slice::isLarge()), and only one in
/// this many of these targets tests a small slice.
constexpr size_t kSampled = 6;

/// One test: all M classes of a registry row for one dtype, layout and
/// precision.
struct Slice {
  const KernelRow *row;
  DType dtype;
  Layout layout;
  Precision precision;
  std::string name;

  /// True for matmuls of many tokens that multiply in bfloat16. Targets need
  /// instructions for it, and tile registers if the weights are not BF16.
  bool isInBf16() const {
    return precision == Precision::Bf16 ||
           (dtype == DType::BF16 && precision == Precision::Int8);
  }
  /// Whether the slice has so many kernels that only one in kSampled of them is
  /// tested on each target other than the host.
  bool isLarge() const {
    return row->dtypes.empty() || isCommon(dtype, precision);
  }
  /// Whether this slice is tested on the target `index` of the `count` targets
  /// that support it. If the host supports the slice, the host is target 0.
  bool isTestedOn(size_t index, size_t count) const {
    if (index == 0 || isLarge() || testsEverything()) {
      return true;
    }
    return (index - 1) % kSampled == turn() % std::min(kSampled, count - 1);
  }
  /// A number that differs between similar slices, so that their samples do.
  size_t turn() const {
    return static_cast<size_t>(dtype) + static_cast<size_t>(layout) +
           static_cast<size_t>(precision);
  }
  bool isFor(const IsaTraits &isa) const {
    if (isInBf16()) {
      return dtype == DType::BF16 ? isa.hasBf16Dot : isa.hasAmxBf16;
    }
    return precision == Precision::Float || isa.hasByteDot();
  }
};

std::vector<Slice> slices() {
  std::vector<Slice> all;
  const DType noDtype[] = {KernelSpec().dtype};
  const Layout noLayout[] = {KernelSpec().layout};
  for (const KernelRow &row : kernelRegistry()) {
    const auto dtypes = row.dtypes.empty() ? std::span(noDtype) : row.dtypes;
    const auto layouts =
        row.layouts.empty() ? std::span(noLayout) : row.layouts;
    for (const DType dtype : dtypes) {
      for (const Layout layout : layouts) {
        std::string name(row.name);
        if (!row.dtypes.empty()) {
          name += "_" + std::string(info(dtype).name) +
                  (layout == Layout::Rows ? "_rows" : "_x16");
        }
        all.push_back({&row, dtype, layout, Precision::Float, name});
        if (layout == Layout::X16 &&
            std::ranges::find(row.int8DTypes, dtype) != row.int8DTypes.end()) {
          all.push_back(
              {&row, dtype, layout, Precision::Int15, name + "_i8x2"});
          all.push_back({&row, dtype, layout, Precision::Int8, name + "_i8"});
          all.push_back(
              {&row, dtype, layout, Precision::Bf16, name + "_bf16x32"});
        }
        if (!row.int8DTypes.empty() && dtype == DType::BF16) {
          all.push_back(
              {&row, dtype, layout, Precision::Int8, name + "_bf16x32"});
        }
      }
    }
  }
  return all;
}

std::vector<KernelCase> casesOf(const Slice &slice, Random &random) {
  std::vector<KernelCase> cases;
  std::vector<MClass> classes = {MClass::One};
  if (slice.row->hasMClasses) {
    classes = {MClass::One, MClass::Small, MClass::Large};
  }
  if (slice.isInBf16()) {
    classes = {MClass::Large};
  }
  for (const MClass mClass : classes) {
    std::vector<KernelCase> more =
        makeCases(slice.row->op, slice.dtype, slice.layout, mClass,
                  slice.precision, random);
    std::move(more.begin(), more.end(), std::back_inserter(cases));
  }
  return cases;
}

/// Returns the cases of every kSampled-th kernel, or all cases if they have
/// fewer than kSampled kernels. `turn` determines which kernels these are:
/// together, kSampled consecutive values of it give all cases. Cases with the
/// same specification share a kernel.
std::vector<KernelCase> sampled(const std::vector<KernelCase> &cases,
                                size_t turn) {
  std::vector<KernelCase> sample;
  std::map<std::string, size_t> kernels;
  for (const KernelCase &test : cases) {
    const size_t kernel =
        kernels.try_emplace(kernelName(test.spec), kernels.size())
            .first->second;
    if ((kernel + turn) % kSampled == 0) {
      sample.push_back(test);
    }
  }
  return kernels.size() < kSampled ? cases : sample;
}

/// Checks that the kernels that should use AMX tiles used them, and that no
/// other kernel did.
void expectTiles(const CpuTarget &target,
                 const std::vector<KernelCase> &cases) {
  bool isOfPairs = false;
  bool isInt8 = false;
  for (const KernelCase &test : cases) {
    const bool isMatMul =
        test.spec.op == KernelOp::MatMul || test.spec.op == KernelOp::GluMatMul;
    isOfPairs |= isMatMul && test.spec.activation == Activation::BF16x32;
    isInt8 |= isMatMul && isInt8Tiled(test.spec.activation) &&
              test.spec.mClass == MClass::Large &&
              std::ranges::count(scalePer16DTypes(), test.spec.dtype) == 0;
  }
  const AmxCounts &counts = AmxEmulator::counts();
  EXPECT_EQ(counts.bf16Products != 0, isOfPairs && target.isa.hasAmxBf16);
  EXPECT_EQ(counts.byteProducts != 0, isInt8 && target.isa.hasAmxInt8);
  EXPECT_EQ(counts.configurations, counts.releases);
  EXPECT_EQ(counts.configurations != 0, isOfPairs || isInt8);
}

/// Compiles the kernels of the cases for a target and runs those that can run
/// here. Returns the number of cases that ran.
int runOn(const MachineProfile &target, const std::vector<KernelCase> &cases,
          Random &random) {
  std::vector<KernelSpec> specs;
  for (const KernelCase &test : cases) {
    specs.push_back(test.spec);
  }
  Result<KernelArtifact> artifact = compileKernels(specs, target, 2);
  EXPECT_TRUE(artifact.isOk()) << artifact.status().message();
  const bool isHere = runsHere(target) || runsWithEmulatedTiles(target);
  if (!artifact.isOk() || !(isHere || runsEmulated(target))) {
    return 0;
  }
  const Result<rt::ElfImage> image =
      rt::ElfImage::loadFor(target.arch == "aarch64" ? rt::ElfMachine::Aarch64
                                                     : rt::ElfMachine::X86_64,
                            artifact->object, "kernels");
  EXPECT_TRUE(image.isOk()) << image.status().message();
  if (!image.isOk()) {
    return 0;
  }
  std::optional<AmxEmulator> tiles;
  if (isHere && !runsHere(target)) {
    tiles.emplace();
  }
  int ran = 0;
  for (const KernelCase &test : cases) {
    const std::string name = kernelName(test.spec);
    const auto entry =
        std::ranges::find(artifact->entries, name, &KernelEntry::name);
    const auto function = std::ranges::find(
        image->functions(), name, &std::pair<std::string, uint64_t>::first);
    if (entry == artifact->entries.end() ||
        function == image->functions().end()) {
      ADD_FAILURE() << name << " is not in the object made for it";
      continue;
    }
    EXPECT_EQ(checkBindings(test), "") << test.label;
    if (isHere) {
      EXPECT_EQ(runCase(test, *entry, *image->entry(name), random), "")
          << test.label;
      EXPECT_FALSE(tiles && AmxEmulator::isConfigured()) << test.label;
    } else {
      EXPECT_EQ(runForeignCase(test, *entry, image->bytes(), function->second,
                               kEmulator, kRunner),
                "")
          << test.label;
    }
    ++ran;
  }
  if (tiles) {
    expectTiles(*makeCpuTarget(target), cases);
  }
  return ran;
}

class Kernel : public testing::TestWithParam<Slice> {};

TEST_P(Kernel, MatchesTheReferenceOnEveryTarget) {
  Random random(20260721);
  const std::vector<KernelCase> cases = casesOf(GetParam(), random);
  ASSERT_FALSE(cases.empty()) << "the registry lists an op without cases";
  const MachineProfile host = hostProfile();
  std::vector<MachineProfile> supported;
  for (const MachineProfile &target : targets(GetParam().precision)) {
    if (GetParam().isFor(makeCpuTarget(target)->isa)) {
      supported.push_back(target);
      continue;
    }
    SCOPED_TRACE(target.name);
    EXPECT_EQ(
        compileKernels({&cases.front().spec, 1}, target, 1).status().code(),
        ErrorCode::Unsupported);
  }
  // At least one built-in profile supports these kernels, even if the host does
  // not.
  EXPECT_FALSE(supported.empty());
  for (size_t index = 0; index < supported.size(); ++index) {
    const MachineProfile &target = supported[index];
    SCOPED_TRACE(target.name);
    const bool isHost = target.name == host.name;
    const bool isFew = kIsSanitized && !testsEverything();
    if (!GetParam().isTestedOn(index, supported.size()) ||
        (isFew && GetParam().isLarge() && index > 0 &&
         index != 1 + GetParam().turn() % (supported.size() - 1))) {
      continue;
    }
    const bool isSampled =
        isFew || (index > 0 && GetParam().isLarge() && !testsEverything());
    const std::vector<KernelCase> chosen =
        isSampled ? sampled(cases, index + GetParam().turn()) : cases;
    const int ran = runOn(target, chosen, random);
    if (isHost) {
      EXPECT_EQ(ran, static_cast<int>(chosen.size()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, Kernel, testing::ValuesIn(slices()),
                         [](const testing::TestParamInfo<Slice> &test) {
                           return test.param.name;
                         });

} // namespace
} // namespace air::codegen::test
