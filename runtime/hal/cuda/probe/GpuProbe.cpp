//===- GpuProbe.cpp - measures a GPU's memory and copies ------------------===//
#include "runtime/hal/cuda/probe/GpuProbe.h"

#include "formats/machine/GpuTable.h"
#include "formats/support/Printable.h"
#include "runtime/hal/cpu/probe/Rounds.h"
#include "runtime/hal/cuda/CudaCopies.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
/// Each of the two buffers takes at most 1 / kMemoryShare of the free memory.
constexpr uint64_t kMemoryShare = 4;
constexpr uint64_t kSmallestBlock = uint64_t{64} << 10;
constexpr uint64_t kLargestBlock = 64 * kMiB;
constexpr uint64_t kBlockStep = 4; ///< the ratio of successive block sizes
/// Copies of one block size follow each other until they add up to this number
/// of bytes. A larger block is copied only once.
constexpr uint64_t kRowBytes = 16 * kMiB;

uint64_t whole(double value) {
  return static_cast<uint64_t>(std::llround(std::max(0.0, value)));
}

/// The indices that Rounds gives to the measurements of one block size.
struct BlockRows {
  uint64_t bytes;
  size_t toGpu;
  size_t toHost;
  size_t toGpuAlone;
  size_t toHostAlone;
};

/// The size of the buffers.
Result<uint64_t> bufferBytes(const CudaFacts &facts) {
  // If the buffers were smaller than four times the L2 cache, the cache could
  // serve the copies. Each buffer must also have room for kRowBytes bytes,
  // because successive copies of a measurement use successive parts of it.
  const uint64_t least = std::max(kRowBytes, 4 * facts.l2Bytes);
  const uint64_t allowed = facts.freeBytes / kMemoryShare / kMiB * kMiB;
  if (allowed < least) {
    return doesNotFitError("the GPU " + facts.name + " has " +
                           std::to_string(facts.freeBytes) +
                           " bytes of free memory, but measuring it takes " +
                           std::to_string(kMemoryShare * least) +
                           "; end other programs that use the GPU");
  }
  return std::min(allowed, CudaCopies::usualBytes(facts.l2Bytes));
}

BlockRows addBlock(Rounds &rounds, CudaCopies &copies, uint64_t block) {
  const auto add = [&](CopyDirection direction, uint64_t bytes) {
    return rounds.add([&copies, direction, bytes, block] {
      return copies.transferRate(direction, bytes, block);
    });
  };
  const uint64_t row = std::max(block, kRowBytes);
  return {block, add(CopyDirection::ToGpu, row),
          add(CopyDirection::ToHost, row), add(CopyDirection::ToGpu, block),
          add(CopyDirection::ToHost, block)};
}

/// Returns the architecture for which airpack makes kernels for a GPU of this
/// compute capability. This is the newest architecture that has a built-in
/// profile and whose machine code the GPU runs. If there is no such
/// architecture, but the GPU is newer than one that has a built-in profile,
/// returns the GPU's own architecture, such as "sm_103"; kernels for such a GPU
/// use no architecture-specific instructions, and may be PTX. Returns "" for a
/// GPU that is older than all architectures that have a built-in profile.
std::string archFor(uint32_t capability) {
  std::string newest;
  bool isOlder = true;
  for (const GpuProfile &gpu : builtinGpus()) {
    if (!canPlanFor(gpu)) {
      continue;
    }
    const Result<bool> runs = cudaRunsCode(capability, gpu.arch);
    // All architectures whose code this GPU runs have the same major number, so
    // the numbers in their names have equally many digits, and the names can be
    // compared as text.
    newest = runs && *runs ? std::max(newest, gpu.arch) : newest;
    // The GPU is not older than the profile's architecture if it runs PTX for
    // that architecture. The name for PTX has no suffix: "compute_90" for
    // "sm_90a".
    const size_t digits = gpu.arch.find_first_of("0123456789");
    const size_t end = gpu.arch.find_first_not_of("0123456789", digits);
    const Result<bool> isNewer = cudaRunsCode(
        capability, "compute_" + gpu.arch.substr(digits, end - digits));
    isOlder = isOlder && !(isNewer && *isNewer);
  }
  return newest.empty() && !isOlder ? "sm_" + std::to_string(capability)
                                    : newest;
}

/// If a built-in profile has the name, the arch and the number of
/// multiprocessors of `gpu`, returns the nominal float16 rate in it; otherwise
/// 0.
uint64_t nominalF16Ops(const GpuProfile &gpu) {
  for (const GpuProfile &known : builtinGpus()) {
    if (canPlanFor(known) && known.arch == gpu.arch &&
        known.multiprocessors == gpu.multiprocessors &&
        isPartOfGpuName(known.name, gpu.name)) {
      return known.f16Ops;
    }
  }
  return 0;
}

} // namespace

Result<GpuProbeResult> rt::probeGpu(const CudaChoice &gpu, double seconds) {
  AIR_ASSIGN_OR_RETURN(const std::unique_ptr<CudaDriver> driver,
                       CudaDriver::open(gpu));
  GpuProbeResult result;
  result.facts = driver->facts();
  AIR_ASSIGN_OR_RETURN(const uint64_t bytes, bufferBytes(result.facts));
  AIR_ASSIGN_OR_RETURN(const std::unique_ptr<CudaCopies> copies,
                       CudaCopies::create(*driver, bytes));
  Rounds rounds;
  const size_t memory = rounds.add([&] { return copies->bandwidth(1); });
  std::vector<BlockRows> blocks;
  for (uint64_t block = kSmallestBlock; block <= std::min(bytes, kLargestBlock);
       block *= kBlockStep) {
    blocks.push_back(addBlock(rounds, *copies, block));
  }
  AIR_RETURN_IF_ERROR(rounds.take(seconds));

  result.bestBandwidth = whole(rounds.largest(memory));
  result.medianBandwidth = whole(rounds.median(memory));
  for (const BlockRows &block : blocks) {
    const auto nanoseconds = [&](size_t row) {
      return whole(static_cast<double>(block.bytes) / rounds.median(row) * 1e9);
    };
    result.copies.push_back({block.bytes, whole(rounds.median(block.toGpu)),
                             whole(rounds.median(block.toHost)),
                             nanoseconds(block.toGpuAlone),
                             nanoseconds(block.toHostAlone)});
  }
  return result;
}

GpuProfile rt::profileOf(const GpuProbeResult &result) {
  const CudaFacts &facts = result.facts;
  GpuProfile gpu;
  // The name of a GPU in a profile may contain no slashes and no control
  // characters, so these are escaped, and a long name is truncated.
  constexpr size_t kNameBytes = 256;
  gpu.name = printable(facts.name.empty() ? "GPU" : facts.name, kNameBytes,
                       /*also=*/"/");
  gpu.memoryBytes = facts.totalBytes;
  gpu.memoryBandwidth = result.bestBandwidth;
  for (const CopyRate &copy : result.copies) {
    if (copy.bytes == kWeightCopyBytes) {
      gpu.transferBandwidth = copy.toGpu;
    }
  }
  gpu.arch = archFor(facts.capability);
  gpu.multiprocessors = std::min(facts.multiprocessors, kMaxMultiprocessors);
  gpu.f16Ops = nominalF16Ops(gpu);
  return gpu;
}
