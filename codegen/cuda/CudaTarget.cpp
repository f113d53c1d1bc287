//===- CudaTarget.cpp - the table of GPU architectures --------------------===//
#include "codegen/cuda/CudaTarget.h"

#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kKiB = 1024;

constexpr std::array<CudaTarget, 7> kTargets = {{
    {"sm_75", 75, 64 * kKiB, 64 * kKiB, 65536, 1024, false, false, false,
     false},
    {"sm_80", 80, 163 * kKiB, 164 * kKiB, 65536, 2048, true, false, false,
     false},
    {"sm_86", 86, 99 * kKiB, 100 * kKiB, 65536, 1536, true, false, false,
     false},
    {"sm_89", 89, 99 * kKiB, 100 * kKiB, 65536, 1536, true, false, false,
     false},
    {"sm_90a", 90, 227 * kKiB, 228 * kKiB, 65536, 2048, true, true, true, true},
    {"sm_100a", 100, 227 * kKiB, 228 * kKiB, 65536, 2048, true, true, true,
     false},
    {"sm_120", 120, 99 * kKiB, 100 * kKiB, 65536, 1536, true, true, true,
     false},
}};

/// The number in "sm_90" or "sm_90a"; nullopt for other text.
std::optional<uint32_t> capabilityOf(std::string_view name) {
  constexpr std::string_view kPrefix = "sm_";
  const std::string_view portable = portableArch(name);
  uint32_t number = 0;
  if (!portable.starts_with(kPrefix)) {
    return std::nullopt;
  }
  const char *end = portable.data() + portable.size();
  const auto [rest, error] =
      std::from_chars(portable.data() + kPrefix.size(), end, number);
  return error == std::errc() && rest == end ? std::optional(number)
                                             : std::nullopt;
}

} // namespace

std::span<const CudaTarget> cudaTargets() { return kTargets; }

Result<CudaTarget> cudaTarget(std::string_view name) {
  std::string known;
  for (const CudaTarget &target : kTargets) {
    if (target.name == name) {
      return target;
    }
    known += (known.empty() ? "" : ", ") + std::string(target.name);
  }
  const std::optional<uint32_t> capability = capabilityOf(name);
  std::optional<CudaTarget> newest;
  for (const CudaTarget &target : kTargets) {
    if (capability && target.capability <= *capability) {
      newest = target;
    }
  }
  if (newest) {
    newest->name = portableArch(newest->name);
    newest->hasWgmma = false;
    // The machine code has no instructions that only one architecture has, so
    // it runs on later GPUs whose compute capability has the same major number
    // (CUDA C++ Programming Guide, "Binary Compatibility").
    newest->needsPtx = *capability / 10 != newest->capability / 10;
    return *newest;
  }
  return unsupportedError("no kernels are generated for GPU architecture '" +
                          std::string(name) + "'; supported: " + known +
                          ", and GPUs that are newer than one of these");
}

std::string_view portableArch(std::string_view arch) {
  const bool isSpecific = arch.ends_with('a') || arch.ends_with('f');
  return arch.substr(0, arch.size() - (isSpecific ? 1 : 0));
}

std::string ptxArch(const CudaTarget &target) {
  return "compute_" + std::to_string(target.capability);
}

} // namespace air::codegen::cuda
