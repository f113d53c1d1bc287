//===- GpuProfile.h - a GPU as data -----------------------------*- C++ -*-===//
//
// What airpack needs to know about a GPU to make a plan for it, or to predict
// how fast a model would run on it.
//
// In the JSON of a profile, the GPUs are the list "gpus". It has at most one
// entry, and is only written if there is a GPU. An entry is an object with the
// keys
//   name              1 to 1024 bytes without '/' or control characters
//                     (required)
//   backend           "cuda" or "vulkan" (required)
//   memory_bytes, memory_bandwidth, transfer_bandwidth, f16_ops
//                     0..2^63-1; 0 when absent, which means "not known"
//   arch              as NVRTC names it, such as "sm_86"; "" when absent
//   multiprocessors   0..1024; 0 when absent
// A plan can be made for a GPU with the backend "cuda" if its arch and its
// number of multiprocessors are known.
//
// Thread-safety: plain data.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_GPUPROFILE_H
#define AIRPACK_FORMATS_MACHINE_GPUPROFILE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air {

/// The interface through which a GPU is programmed.
enum class GpuBackend : uint8_t { Cuda = 0, Vulkan = 1 };

/// The largest number of multiprocessors for which kernels can be generated.
/// No GPU in GpuTable.cpp has more than 170. There is a limit because the grids
/// of kernels grow with this number.
inline constexpr uint32_t kMaxMultiprocessors = 1024;

struct GpuProfile {
  std::string name; ///< "rtx4090", or any name in a file
  GpuBackend backend = GpuBackend::Cuda;
  uint64_t memoryBytes = 0;     ///< size of the VRAM in bytes
  uint64_t memoryBandwidth = 0; ///< reads from VRAM, in bytes/s
  /// Copies from page-locked RAM to VRAM, in bytes/s.
  uint64_t transferBandwidth = 0;
  /// Matrix multiplication of float16 with accumulation in float32, in
  /// operations per second; a multiplication and an addition are two
  /// operations.
  uint64_t f16Ops = 0;
  std::string arch; ///< "sm_86", or "" if not known
  uint32_t multiprocessors = 0;

  bool operator==(const GpuProfile &) const = default;
};

/// The name of a backend in messages and tables: "CUDA" or "Vulkan".
std::string_view backendTitle(GpuBackend backend);

/// The GPUs that can be named as a target, sorted by name. Their rates are
/// nominal: fractions of the rates in the data sheets (GpuTable.cpp).
std::vector<GpuProfile> builtinGpus();

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_GPUPROFILE_H
