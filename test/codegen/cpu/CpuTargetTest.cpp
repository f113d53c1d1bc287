//===- CpuTargetTest.cpp ----------------------------------------*- C++ -*-===//
#include "codegen/cpu/CpuTarget.h"
#include "formats/machine/FeatureRules.h"

#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Triple.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>

using namespace air;
using namespace air::codegen;

namespace {

MachineProfile profile(std::string arch, std::vector<std::string> features) {
  MachineProfile p;
  p.name = "test";
  p.arch = std::move(arch);
  p.features = std::move(features);
  return p;
}

TEST(CpuTarget, Avx2Machine) {
  auto target = makeCpuTarget(
      profile("x86_64", {"avx", "avx2", "bmi2", "f16c", "fma", "sse4.1"}));
  ASSERT_TRUE(target.isOk()) << target.status().message();
  EXPECT_EQ(target->triple, "x86_64-unknown-linux-gnu");
  EXPECT_EQ(target->features, "+avx2,+bmi2,+f16c,+fma,+sse4.1");
  EXPECT_TRUE(target->isa.hasAvx2);
  EXPECT_FALSE(target->isa.hasAvx512);
  EXPECT_EQ(target->isa.vectorBytes, 32U);
}

TEST(CpuTarget, HalfAnAvx512IsNone) {
  auto target = makeCpuTarget(
      profile("x86_64", {"avx2", "avx512f", "avx512vl", "f16c", "fma"}));
  ASSERT_TRUE(target.isOk());
  EXPECT_FALSE(target->isa.hasAvx512);
  EXPECT_EQ(target->features, "+avx2,+f16c,+fma");
}

TEST(CpuTarget, WholeAvx512) {
  auto target = makeCpuTarget(
      profile("x86_64", {"avx2", "avx512bw", "avx512cd", "avx512dq", "avx512f",
                         "avx512vl", "f16c", "fma"}));
  ASSERT_TRUE(target.isOk());
  EXPECT_TRUE(target->isa.hasAvx512);
  EXPECT_EQ(target->isa.vectorBytes, 64U);
  EXPECT_EQ(target->isa.vectorRegisters, 32U);
}

TEST(CpuTarget, PermutationsOfBytesBesideWholeAvx512) {
  std::vector<std::string> features = {"avx2",       "avx512bw", "avx512cd",
                                       "avx512dq",   "avx512f",  "avx512vl",
                                       "avx512vbmi", "f16c",     "fma"};
  auto target = makeCpuTarget(profile("x86_64", features));
  ASSERT_TRUE(target.isOk());
  EXPECT_TRUE(target->isa.hasVbmi);
  EXPECT_NE(target->features.find("+avx512vbmi,"), std::string::npos);
  std::erase(features, "avx512bw");
  target = makeCpuTarget(profile("x86_64", features));
  ASSERT_TRUE(target.isOk());
  EXPECT_FALSE(target->isa.hasVbmi);
  EXPECT_EQ(target->features, "+avx2,+f16c,+fma");
}

TEST(CpuTarget, ByteDotProductsBesideWholeAvx512) {
  std::vector<std::string> features = {"avx2",       "avx512bw", "avx512cd",
                                       "avx512dq",   "avx512f",  "avx512vl",
                                       "avx512vnni", "f16c",     "fma"};
  auto target = makeCpuTarget(profile("x86_64", features));
  ASSERT_TRUE(target.isOk());
  EXPECT_EQ(target->isa.byteDot, ByteDot::Vnni512);
  EXPECT_NE(target->features.find("+avx512vl,+avx512vnni"), std::string::npos);
  EXPECT_FALSE(target->isa.hasBf16Dot);
  features.push_back("avx512bf16");
  target = makeCpuTarget(profile("x86_64", features));
  ASSERT_TRUE(target.isOk());
  EXPECT_TRUE(target->isa.hasBf16Dot);
  EXPECT_NE(target->features.find("+avx512bf16"), std::string::npos);
  EXPECT_FALSE(target->isa.hasAmxBf16);
  // The features amx-bf16 and amx-int8 are used only together with amx-tile,
  // and with the vector instructions for the work that tiles do not cover.
  for (const char *more : {"amx-bf16", "amx-int8"}) {
    features.push_back(more);
    target = makeCpuTarget(profile("x86_64", features));
    ASSERT_TRUE(target.isOk());
    EXPECT_FALSE(target->isa.hasAmxBf16 || target->isa.hasAmxInt8);
    EXPECT_EQ(target->features.find("amx"), std::string::npos);
  }
  features.push_back("amx-tile");
  target = makeCpuTarget(profile("x86_64", features));
  ASSERT_TRUE(target.isOk());
  EXPECT_TRUE(target->isa.hasAmxBf16 && target->isa.hasAmxInt8);
  EXPECT_EQ(target->isa.byteDot, ByteDot::Vnni512);
  EXPECT_EQ(target->features.find("+amx-bf16,+amx-int8,+amx-tile,+avx2,"), 0U);
  std::erase(features, "avx512dq");
  target = makeCpuTarget(profile("x86_64", features));
  ASSERT_TRUE(target.isOk());
  EXPECT_EQ(target->isa.byteDot, ByteDot::MulAdd256);
  EXPECT_FALSE(target->isa.hasBf16Dot);
  EXPECT_EQ(target->features, "+avx2,+f16c,+fma");
}

TEST(CpuTarget, ByteDotProductsOfEachInstructionSet) {
  struct Case {
    const char *arch;
    std::vector<std::string> features;
    ByteDot byteDot;
    const char *llvmFeature;
  };
  const std::vector<std::string> avx512 = {"avx2",     "avx512bw", "avx512cd",
                                           "avx512dq", "avx512f",  "avx512vl",
                                           "f16c",     "fma"};
  std::vector<std::string> avx512AndVnni256 = avx512;
  avx512AndVnni256.push_back("avxvnni");
  for (const Case &test :
       {Case{"x86_64", {"avx2", "f16c", "fma"}, ByteDot::MulAdd256, "+avx2"},
        Case{"x86_64",
             {"avx2", "avxvnni", "f16c", "fma"},
             ByteDot::Vnni256,
             "+avxvnni"},
        // AVX-512 without VNNI is preferred to 256-bit VNNI, because its
        // vectors are twice as wide.
        Case{"x86_64", avx512AndVnni256, ByteDot::MulAdd512, "+avx512bw"},
        Case{"x86_64", avx512, ByteDot::MulAdd512, "+avx512bw"},
        Case{"aarch64", {"dotprod", "neon"}, ByteDot::Sdot, "+dotprod"},
        Case{"aarch64", {"dotprod", "i8mm", "neon"}, ByteDot::Sdot, "+i8mm"},
        // i8mm is not used unless dotprod is available too.
        Case{"aarch64", {"i8mm", "neon"}, ByteDot::None, "+neon"},
        Case{"aarch64", {"neon"}, ByteDot::None, "+neon"}}) {
    auto target = makeCpuTarget(profile(test.arch, test.features));
    ASSERT_TRUE(target.isOk()) << target.status().message();
    EXPECT_EQ(target->isa.byteDot, test.byteDot) << target->features;
    EXPECT_EQ(target->isa.hasI8mm,
              std::string_view(test.llvmFeature) == "+i8mm");
    EXPECT_EQ(target->isa.hasByteDot(), test.byteDot != ByteDot::None);
    EXPECT_NE(target->features.find(test.llvmFeature), std::string::npos)
        << target->features;
  }
}

TEST(CpuTarget, EachMissingFeatureIsNamed) {
  for (std::string missing : {"avx2", "f16c", "fma"}) {
    std::vector<std::string> features = {"avx2", "f16c", "fma"};
    std::erase(features, missing);
    auto target = makeCpuTarget(profile("x86_64", features));
    ASSERT_FALSE(target.isOk()) << missing;
    EXPECT_EQ(target.status().code(), ErrorCode::Unsupported);
    EXPECT_NE(target.status().message().find("'" + missing + "'"),
              std::string::npos)
        << target.status().message();
  }
  auto arm = makeCpuTarget(profile("aarch64", {}));
  ASSERT_FALSE(arm.isOk());
  EXPECT_NE(arm.status().message().find("'neon'"), std::string::npos);
}

TEST(CpuTarget, UnknownArchitectureIsRefused) {
  auto target = makeCpuTarget(profile("riscv64", {"v"}));
  ASSERT_FALSE(target.isOk());
  EXPECT_EQ(target.status().code(), ErrorCode::Unsupported);
  EXPECT_NE(target.status().message().find("riscv64"), std::string::npos);
}

TEST(CpuTarget, EveryBuiltinCpuProfileWorks) {
  unsigned cpus = 0;
  for (const std::string &name : builtinProfiles()) {
    auto machine = resolveProfile(name);
    ASSERT_TRUE(machine.isOk()) << machine.status().message();
    auto target = makeCpuTarget(*machine);
    EXPECT_TRUE(target.isOk()) << name << ": " << target.status().message();
    ++cpus;
  }
  EXPECT_GT(cpus, 1U);
}

/// Whether enabling `feature` makes LLVM enable `other` too, for the given CPU.
/// `without` disables features that LLVM enables for that CPU by default.
bool llvmImplies(const std::string &triple, const std::string &cpu,
                 const std::string &without, std::string_view feature,
                 std::string_view other) {
  std::string error;
  llvm::Triple parsed(triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(parsed, error);
  EXPECT_NE(target, nullptr) << error;
  std::unique_ptr<llvm::MCSubtargetInfo> info(target->createMCSubtargetInfo(
      parsed, cpu, without + "+" + std::string(feature)));
  return info->checkFeatures("+" + std::string(other));
}

TEST(CpuTarget, ImpliedFeaturesAreLlvms) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86TargetMC();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64TargetMC();
  struct Case {
    const char *arch;
    const char *triple;
    const char *cpu;
    const char *without;
  };
  // LLVM enables neon for every aarch64 CPU, so it must be disabled explicitly.
  for (const Case &c : {Case{"x86_64", "x86_64-linux-gnu", "x86-64", ""},
                        Case{"aarch64", "aarch64-linux-gnu", "", "-neon,"}}) {
    for (std::string_view feature : knownFeatures(c.arch)) {
      auto implied = impliedFeatures(c.arch, feature);
      for (std::string_view other : knownFeatures(c.arch)) {
        bool has =
            std::find(implied.begin(), implied.end(), other) != implied.end();
        EXPECT_EQ(has,
                  other != feature &&
                      llvmImplies(c.triple, c.cpu, c.without, feature, other))
            << feature << " and " << other;
      }
    }
  }
  EXPECT_TRUE(impliedFeatures("mips", "avx2").empty());
}

} // namespace
