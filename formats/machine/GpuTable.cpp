//===- GpuTable.cpp - GPUs by name, and the machines around them ----------===//
//
// Sources. For GPUs of NVIDIA: the data sheets and product briefs of T4, A10,
// A100 (PCIe, 80 GB), L4, L40S, H100 (SXM), H200 (SXM) and DGX B200 (an eighth
// of its totals); the architecture white papers of Turing (TU102 to TU106),
// Ampere (GA102), Ada and Blackwell (GeForce RTX 50); and for the models that
// these leave out, the product pages of GeForce. For GPUs of AMD and Intel: the
// product pages of the Radeon RX series, and ark.intel.com. The columns "GB/s"
// and "PCIe" are copied from there, and so is "memory", except for cards with
// HBM.
//
// The column "TFLOPS" is the dense rate (without sparsity) of float16 matrix
// multiplication with accumulation in float32. GeForce: from the white papers;
// for models that they leave out, 4 x (Turing) or 2 x (since Ampere) the
// float32 rate of the shaders. Radeon before RX 7000: the rate of packed
// float16, because there are no matrix units. RX 7000: the product pages' peak
// of half precision, which the matrix instructions reach. RX 9000: the product
// pages' peak of half precision for matrices. Arc: half of the int8
// rate that Intel states for its matrix units. "arch" is the compute capability
// that NVIDIA's page "CUDA GPUs" states. "multiprocessors" is the data sheet's
// number of CUDA cores divided by the number of CUDA cores of a multiprocessor,
// which is 64 (Turing and A100) or 128 (all others).
//
//===----------------------------------------------------------------------===//
#include "formats/machine/GpuTable.h"

#include "formats/machine/Microarchitecture.h"

#include <algorithm>
#include <array>

