//===- Probes.cpp - the text of the probe kernels -------------------------===//
#include "codegen/cuda/Probes.h"

#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/Intrinsics.h"

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kProbeUnit = 1024;
constexpr uint32_t kCopyBlockBytes = 64 * 1024;

std::string define(const char *name, uint64_t value) {
  return std::string("constexpr u32 ") + name + " = " + std::to_string(value) +
         ";\n";
}

constexpr const char *kReadText = R"(
struct Unit { Word4 words[2]; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.words[0] = take16(p + lane * 16);
  unit.words[1] = take16(p + 512 + lane * 16);
}
)";

constexpr const char *kReadKernel = R"(
AP_KERNEL(KERNEL_NAME, kThreads, kBlocksPerMultiprocessor)
(const u8 *bytes, u32 *words) {
  u8 *shared = ap_shared();
  const u32 warp = ap_thread() / 32;
  const u32 lane = ap_thread() % 32;
  const u32 block = ap_block_x();
  constexpr u32 kSpare = kTiles % kBlocks;
  const u32 firstTile = block * (kTiles / kBlocks) + (block < kSpare ? block : kSpare);
  const u32 tiles = kTiles / kBlocks + (block < kSpare ? 1 : 0);
  Ring ring;
  ring.start(shared, bytes + ((u64)firstTile * kUnits + warp * kGroupUnits) * kUnitBytes, tiles,
             kGroupUnits, warp, lane);
  u32 all = 0;
  for (u32 tile = 0; tile < tiles; ++tile) {
    ring.wait();
#pragma unroll
    for (u32 i = 0; i < kGroupUnits; ++i) {
      Unit unit;
      ring.take(unit, i, lane);
      if (i == kGroupUnits - 1) {
        ring.release(lane);
      }
#pragma unroll
      for (u32 j = 0; j < 2; ++j) {
        all ^= unit.words[j].x ^ unit.words[j].y ^ unit.words[j].z ^ unit.words[j].w;
      }
    }
  }
  words[block * kThreads + ap_thread()] = all;
}
)";

constexpr const char *kCopyKernel = R"(
AP_KERNEL(KERNEL_NAME, 512, 2)
(const u8 *from, u8 *to) {
  for (u32 piece = ap_block_x(); piece < kPieces; piece += kBlocks) {
    const u64 at = (u64)piece * 65536 + ap_thread() * 16;
#pragma unroll
    for (u32 i = 0; i < 8; i += 4) {
      Word4 v[4];
#pragma unroll
      for (u32 j = 0; j < 4; ++j) {
        v[j] = ap_stream16(from + at + (i + j) * 8192);
      }
#pragma unroll
      for (u32 j = 0; j < 4; ++j) {
        *(Word4 *)(to + at + (i + j) * 8192) = v[j];
      }
    }
  }
}
)";

constexpr const char *kLaunchKernel = R"(
AP_KERNEL(KERNEL_NAME, 32, 1)
(u32 *words) {
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  if (ap_thread() == 0) {
    words[ap_block_x()] += 1;
  }
}
)";

// The right operand of wgmma is in shared memory without a swizzle, as two core
// matrices of 8 rows by 16 bytes. The second one has columns 8 to 15 and starts
// 128 bytes after the first (PTX ISA, "Matrix Descriptor Format" and "Core
// matrices").
constexpr const char *kWgmmaKernel = R"(
AP_KERNEL(KERNEL_NAME, 128, 1)
(const u16 *a, const u16 *b, float *d) {
  u8 *shared = ap_shared();
  const u32 thread = ap_thread();
  const u32 warp = thread / 32, g = thread % 32 / 4, t = thread % 4;
  const u32 row = thread / 16, column = thread % 16;
  *(u16 *)(shared + column / 8 * 128 + row * 16 + column % 8 * 2) = b[row * 16 + column];
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  ap_barrier();
  const u16 *first = a + (16 * warp + g) * 16;
  const u16 *second = first + 8 * 16;
  const u32 a0 = *(const u32 *)(first + 2 * t), a1 = *(const u32 *)(second + 2 * t);
  const u32 a2 = *(const u32 *)(first + 2 * t + 8), a3 = *(const u32 *)(second + 2 * t + 8);
  const u64 address = ap_shared_address(shared) >> 4;
  const u64 descriptor = (address & 0x3fff) | (u64)(128 >> 4) << 16 | (u64)(256 >> 4) << 32;
  float c[4] = {0, 0, 0, 0};
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0, %1, %2, %3}, "
               "{%4, %5, %6, %7}, %8, 1, 1, 1, 0;"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(descriptor));
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  float *to = d + (16 * warp + g) * 8 + 2 * t;
  to[0] = c[0];
  to[1] = c[1];
  to[64] = c[2];
  to[65] = c[3];
}
)";

} // namespace

