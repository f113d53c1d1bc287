//===- ReadBandwidth.cpp - how fast this machine reads memory ---*- C++ -*-===//
#include "runtime/hal/cpu/ReadBandwidth.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/hal/cpu/CacheSizes.h"
#include "runtime/hal/cpu/CpuDevice.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kBlockBytes = 64;

using Block = uint64_t __attribute__((vector_size(64)));

/// Returns the XOR of all blocks. Computes it in eight independent chains, so
/// that the loads are the bottleneck. Reads one stream, or two at the same time
/// if `kStreams` is 2. Always inlined, because each caller is compiled for a
/// vector width of its own.
template <uint64_t kStreams>
[[gnu::always_inline]] inline uint64_t sumBlocks(const uint8_t *data,
                                                 uint64_t blocks) {
  constexpr uint64_t kChains = 8;
  constexpr uint64_t kStep = kChains / kStreams;
  Block sums[kChains] = {};
  const uint64_t part = blocks / kStreams / kStep * kStep;
  auto *first = reinterpret_cast<const Block *>(data);
  for (uint64_t i = 0; i < part; i += kStep) {
    for (uint64_t chain = 0; chain < kChains; ++chain) {
      sums[chain] ^= first[chain / kStep * part + i + chain % kStep];
    }
  }
  for (uint64_t i = kStreams * part; i < blocks; ++i) {
    sums[0] ^= first[i];
  }
  Block all = {};
  for (const Block &sum : sums) {
    all ^= sum;
  }
  uint64_t result = 0;
  for (int lane = 0; lane < 8; ++lane) {
    result ^= all[lane];
  }
  return result;
}

using SumFn = uint64_t (*)(const uint8_t *, uint64_t);

template <uint64_t kStreams>
uint64_t sumPlain(const uint8_t *data, uint64_t blocks) {
  return sumBlocks<kStreams>(data, blocks);
}

#if defined(__x86_64__)
template <uint64_t kStreams>
[[gnu::target("avx2")]] uint64_t sumAvx2(const uint8_t *data, uint64_t blocks) {
  return sumBlocks<kStreams>(data, blocks);
}
template <uint64_t kStreams>
[[gnu::target("avx512f")]] uint64_t sumAvx512(const uint8_t *data,
                                              uint64_t blocks) {
  return sumBlocks<kStreams>(data, blocks);
}
#endif

template <uint64_t kStreams> SumFn widestSum() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    return sumAvx512<kStreams>;
  }
  if (__builtin_cpu_supports("avx2")) {
    return sumAvx2<kStreams>;
  }
#endif
  return sumPlain<kStreams>;
}

/// How often reading with one stream and with two is timed before one of them
/// is chosen. The rate of memory may change in between, so the two take turns,
/// and the median of the ratios decides.
constexpr int kTries = 5;

} // namespace

uint64_t air::rt::lastLevelCacheBytes() { return cacheSizes("", 0).largest(); }

Result<ReadBandwidth> ReadBandwidth::create(Device &device, ThreadPool &pool,
                                            uint64_t bytes) {
  ReadBandwidth made;
  made.pool = &pool;
  uint64_t blocksPerThread = std::max<uint64_t>(
      1, ceilDiv(ceilDiv(bytes, kBlockBytes), pool.threads()));
  uint64_t total = blocksPerThread * pool.threads() * kBlockBytes;
  AIR_ASSIGN_OR_RETURN(DeviceAddress address,
                       device.allocate(total, "bandwidth probe"));
  auto *data =
      reinterpret_cast<const uint8_t *>(static_cast<uintptr_t>(address));
  made.memory.emplace_back(data, total);
  // Each thread writes the part that it will read. Until then, all pages of the
  // buffer are one shared page of zeros, which would stay in the cache. The
  // first write to a page places it on the NUMA node of the writing thread.
  pool.run(
      [](void *context, uint32_t thread) {
        const auto &self = *static_cast<const ReadBandwidth *>(context);
        std::span<const uint8_t> own = self.part(thread);
        std::memset(const_cast<uint8_t *>(own.data()), 0x5a, own.size());
      },
      &made);
  return made;
}

ReadBandwidth
ReadBandwidth::over(ThreadPool &pool,
                    std::vector<std::span<const uint8_t>> ranges) {
  ReadBandwidth made;
  made.pool = &pool;
  uint64_t unit = kBlockBytes * pool.threads();
  for (std::span<const uint8_t> range : ranges) {
    if (range.size() >= unit) {
      made.memory.push_back(range.first(range.size() / unit * unit));
    }
  }
  return made;
}

std::span<const uint8_t> ReadBandwidth::part(uint32_t thread) const {
  return partOf(memory.front(), thread);
}

std::span<const uint8_t> ReadBandwidth::partOf(std::span<const uint8_t> range,
                                               uint32_t thread) const {
  const uint64_t own = range.size() / pool->threads();
  return range.subspan(thread * own, own);
}

struct ReadBandwidth::Job {
  const ReadBandwidth *probe;
  SumFn sum;
  uint64_t repeats;
  std::atomic<uint64_t> result{0};
};

