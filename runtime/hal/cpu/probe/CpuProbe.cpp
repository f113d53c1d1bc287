//===- CpuProbe.cpp - measures the rates of this CPU ----------------------===//
#include "runtime/hal/cpu/probe/CpuProbe.h"

#include "formats/machine/TileRegisters.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/hal/cpu/CacheSizes.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/ReadBandwidth.h"
#include "runtime/hal/cpu/probe/ArithmeticLoops.h"
#include "runtime/hal/cpu/probe/ArithmeticRate.h"
#include "runtime/hal/cpu/probe/BarrierCost.h"
#include "runtime/hal/cpu/probe/DecodeRate.h"
#include "runtime/hal/cpu/probe/Rounds.h"
#include "runtime/hal/cpu/probe/StreamReaders.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

namespace air::rt {
namespace {

constexpr uint32_t kDistances[] = {1024, 4096, 9216, 16384};
constexpr uint64_t kTilePages = 8; ///< pages of a tile: 32 KiB
/// The approximate duration of a sample in which all threads read memory
/// without prefetches, in seconds. It is long compared with the time that
/// threads take to wake up, and short enough that a round takes about a second.
constexpr double kStreamSeconds = 8e-3;

/// Reads a buffer with `readers` of the `threads` threads. The readers are
/// spread evenly over the threads, so that each reads memory of its own NUMA
/// node as far as possible. Each reads `units` units of `unitPages` pages from
/// its part of the buffer. If the part consists of N units, the i-th read (from
/// i = 0) is of unit (first + i * step) mod N.
struct StreamJob {
  const uint8_t *data = nullptr;
  uint64_t partPages = 0; ///< pages of a reader's part
  uint32_t readers = 1;
  uint32_t threads = 1;
  StreamReader reader = nullptr;
  uint32_t distance = 0;
  uint64_t unitPages = 1;
  uint64_t units = 0;
  uint64_t first = 0;
  uint64_t step = 1;
  std::atomic<uint64_t> result{0}; ///< keeps the loads from being dead code

  static void run(void *context, uint32_t thread) {
    auto &job = *static_cast<StreamJob *>(context);
    const uint64_t index = ceilDiv(uint64_t{thread} * job.readers, job.threads);
    if (index >= job.readers || index * job.threads / job.readers != thread) {
      return;
    }
    const uint8_t *part = job.data + index * job.partPages * kStreamPageBytes;
    const uint64_t places = job.partPages / job.unitPages;
    uint64_t sum = 0;
    if (job.step == 1) {
      // With a step of 1, each unit lies directly behind the previous one. One
      // call reads all units up to the end of the part, so that the stream of
      // loads is not interrupted between units.
      uint64_t place = job.first % places;
      for (uint64_t left = job.units; left != 0;) {
        const uint64_t units = std::min(left, places - place);
        sum += job.reader(part + place * job.unitPages * kStreamPageBytes,
                          units * job.unitPages, job.distance);
        left -= units;
        place = 0;
      }
    } else {
      for (uint64_t i = 0; i < job.units; ++i) {
        const uint64_t place = (job.first + i * job.step) % places;
        sum += job.reader(part + place * job.unitPages * kStreamPageBytes,
                          job.unitPages, job.distance);
      }
    }
    job.result.fetch_add(sum, std::memory_order_relaxed);
  }
};

/// Returns a StreamJob::step with which the units of a part are read in
/// scattered order. `places` is the number of units in the part. The step is
/// about 0.618 * places, so that two units that are read in succession are far
/// apart. It has no common divisor with `places`, so that every unit is read
/// once before any is read again.
uint64_t scatteringStep(uint64_t places) {
  uint64_t step = std::max<uint64_t>(2, places * 618 / 1000);
  while (std::gcd(step, places) != 1) {
    ++step;
  }
  return step;
}

class Probe {
public:
  static Result<std::unique_ptr<Probe>> create(const CpuProbeOptions &options);
  Result<CpuProbeResult> run(const CpuProbeOptions &options);

private:
  void addArithmetic(std::span<const std::string> features);
  Status addDecoding();
  void addStreams();
  void addThreadCounts();
  void addTiles();
  double seconds(ThreadPool::Job job, void *context);
  /// Runs `job` once, and returns the bytes per second that all of its readers
  /// together read.
  double streamRate(StreamJob &job);
  /// Prepares `job` to read with all threads, or with a single thread if
  /// `isAlone` is true.
  void setUp(StreamJob &job, StreamLoads loads, StreamHint hint, bool isAlone);
  void calibrate();

  std::unique_ptr<CpuDevice> device;
  std::unique_ptr<BarrierCost> barrier;
  ReadBandwidth memory;
  Rounds rounds;
  uint32_t threads = 1;
  uint64_t partPages = 0;      ///< pages of each thread's part
  uint64_t pagesPerSample = 0; ///< pages that each reader reads in a sample
  uint64_t cursor = 0;         ///< the page at which the next sample begins