Result<CudaKernel> generateReadProbe(const ReadProbe &probe,
                                     const CudaTarget &target,
                                     std::string_view intrinsics) {
  const DecodeTiling &tiling = probe.tiling;
  if ((tiling.fetch == WeightFetch::AsyncCopy && !target.hasAsyncCopy) ||
      (tiling.fetch == WeightFetch::BulkCopy && !target.hasBulkCopy)) {
    return unsupportedError("a read probe for " + std::string(target.name) +
                            " cannot use '" +
                            std::string(fetchName(tiling.fetch)) +
                            "' copies: the target has no instruction for them");
  }
  const bool ring = tiling.fetch != WeightFetch::Registers;
  const uint64_t units = uint64_t{tiling.warps} * tiling.groupUnits;
  const uint64_t tiles = probe.bytes / (units * kProbeUnit);
  const uint32_t blocks =
      probe.multiprocessors * tiling.blocksPerMultiprocessor;
  const uint64_t slots =
      ring ? units * kProbeUnit * tiling.stages : uint64_t{0};
  if (tiles < blocks || tiles > ~0U) {
    return unsupportedError("a read probe of " + std::to_string(probe.bytes) +
                            " bytes has " + std::to_string(tiles) +
                            " steps; the number of steps must be at least " +
                            std::to_string(blocks) +
                            ", the number of blocks, and below 2^32");
  }
  CudaKernel kernel;
  kernel.name =
      "read_b" + std::to_string(probe.bytes) + "_" + std::string(target.name) +
      "x" + std::to_string(probe.multiprocessors) + "_" +
      std::string(fetchName(tiling.fetch)) + "_w" +
      std::to_string(tiling.warps) + "_g" + std::to_string(tiling.groupUnits) +
      "_s" + std::to_string(tiling.stages) + "_b" +
      std::to_string(tiling.blocksPerMultiprocessor);
  kernel.sharedBytes = static_cast<uint32_t>(
      slots + (ring ? tiling.warps * tiling.stages * 8 : 0));
  if (kernel.sharedBytes > target.sharedBytesPerBlock ||
      (kernel.sharedBytes + kReservedSharedBytes) *
              tiling.blocksPerMultiprocessor >
          target.sharedBytesPerMultiprocessor) {
    return doesNotFitError("kernel " + kernel.name + " needs " +
                           std::to_string(kernel.sharedBytes) +
                           " bytes of shared memory per block, but the target "
                           "allows " +
                           std::to_string(target.sharedBytesPerBlock) +
                           " bytes per block and " +
                           std::to_string(target.sharedBytesPerMultiprocessor) +
                           " per multiprocessor");
  }
  kernel.gridX = blocks;
  kernel.threads = tiling.warps * 32;
  kernel.weightBytes = tiles * units * kProbeUnit;
  kernel.text =
      std::string(commonText()) + define("kTiles", tiles) +
      define("kBlocks", blocks) + define("kUnits", units) +
      define("kUnitBytes", kProbeUnit) + define("kThreads", kernel.threads) +
      define("kBlocksPerMultiprocessor", tiling.blocksPerMultiprocessor) +
      define("kGroupUnits", tiling.groupUnits) +
      define("kStages", tiling.stages) + define("kHeldTiles", 1) +
      define("kSlotBytes", uint64_t{tiling.groupUnits} * kProbeUnit) +
      define("kBarrierOffset", slots) + "constexpr bool kEven = true;\n" +
      "#define KERNEL_NAME " + kernel.name + "\n" + std::string(intrinsics) +
      std::string(takeText(tiling.fetch)) + kReadText + ringText(tiling.fetch) +
      kReadKernel;
  return kernel;
}

Result<CudaKernel> generateCopyProbe(uint64_t bytes, uint32_t multiprocessors,
                                     const CudaTarget &target,
                                     std::string_view intrinsics) {
  if (bytes == 0 || bytes % kCopyBlockBytes != 0) {
    return unsupportedError(
        "a copy probe cannot copy " + std::to_string(bytes) +
        " bytes; the number must be a positive multiple of " +
        std::to_string(kCopyBlockBytes));
  }
  CudaKernel kernel;
  kernel.name = "copy_b" + std::to_string(bytes) + "_" +
                std::string(target.name) + "x" +
                std::to_string(multiprocessors);
  kernel.gridX = multiprocessors * 2;
  kernel.threads = 512;
  kernel.weightBytes = bytes;
  kernel.text = std::string(commonText()) +
                define("kPieces", bytes / kCopyBlockBytes) +
                define("kBlocks", kernel.gridX) + "#define KERNEL_NAME " +
                kernel.name + "\n" + std::string(intrinsics) + kCopyKernel;
  return kernel;
}

Result<CudaKernel> generateLaunchProbe(uint32_t blocks, bool dependentLaunch,
                                       const CudaTarget &target,
                                       std::string_view intrinsics) {
  if (dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError("target " + std::string(target.name) +
                            " does not support dependent launches");
  }
  CudaKernel kernel;
  kernel.name = "launch_b" + std::to_string(blocks) + "_" +
                std::string(target.name) + (dependentLaunch ? "_d" : "");
  kernel.gridX = blocks;
  kernel.threads = 32;
  kernel.text = std::string(commonText()) + "#define KERNEL_NAME " +
                kernel.name + "\n#define AP_DEPENDENT_LAUNCH " +
                (dependentLaunch ? "1" : "0") + "\n" + std::string(intrinsics) +
                kLaunchKernel;
  return kernel;
}

Result<CudaKernel> generateWgmmaProbe(const CudaTarget &target,
                                      std::string_view intrinsics) {
  if (!target.hasWgmma) {
    return unsupportedError("target " + std::string(target.name) +
                            " does not have the wgmma instruction");
  }
  CudaKernel kernel;
  kernel.name = "wgmma_" + std::string(target.name);
  kernel.gridX = 1;
  kernel.threads = 128;
  kernel.sharedBytes = 256;
  kernel.text = std::string(commonText()) + "#define KERNEL_NAME " +
                kernel.name + "\n" + std::string(intrinsics) + kWgmmaKernel;
  return kernel;
}

} // namespace air::codegen::cuda