void ReadBandwidth::read(void *context, uint32_t thread) {
  Job &job = *static_cast<Job *>(context);
  uint64_t result = 0;
  for (uint64_t i = 0; i < job.repeats; ++i) {
    for (std::span<const uint8_t> range : job.probe->memory) {
      std::span<const uint8_t> own = job.probe->partOf(range, thread);
      result += job.sum(own.data(), own.size() / kBlockBytes);
    }
  }
  // The result is kept so that the compiler cannot remove the loads.
  job.result.fetch_add(result, std::memory_order_relaxed);
}

double ReadBandwidth::secondsOf(Job &job) {
  const double start = monotonicSeconds();
  pool->run(read, &job);
  return monotonicSeconds() - start;
}

void ReadBandwidth::chooseStreams(uint32_t milliseconds) {
  Job one{this, widestSum<1>(), repeats, {}};
  Job two{this, widestSum<2>(), repeats, {}};
  std::vector<double> ratios;
  while (ratios.size() < kTries) {
    // Each of the two comes first in every other try.
    const bool isOneFirst = ratios.size() % 2 == 0;
    const double first = secondsOf(isOneFirst ? one : two);
    const double second = secondsOf(isOneFirst ? two : one);
    if (std::min(first, second) * 1e3 < milliseconds) {
      // As in sample(), a read that is too short counts for nothing.
      one.repeats = two.repeats = repeats *= 2;
      continue;
    }
    ratios.push_back(isOneFirst ? first / second : second / first);
  }
  readsTwoStreams = medianOf(std::move(ratios)) > 1;
}

double ReadBandwidth::bestWithin(double seconds) {
  // A shorter read would be short compared with the wake-up of the threads.
  constexpr double kShortestSeconds = 0.005;
  constexpr uint32_t kLeastReads = 4;
  uint64_t bytes = 0;
  for (std::span<const uint8_t> range : memory) {
    bytes += range.size();
  }
  if (bytes == 0) {
    return 0;
  }
  Job jobs[] = {{this, widestSum<1>(), repeats, {}},
                {this, widestSum<2>(), repeats, {}}};
  double best = 0;
  const double start = monotonicSeconds();
  for (uint32_t reads = 0;
       reads < kLeastReads || monotonicSeconds() - start < seconds;) {
    Job &job = jobs[reads % 2];
    const double took = secondsOf(job);
    if (took < kShortestSeconds) {
      jobs[0].repeats = jobs[1].repeats = repeats *= 2;
      continue;
    }
    best = std::max(best, static_cast<double>(bytes) *
                              static_cast<double>(job.repeats) / took);
    ++reads;
  }
  return best;
}

double ReadBandwidth::measure(uint32_t samples, uint32_t milliseconds) {
  const std::vector<double> found = sample(samples, milliseconds);
  return found.empty() ? 0 : *std::max_element(found.begin(), found.end());
}

std::vector<double> ReadBandwidth::sample(uint32_t samples,
                                          uint32_t milliseconds) {
  double bytes = 0;
  for (std::span<const uint8_t> range : memory) {
    bytes += static_cast<double>(range.size());
  }
  std::vector<double> found;
  if (bytes != 0 && !readsTwoStreams) {
    chooseStreams(milliseconds);
  }
  Job job{this,
          readsTwoStreams == true ? widestSum<2>() : widestSum<1>(),
          repeats,
          {}};
  while (bytes != 0 && found.size() < samples) {
    const double seconds = secondsOf(job);
    if (seconds * 1e3 < milliseconds) {
      // The sample is too short compared with the wake-up of the threads. It is
      // discarded, and the number of repeats is doubled.
      job.repeats = repeats *= 2;
      continue;
    }
    found.push_back(bytes * static_cast<double>(job.repeats) / seconds);
  }
  return found;
}

Result<uint64_t> air::rt::dramBufferBytes(uint64_t memoryBytes) {
  // The smallest buffer, in bytes. It is larger than most last-level caches, in
  // case the system does not report the sizes of the caches.
  constexpr uint64_t kMinBytes = uint64_t{256} << 20;
  constexpr uint64_t kCacheMultiple = 4;
  const uint64_t bytes =
      std::max(kMinBytes,
               kCacheMultiple * allLastLevelCacheBytes("", cpuTopology().cpus));
  if (memoryBytes != 0 && bytes > memoryBytes / 2) {
    return doesNotFitError(
        "measuring the memory bandwidth takes a buffer of " +
        std::to_string(bytes) + " bytes, which is more than half of the " +
        std::to_string(memoryBytes) +
        " bytes of memory that this process may use; use a machine or a "
        "memory cgroup with more memory");
  }
  return bytes;
}

Result<double> air::rt::measureDramBandwidth(uint32_t threads,
                                             uint64_t memoryBytes,
                                             double seconds) {
  AIR_ASSIGN_OR_RETURN(uint64_t bytes, dramBufferBytes(memoryBytes));
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<CpuDevice> device,
                       CpuDevice::create(threads));
  AIR_ASSIGN_OR_RETURN(
      ReadBandwidth memory,
      ReadBandwidth::create(*device, device->threadPool(), bytes));
  return memory.bestWithin(seconds);
}