  size_t arithmetic[kArithmetics.size()] = {};
  bool hasArithmetic[kArithmetics.size()] = {};
  size_t planes = 0;
  size_t zstd = 0;
  size_t alone = 0;
  size_t all = 0;
  size_t tiles = 0;
  std::vector<std::pair<StreamRate, size_t>> streams;
  /// For each measured number of threads between one and all: the index of its
  /// measurement in `rounds`. `alone` is the index for one thread, and `all`
  /// the index for all threads.
  std::vector<std::pair<uint32_t, size_t>> threadCounts;
};

Result<std::unique_ptr<Probe>> Probe::create(const CpuProbeOptions &options) {
  AIR_ASSIGN_OR_RETURN(uint64_t bytes, dramBufferBytes(options.memoryBytes));
  std::unique_ptr<Probe> made(new Probe);
  made->threads = options.threads;
  AIR_ASSIGN_OR_RETURN(made->device, CpuDevice::create(options.threads));
  AIR_ASSIGN_OR_RETURN(made->barrier, BarrierCost::create(options.threads));
  const uint64_t unit = kTilePages * kStreamPageBytes * options.threads;
  AIR_ASSIGN_OR_RETURN(made->memory,
                       ReadBandwidth::create(*made->device,
                                             made->device->threadPool(),
                                             ceilDiv(bytes, unit) * unit));
  made->partPages = made->memory.part(0).size() / kStreamPageBytes;
  return made;
}

double Probe::seconds(ThreadPool::Job job, void *context) {
  const double start = monotonicSeconds();
  device->threadPool().run(job, context);
  return monotonicSeconds() - start;
}

void Probe::addArithmetic(std::span<const std::string> features) {
  const bool hasTiles =
      std::ranges::count(features, "amx-tile") != 0 && requestTileRegisters();
  for (size_t i = 0; i < kArithmetics.size(); ++i) {
    const ArithmeticLoop loop = arithmeticLoop(kArithmetics[i], features);
    if (loop == nullptr || (usesTileRegisters(kArithmetics[i]) && !hasTiles)) {
      continue;
    }
    hasArithmetic[i] = true;
    arithmetic[i] = rounds.add(
        [this, rate = ArithmeticRate(device->threadPool(), loop)]() mutable
            -> Result<double> { return rate.sample() / threads; });
  }
}

Status Probe::addDecoding() {
  for (const auto &[codec, index] : {std::pair(ChunkCodec::Planes, &planes),
                                     std::pair(ChunkCodec::Zstd, &zstd)}) {
    AIR_ASSIGN_OR_RETURN(
        DecodeRate made,
        DecodeRate::create(device->threadPool(), threads, codec));
    // std::function requires that what it holds can be copied.
    auto rate = std::make_shared<DecodeRate>(std::move(made));
    *index = rounds.add([this, rate]() -> Result<double> {
      AIR_ASSIGN_OR_RETURN(const double total, rate->sample());
      return total / threads;
    });
  }
  return Status::ok();
}

void Probe::setUp(StreamJob &job, StreamLoads loads, StreamHint hint,
                  bool isAlone) {
  job.data = memory.part(0).data();
  job.reader = streamReader(loads, hint);
  job.threads = threads;
  job.units = pagesPerSample;
  job.first = cursor;
  cursor += pagesPerSample;
  if (!isAlone) {
    job.partPages = partPages;
    job.readers = threads;
    return;
  }
  // A single reader reads its own part and the parts of the threads that follow
  // it on the same NUMA node. These parts are adjacent.
  const auto nodes = device->threadPool().nodeRuns();
  job.partPages = partPages * (nodes.empty() ? threads : nodes.front().end);
  job.readers = 1;
}

double Probe::streamRate(StreamJob &job) {
  const double time = seconds(StreamJob::run, &job);
  return static_cast<double>(job.units * job.unitPages * job.readers *
                             kStreamPageBytes) /
         time;
}

void Probe::calibrate() {
  pagesPerSample = 256;
  while (true) {
    StreamJob job;
    setUp(job, StreamLoads::Single, StreamHint::None, false);
    const double time = seconds(StreamJob::run, &job);
    if (time >= kStreamSeconds / 2) {
      pagesPerSample =
          std::max(kTilePages,
                   static_cast<uint64_t>(static_cast<double>(pagesPerSample) *
                                         kStreamSeconds / time));
      return;
    }
    pagesPerSample *= 2;
  }
}

void Probe::addStreams() {
  all = rounds.add([this]() -> Result<double> { return memory.measure(1, 8); });
  alone = rounds.add([this]() -> Result<double> {
    StreamJob job;
    setUp(job, StreamLoads::Single, StreamHint::None, true);
    return streamRate(job);
  });
  const auto add = [this](StreamLoads loads, StreamHint hint,
                          uint32_t distance) {
    const size_t index =
        rounds.add([this, loads, hint, distance]() -> Result<double> {
          StreamJob job;
          setUp(job, loads, hint, false);
          job.distance = distance;
          return streamRate(job);
        });
    streams.emplace_back(StreamRate{loads, hint, distance, 0}, index);
  };
  for (StreamLoads loads :
       {StreamLoads::Single, StreamLoads::Burst, StreamLoads::TwoStreams}) {
    add(loads, StreamHint::None, 0);
    for (StreamHint hint : {StreamHint::Nta, StreamHint::T0, StreamHint::T1,
                            StreamHint::T2, StreamHint::T1T0}) {
      for (uint32_t distance : kDistances) {
        add(loads, hint, distance);
      }
    }
  }
}

void Probe::addThreadCounts() {
  const auto add = [this](uint32_t count) {
    if (count >= threads) {
      return;
    }
    const size_t index = rounds.add([this, count]() -> Result<double> {
      StreamJob job;
      setUp(job, StreamLoads::Single, StreamHint::None, false);
      job.readers = count;
      job.partPages = partPages * threads / count;
      return streamRate(job);
    });
    threadCounts.emplace_back(count, index);
  };
  for (uint32_t count = 2; count < threads; count *= 2) {
    add(count);
    add(count + count / 2);
  }
}

void Probe::addTiles() {
  tiles = rounds.add([this]() -> Result<double> {
    const uint64_t count = std::max<uint64_t>(1, pagesPerSample / kTilePages);
    double times[2] = {};
    for (bool isScattered : {false, true}) {
      StreamJob job;
      setUp(job, StreamLoads::Burst, StreamHint::None, false);
      job.unitPages = kTilePages;
      job.units = count;
      job.first /= kTilePages;
      job.step = isScattered ? scatteringStep(partPages / kTilePages) : 1;
      times[isScattered ? 1 : 0] = seconds(StreamJob::run, &job);
    }
    return (times[1] - times[0]) / static_cast<double>(count);
  });
}

Result<CpuProbeResult> Probe::run(const CpuProbeOptions &options) {
  addArithmetic(options.features);
  AIR_RETURN_IF_ERROR(addDecoding());
  rounds.add([this]() -> Result<double> {
    AIR_RETURN_IF_ERROR(barrier->sample());
    AIR_RETURN_IF_ERROR(barrier->sample());
    return barrier->seconds();
  });
  calibrate();
  addStreams();
  addThreadCounts();
  addTiles();
  AIR_RETURN_IF_ERROR(rounds.take(options.seconds));

  const auto whole = [](double value) {
    return static_cast<uint64_t>(std::llround(std::max(0.0, value)));
  };
  CpuProbeResult result;
  result.memoryBandwidth = whole(rounds.largest(all));
  CpuRates &rates = result.rates;
  uint64_t *const fields[] = {&rates.fmaF32,       &rates.byteDot,
                              &rates.byteDotMixed, &rates.bf16Dot,
                              &rates.bf16Tile,     &rates.byteTile};
  static_assert(std::size(fields) == kArithmetics.size());
  for (size_t i = 0; i < kArithmetics.size(); ++i) {
    *fields[i] = hasArithmetic[i] ? whole(rounds.median(arithmetic[i])) : 0;
  }
  rates.planesDecode = whole(rounds.median(planes));
  rates.zstdDecode = whole(rounds.median(zstd));
  rates.readBandwidth = whole(rounds.median(alone));
  if (threads > 1) {
    result.memoryCurve.push_back({1, rates.readBandwidth});
  }
  for (const auto &[count, index] : threadCounts) {
    result.memoryCurve.push_back({count, whole(rounds.median(index))});
  }
  result.memoryCurve.push_back({threads, result.memoryBandwidth});
  for (auto &[stream, index] : streams) {
    stream.bandwidth = whole(rounds.median(index));
    rates.streams.push_back(stream);
  }
  // The result is at least 1, because 0 would mean that the time is not known.
  rates.tileNs = std::max<uint64_t>(1, whole(rounds.median(tiles) * 1e9));
  // BarrierCost keeps its fastest samples of all rounds, so no median is taken.
  rates.barrierNs = whole(barrier->seconds() * 1e9);
  const CacheSizes caches = cacheSizes("", cpuTopology().cpus.front());
  rates.l1dBytes = caches.l1d;
  rates.l2Bytes = caches.l2;
  rates.l3Bytes = caches.l3;
  return result;
}

} // namespace

Result<CpuProbeResult> probeCpu(const CpuProbeOptions &options) {
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<Probe> probe, Probe::create(options));
  return probe->run(options);
}

} // namespace air::rt
