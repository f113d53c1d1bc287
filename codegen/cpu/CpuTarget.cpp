//===- CpuTarget.cpp - a machine profile as LLVM sees it --------*- C++ -*-===//
#include "codegen/cpu/CpuTarget.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace air::codegen {
namespace {

constexpr std::array<std::string_view, 3> kX86Required = {"avx2", "f16c",
                                                          "fma"};
// A target counts as an AVX-512 target only if it has all of these features.
// For instance, 8- and 16-bit lanes need avx512bw, and masks on vectors of less
// than 512 bits need avx512vl.
constexpr std::array<std::string_view, 5> kX86Avx512 = {
    "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"};
// Features that are passed to LLVM if the profile lists them, because they
// improve the instruction selection. Of these, sse4.1 and ssse3 are redundant:
// avx2, which is required, implies both of them in LLVM.
constexpr std::array<std::string_view, 8> kX86Optional = {
    "bmi", "bmi2", "gfni", "lzcnt", "movbe", "popcnt", "sse4.1", "ssse3"};
constexpr std::array<std::string_view, 1> kArmRequired = {"neon"};

bool has(const MachineProfile &profile, std::string_view feature) {
  return std::find(profile.features.begin(), profile.features.end(), feature) !=
         profile.features.end();
}

Status requireAll(const MachineProfile &profile,
                  std::span<const std::string_view> features) {
  for (std::string_view feature : features) {
    if (!has(profile, feature)) {
      return unsupportedError("target '" + profile.name + "' (" + profile.arch +
                              "): CPU kernels need the feature '" +
                              std::string(feature) +
                              "', which the profile does not list");
    }
  }
  return Status::ok();
}

std::string featureString(std::vector<std::string_view> features) {
  std::sort(features.begin(), features.end());
  std::string text;
  for (std::string_view feature : features) {
    text += text.empty() ? "+" : ",+";
    text += feature;
  }
  return text;
}

void setRates(const MachineProfile &profile, IsaTraits &isa) {
  isa.cores = profile.cores;
  isa.memoryBandwidth = profile.memoryBandwidth;
  isa.cpu = profile.cpu;
}

Result<CpuTarget> makeX86(const MachineProfile &profile) {
  AIR_RETURN_IF_ERROR(requireAll(profile, kX86Required));
  std::vector<std::string_view> features(kX86Required.begin(),
                                         kX86Required.end());
  for (std::string_view feature : kX86Optional) {
    if (has(profile, feature)) {
      features.push_back(feature);
    }
  }
  CpuTarget target;
  target.triple = "x86_64-unknown-linux-gnu";
  target.cpu = "x86-64";
  target.isa.arch = CpuArch::X86_64;
  target.isa.hasAvx2 = true;
  target.isa.byteDot = ByteDot::MulAdd256;
  if (std::all_of(kX86Avx512.begin(), kX86Avx512.end(),
                  [&](std::string_view f) { return has(profile, f); })) {
    features.insert(features.end(), kX86Avx512.begin(), kX86Avx512.end());
    target.isa.hasAvx512 = true;
    target.isa.vectorBytes = 64;
    target.isa.vectorRegisters = 32;
    target.isa.byteDot = ByteDot::MulAdd512;
    if (has(profile, "avx512vbmi")) {
      features.push_back("avx512vbmi");
      target.isa.hasVbmi = true;
    }
    if (has(profile, "avx512vnni")) {
      features.push_back("avx512vnni");
      target.isa.byteDot = ByteDot::Vnni512;
    }
    if (has(profile, "avx512bf16")) {
      features.push_back("avx512bf16");
      target.isa.hasBf16Dot = true;
    }
    // hasAmxBf16 requires hasBf16Dot because only targets with hasBf16Dot have
    // kernels for bfloat16 activations. hasAmxInt8 requires VNNI because the
    // tile instruction takes unsigned weights, and panels hold 8-bit weights as
    // unsigned bytes only for targets with VNNI (targetInt8Bias()).
    target.isa.hasAmxBf16 = has(profile, "amx-tile") &&
                            has(profile, "amx-bf16") && target.isa.hasBf16Dot;
    target.isa.hasAmxInt8 = has(profile, "amx-tile") &&
                            has(profile, "amx-int8") &&
                            target.isa.byteDot == ByteDot::Vnni512;
    if (target.isa.hasAmxBf16) {
      features.push_back("amx-bf16");
    }
    if (target.isa.hasAmxInt8) {
      features.push_back("amx-int8");
    }
    if (target.isa.hasAmxBf16 || target.isa.hasAmxInt8) {
      features.push_back("amx-tile");
    }
  } else if (has(profile, "avxvnni")) {
    features.push_back("avxvnni");
    target.isa.byteDot = ByteDot::Vnni256;
  }
  target.features = featureString(std::move(features));
  setRates(profile, target.isa);
  return target;
}

Result<CpuTarget> makeAarch64(const MachineProfile &profile) {
  AIR_RETURN_IF_ERROR(requireAll(profile, kArmRequired));
  CpuTarget target;
  target.triple = "aarch64-unknown-linux-gnu";
  target.cpu = "generic";
  std::vector<std::string_view> features(kArmRequired.begin(),
                                         kArmRequired.end());
  if (has(profile, "dotprod")) {
    features.push_back("dotprod");
    target.isa.byteDot = ByteDot::Sdot;
    if (has(profile, "i8mm")) {
      features.push_back("i8mm");
      target.isa.hasI8mm = true;
    }
  }
  target.features = featureString(std::move(features));
  target.isa.arch = CpuArch::Aarch64;
  target.isa.hasNeon = true;
  target.isa.vectorBytes = 16;
  target.isa.vectorRegisters = 32;
  setRates(profile, target.isa);
  return target;
}

} // namespace

Result<CpuTarget> makeCpuTarget(const MachineProfile &profile) {
  if (profile.arch == "x86_64") {
    return makeX86(profile);
  }
  if (profile.arch == "aarch64") {
    return makeAarch64(profile);
  }
  return unsupportedError("target '" + profile.name + "': architecture '" +
                          profile.arch +
                          "' has no CPU kernels; supported: aarch64, x86_64");
}

} // namespace air::codegen