namespace air {

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kGB = 1'000'000'000;

// Programs reach these percentages of the rates in data sheets. Plain reads of
// VRAM in large kernels reach 80 to 93 %. Copies from page-locked memory reach
// 80 % of PCIe: bandwidthTest of NVIDIA's CUDA samples shows some 12.5, 25 and
// 52 GB/s for 16 lanes of generations 3, 4 and 5, whose links carry 15.75, 31.5
// and 63 GB/s. The matmuls of a prompt reach about half of the peak, because
// the weights have to be dequantised on the way.
constexpr uint64_t kMemoryPercent = 85;
constexpr uint64_t kTransferPercent = 80;
constexpr uint64_t kMatrixPercent = 50;

/// Returns the bandwidth of one PCIe lane in kB/s. A lane of generation 3, 4 or
/// 5 transfers 8, 16 or 32 Gbit/s, of which 128 in 130 bits are data (PCI
/// Express Base Specification).
constexpr uint64_t laneRate(unsigned generation) {
  return generation == 3 ? 984'600 : generation == 4 ? 1'969'200 : 3'938'500;
}

struct GpuRow {
  std::string_view name;
  GpuBackend backend;
  HostClass host;
  uint64_t mebibytes; ///< size of the memory
  uint64_t gigabytesPerSecond;
  unsigned pcieGeneration;
  unsigned pcieLanes;
  uint64_t tenthTeraflops;
  std::string_view arch; ///< such as "sm_86"; "" without CUDA
  uint32_t multiprocessors;
};

constexpr auto kCuda = GpuBackend::Cuda;
constexpr auto kVulkan = GpuBackend::Vulkan;
constexpr auto kDesktop = HostClass::Desktop;
constexpr auto kServer = HostClass::Server;

/// A GDDR card of "24 GB" has 24 GiB. For cards with HBM, the memory is what
/// nvidia-smi lists: 81,559 MiB (H100), 81,920 MiB (A100), 143,771 MiB (H200)
/// and 183,359 MiB (B200).
constexpr GpuRow kGpuRows[] = {
    // name, backend, host, memory in MiB, GB/s, PCIe generation, PCIe lanes,
    // TFLOPS times 10, arch, multiprocessors
    {"a10", kCuda, kServer, 24576, 600, 4, 16, 1250, "sm_86", 72},
    {"a100", kCuda, kServer, 81920, 1935, 4, 16, 3120, "sm_80", 108},
    {"arc-a770", kVulkan, kDesktop, 16384, 560, 4, 16, 1310, "", 0},
    {"arc-b580", kVulkan, kDesktop, 12288, 456, 4, 8, 1165, "", 0},
    {"b200", kCuda, kServer, 183359, 8000, 5, 16, 22500, "sm_100a", 148},
    {"h100", kCuda, kServer, 81559, 3350, 5, 16, 9890, "sm_90a", 132},
    {"h200", kCuda, kServer, 143771, 4800, 5, 16, 9890, "sm_90a", 132},
    {"l4", kCuda, kServer, 24576, 300, 4, 16, 1210, "sm_89", 58},
    {"l40s", kCuda, kServer, 49152, 864, 4, 16, 3620, "sm_89", 142},
    {"rtx2060", kCuda, kDesktop, 6144, 336, 3, 16, 258, "sm_75", 30},
    {"rtx2070", kCuda, kDesktop, 8192, 448, 3, 16, 299, "sm_75", 36},
    {"rtx2080", kCuda, kDesktop, 8192, 448, 3, 16, 403, "sm_75", 46},
    {"rtx2080ti", kCuda, kDesktop, 11264, 616, 3, 16, 538, "sm_75", 68},
    {"rtx3050", kCuda, kDesktop, 8192, 224, 4, 8, 182, "sm_86", 20},
    {"rtx3060", kCuda, kDesktop, 12288, 360, 4, 16, 255, "sm_86", 28},
    {"rtx3060ti", kCuda, kDesktop, 8192, 448, 4, 16, 324, "sm_86", 38},
    {"rtx3070", kCuda, kDesktop, 8192, 448, 4, 16, 406, "sm_86", 46},
    {"rtx3080", kCuda, kDesktop, 10240, 760, 4, 16, 595, "sm_86", 68},
    {"rtx3090", kCuda, kDesktop, 24576, 936, 4, 16, 710, "sm_86", 82},
    {"rtx4060", kCuda, kDesktop, 8192, 272, 4, 8, 302, "sm_89", 24},
    {"rtx4060ti", kCuda, kDesktop, 8192, 288, 4, 8, 441, "sm_89", 34},
    {"rtx4070", kCuda, kDesktop, 12288, 504, 4, 16, 583, "sm_89", 46},
    {"rtx4080", kCuda, kDesktop, 16384, 717, 4, 16, 975, "sm_89", 76},
    {"rtx4090", kCuda, kDesktop, 24576, 1008, 4, 16, 1652, "sm_89", 128},
    {"rtx5060", kCuda, kDesktop, 8192, 448, 5, 8, 384, "sm_120", 30},
    {"rtx5070", kCuda, kDesktop, 12288, 672, 5, 16, 618, "sm_120", 48},
    {"rtx5080", kCuda, kDesktop, 16384, 960, 5, 16, 1126, "sm_120", 84},
    {"rtx5090", kCuda, kDesktop, 32768, 1792, 5, 16, 2095, "sm_120", 170},
    {"rx6600", kVulkan, kDesktop, 8192, 224, 4, 8, 179, "", 0},
    {"rx6700xt", kVulkan, kDesktop, 12288, 384, 4, 16, 264, "", 0},
    {"rx6800xt", kVulkan, kDesktop, 16384, 512, 4, 16, 415, "", 0},
    {"rx6900xt", kVulkan, kDesktop, 16384, 512, 4, 16, 461, "", 0},
    {"rx7600", kVulkan, kDesktop, 8192, 288, 4, 8, 435, "", 0},
    {"rx7800xt", kVulkan, kDesktop, 16384, 624, 4, 16, 747, "", 0},
    {"rx7900xt", kVulkan, kDesktop, 20480, 800, 4, 16, 1030, "", 0},
    {"rx7900xtx", kVulkan, kDesktop, 24576, 960, 4, 16, 1228, "", 0},
    {"rx9070", kVulkan, kDesktop, 16384, 640, 5, 16, 1450, "", 0},
    {"rx9070xt", kVulkan, kDesktop, 16384, 640, 5, 16, 1950, "", 0},
    {"t4", kCuda, kServer, 16384, 300, 3, 16, 650, "sm_75", 40},
};

GpuProfile profileOf(const GpuRow &row) {
  GpuProfile gpu;
  gpu.name = row.name;
  gpu.backend = row.backend;
  gpu.memoryBytes = row.mebibytes * kMiB;
  gpu.memoryBandwidth = row.gigabytesPerSecond * kGB / 100 * kMemoryPercent;
  gpu.transferBandwidth = laneRate(row.pcieGeneration) * 1000 * row.pcieLanes /
                          100 * kTransferPercent;
  gpu.f16Ops = row.tenthTeraflops * 100 * kGB / 100 * kMatrixPercent;
  gpu.arch = row.arch;
  gpu.multiprocessors = row.multiprocessors;
  return gpu;
}

/// The computer that a profile of a GPU describes. The rates are those that
/// programs reach: for RAM, about 75 % of the peak of all memory channels, and
/// for the disk about 85 % of the sequential read rate in its data sheet.
struct HostRow {
  HostClass host;
  std::string_view name;
  std::string_view cpu; ///< a name in microarchitectures()
  uint32_t cores;
  uint64_t memoryGiB;
  uint64_t memoryBandwidth;
  uint64_t diskBandwidth;
};

constexpr HostRow kHostRows[] = {
    // Ryzen 7 7700 (AMD's product page: 8 cores, two channels of DDR5-5200,
    // 83.2 GB/s) with 32 GiB and a PCIe 4.0 drive such as the Samsung 990 PRO
    // (data sheet: 7.45 GB/s).
    {HostClass::Desktop, "desktop", "zen4", 8, 32, 62 * kGB, 6300'000'000},
    // Core i7-12700H (ark.intel.com: 6 P-cores, two channels of DDR5-4800, 76.8
    // GB/s) with 16 GiB and a PCIe 3.0 drive such as the SK hynix BC711 (data
    // sheet: 3.5 GB/s). The E-cores are not counted.
    {HostClass::Laptop, "laptop", "alderlake", 6, 16, 57 * kGB, 3 * kGB},
    // One Xeon Platinum 8462Y+ (ark.intel.com: 32 cores, eight channels of
    // DDR5-4800, 307.2 GB/s) with 256 GiB and a PCIe 4.0 drive such as the
    // Samsung PM9A3 (data sheet: 6.9 GB/s).
    {HostClass::Server, "server", "sapphire-rapids", 32, 256, 230 * kGB,
     5900'000'000},
};

MachineProfile profileOf(const HostRow &row) {
  MachineProfile profile;
  profile.name = row.name;
  for (const Microarchitecture &cpu : microarchitectures()) {
    if (cpu.name == row.cpu) {
      profile.arch = cpu.arch;
      profile.features = cpu.features;
      profile.cpu = cpu.rates;
    }
  }
  profile.cores = row.cores;
  profile.memoryBytes = row.memoryGiB * kGiB;
  profile.memoryBandwidth = row.memoryBandwidth;
  profile.diskBandwidth = row.diskBandwidth;
  return profile;
}

} // namespace

bool canPlanFor(const GpuProfile &gpu) {
  return gpu.backend == GpuBackend::Cuda && !gpu.arch.empty() &&
         gpu.multiprocessors != 0;
}

std::string_view backendTitle(GpuBackend backend) {
  return backend == GpuBackend::Cuda ? "CUDA" : "Vulkan";
}

std::vector<GpuProfile> builtinGpus() {
  std::vector<GpuProfile> list;
  for (const GpuRow &row : kGpuRows) {
    list.push_back(profileOf(row));
  }
  return list;
}

std::optional<MachineProfile> hostClass(std::string_view name) {
  for (const HostRow &row : kHostRows) {
    if (row.name == name) {
      return profileOf(row);
    }
  }
  return std::nullopt;
}

std::optional<MachineProfile> machineWithGpu(std::string_view name) {
  for (const GpuRow &row : kGpuRows) {
    if (row.name == name) {
      MachineProfile machine =
          profileOf(kHostRows[static_cast<size_t>(row.host)]);
      machine.name = row.name;
      machine.gpus = {profileOf(row)};
      return machine;
    }
  }
  return std::nullopt;
}

} // namespace air
