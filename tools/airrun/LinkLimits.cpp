//===- LinkLimits.cpp - the bandwidths that limit a decode pass -----------===//
#include "tools/airrun/LinkLimits.h"

#include "formats/machine/MachineProfile.h"
#include "formats/plan/CopiedBytes.h"
#include "formats/plan/SourceFiles.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/io/DiskStream.h"
#include "tools/airrun/BenchReport.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <unistd.h>

namespace air {
namespace {

// Among many short samples, at least the best one is hardly disturbed by other
// processes.
constexpr uint32_t kProbeSamples = 25;
constexpr uint32_t kProbeMilliseconds = 2;
constexpr uint32_t kArithmeticSamples = 10;
constexpr uint32_t kDiskSamples = 4;
/// In each turn of measureTurns(), the cores read memory for this many seconds
/// while the disk is idle.
constexpr double kTurnSeconds = 0.04;

/// Prepares to measure the disk with the range of the file that contains the
/// weights.
Result<DiskLimit> diskLimitOf(const rt::Session &session) {
  if (const SourceFiles *sources = session.sources()) {
    // The disk is measured with the file that has the most bytes of weights.
    // The first file of a split model may consist of a header alone.
    const auto &records = *session.plan().sources();
    const auto weightBytes = [&](uint32_t i) {
      return records.Get(i)->bytes() - records.Get(i)->header_bytes();
    };
    uint32_t largest = 0;
    for (uint32_t i = 1; i < sources->count(); ++i) {
      largest = weightBytes(i) > weightBytes(largest) ? i : largest;
    }
    const plan::Source &record = *records.Get(largest);
    return DiskLimit::create(sources->file(largest).path(),
                             record.header_bytes(), record.bytes());
  }
  const auto &segments = *session.plan().segments();
  const auto &reads = *session.plan().reads();
  const plan::Segment &last =
      *segments.Get(reads.Get(reads.size() - 1)->segment());
  return DiskLimit::create(session.path(), segments.Get(0)->offset(),
                           last.offset() + last.stored_bytes());
}

/// Returns the first `most` bytes of the ranges, counted in the order of the
/// ranges. A range of which no byte is left becomes empty.
std::vector<std::span<const uint8_t>>
firstBytes(std::vector<std::span<const uint8_t>> ranges, uint64_t most) {
  uint64_t left = most;
  for (std::span<const uint8_t> &range : ranges) {
    range = range.first(std::min<uint64_t>(range.size(), left));
    left -= range.size();
  }
  return ranges;
}

/// Measures the rate at which threads have read memory since the clock was
/// constructed.
class MemoryClock {
public:
  explicit MemoryClock(const rt::MemoryReaders &readers)
      : readers(readers), start(monotonicSeconds()), before(readers.bytes()) {}
  double rate() const {
    return static_cast<double>(readers.bytes() - before) /
           (monotonicSeconds() - start);
  }

private:
  const rt::MemoryReaders &readers;
  double start;
  uint64_t before;
};

} // namespace

rt::DiskStream *streamingStore(const rt::Session &session) {
  rt::DiskStream *store = session.streaming();
  return store != nullptr && store->counters().bytesPerPass != 0 ? store
                                                                 : nullptr;
}

uint64_t copiedPerPass(const rt::Session &session) {
  return copiedBytesPerPass(
      *session.plan().placements()->Get(session.placement()));
}

/// Opens a CPU device that uses the threads of the session.
void LinkLimits::openCpu(const rt::Session &session) {
  device = std::make_unique<rt::CpuDevice>(session.threadPool());
}

/// Adds the link over which the CPU reads memory, "cache" or "dram" (see
/// linkOf()). A pass reads `passBytes` bytes over it.
Status LinkLimits::addMemory(double passBytes) {
  // Samples of more than `enough` bytes would only take longer.
  AIR_ASSIGN_OR_RETURN(const uint64_t enough, rt::dramBufferBytes(0));
  const auto bytes =
      static_cast<uint64_t>(std::min(passBytes, static_cast<double>(enough)));
  AIR_ASSIGN_OR_RETURN(
      rt::ReadBandwidth made,
      rt::ReadBandwidth::create(*device, device->threadPool(), bytes));
  memory.emplace(std::move(made));
  names.emplace_back(linkOf(passBytes, rt::lastLevelCacheBytes()));
  return Status::ok();
}

void LinkLimits::addArithmetic() {
  const MachineProfile host = hostProfile();
  if (rt::ArithmeticLoop loop =
          rt::arithmeticLoop(rt::Arithmetic::ByteDotMixed, host.features)) {
    arithmetic.emplace(device->threadPool(), loop);
  }
}

Result<LinkLimits> LinkLimits::createForGpu(const cli::Invocation &invocation,
                                            const rt::Session &session,
                                            double passBytes, double cpuBytes) {
  LinkLimits limits;
  AIR_ASSIGN_OR_RETURN(limits.gpu,
                       GpuLimit::create(gpuChoice(invocation, *session.gpu()),
                                        passBytes - cpuBytes));
  AIR_ASSIGN_OR_RETURN(limits.upload, limits.gpu->measureUpload());
  limits.names = {limits.gpu->link()};
  if (session.threads() != 0) {
    limits.openCpu(session);
    AIR_RETURN_IF_ERROR(limits.addMemory(cpuBytes));
    limits.addArithmetic();
    const char *const devices[] = {"gpu-", "cpu-"};
    for (size_t i = 0; i < 2; ++i) {
      std::string &name = limits.names[i];
      name = name == "cache" ? devices[i] + name : name;
    }
  }
  if (copiedPerPass(session) != 0) {
    limits.names.emplace_back("pcie");
  }
  AIR_RETURN_IF_ERROR(limits.addDisk(session));
  limits.rates.resize(limits.names.size());
  return limits;
}

Result<LinkLimits> LinkLimits::create(const cli::Invocation &invocation,
                                      rt::Session &session, double passBytes,
                                      double cpuBytes) {
  if (session.gpu() != nullptr) {
    return createForGpu(invocation, session, passBytes, cpuBytes);
  }
  LinkLimits limits;
  limits.openCpu(session);
  if (rt::DiskStream *store = streamingStore(session)) {
    AIR_ASSIGN_OR_RETURN(const uint64_t enough, rt::dramBufferBytes(0));
    // There may be no memory for a buffer, so the probe reads the weights that
    // are in RAM.
    const auto resident = firstBytes(store->residentMemory(), enough);
    limits.memory.emplace(
        rt::ReadBandwidth::over(limits.device->threadPool(), resident));
    // With --io-limit, `traffic` stays null, so that the shares of kept() are
    // not measured. DiskLimit would read at the full rate of the disk, and
    // would slow down reads of memory more than decoding does, which reads the
    // disk at the limited rate.
    if (store->readLimit() == 0) {
      Result<std::unique_ptr<rt::MemoryReaders>> readers =
          rt::MemoryReaders::over(session.threads(), resident);
      if (readers) {
        limits.traffic = *std::move(readers);
      } else if (readers.status().code() != ErrorCode::DoesNotFit) {
        return readers.status();
      }
    }
    limits.names = {"dram"};
    AIR_RETURN_IF_ERROR(limits.addDisk(session));
  } else {
    AIR_RETURN_IF_ERROR(limits.addMemory(passBytes));
  }
  limits.rates.resize(limits.names.size());
  limits.addArithmetic();
  return limits;
}

/// Adds the link "disk" if weights are read from the disk in every pass.
Status LinkLimits::addDisk(const rt::Session &session) {
  store = streamingStore(session);
  if (store != nullptr) {
    names.emplace_back("disk");
    AIR_ASSIGN_OR_RETURN(DiskLimit made, diskLimitOf(session));
    disk.emplace(std::move(made));
  }
  return Status::ok();
}

double LinkLimits::limit(size_t link) const {
  const std::vector<double> &samples = rates[link];
  return samples.empty() ? 0
                         : *std::max_element(samples.begin(), samples.end());
}

double LinkLimits::usual(size_t link) const { return medianOf(rates[link]); }

double LinkLimits::operandRate() const {
  return medianOf(operations) * kMixedOperandBytes;
}

std::optional<KeptShares> LinkLimits::kept() const {
  if (keptDisk.empty()) {
    return std::nullopt;
  }
  const auto share = [](const std::vector<double> &samples) {
    return std::clamp(medianOf(samples), kLeastKeptShare, 1.0);
  };
  return KeptShares{share(keptDisk), share(keptMemory)};
}

Status LinkLimits::measure() {
  for (size_t link = 0; link < names.size(); ++link) {
    AIR_RETURN_IF_ERROR(measure(link).status());
  }
  for (uint32_t i = 0; arithmetic && i < kArithmeticSamples; ++i) {
    operations.push_back(arithmetic->sample());
  }
  return Status::ok();
}

Result<double> LinkLimits::measure(size_t link) {
  std::vector<double> &samples = rates[link];
  if (names[link] == "disk") {
    AIR_RETURN_IF_ERROR(measureDisk(samples));
  } else if (gpu && (link == 0 || names[link] == "pcie")) {
    AIR_ASSIGN_OR_RETURN(const double found,
                         link == 0 ? gpu->measure() : gpu->measureUpload());
    samples.push_back(found);
  } else {
    const std::vector<double> found =
        memory->sample(kProbeSamples, kProbeMilliseconds);
    samples.insert(samples.end(), found.begin(), found.end());
  }
  return limit(link);
}

/// Measures the disk with the ring of the session, which must not read at the
/// same time.
Status LinkLimits::measureDisk(std::vector<double> &samples) {
  const Result<std::span<uint8_t>> ring = store->lendRing();
  Status measured = ring ? measureTurns(*ring, samples) : ring.status();
  Status returned = store->takeRingBack();
  return measured.isOk() ? returned : measured;
}

Status LinkLimits::measureTurns(std::span<uint8_t> ring,
                                std::vector<double> &samples) {
  for (uint32_t turn = 0; turn < kDiskSamples; ++turn) {
    AIR_ASSIGN_OR_RETURN(const double alone, diskRate(ring));
    samples.push_back(alone);
    if (traffic == nullptr) {
      continue;
    }
    AIR_RETURN_IF_ERROR(traffic->start());
    const MemoryClock first(*traffic);
    usleep(static_cast<useconds_t>(kTurnSeconds * 1e6));
    const double memoryAlone = first.rate();
    const MemoryClock second(*traffic);
    const Result<double> beside = diskRate(ring);
    const double memoryBeside = second.rate();
    traffic->stop();
    AIR_RETURN_IF_ERROR(beside.status());
    // The shares are fractions of these two rates. If the disk or the cores
    // read nothing in this turn, it gives no shares.
    if (alone > 0 && memoryAlone > 0) {
      keptDisk.push_back(*beside / alone);
      keptMemory.push_back(memoryBeside / memoryAlone);
    }
  }
  return Status::ok();
}

/// Takes a sample of the rate at which the session can read the disk. It is at
/// most the limit that --io-limit sets.
Result<double> LinkLimits::diskRate(std::span<uint8_t> ring) {
  AIR_ASSIGN_OR_RETURN(const double found, disk->sample(ring));
  const uint64_t most = store->readLimit();
  return most == 0 ? found : std::min(found, static_cast<double>(most));
}

} // namespace air
