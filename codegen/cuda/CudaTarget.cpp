//===- CudaTarget.cpp - the table of GPU architectures --------------------===//
#include "codegen/cuda/CudaTarget.h"

#include <array>
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
  return unsupportedError("no kernels are generated for GPU architecture '" +
                          std::string(name) + "'; supported: " + known);
}

} // namespace air::codegen::cuda
