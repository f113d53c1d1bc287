//===- DiskProbe.cpp - measures how fast a file is read -------------------===//
#include "runtime/io/probe/DiskProbe.h"

#include "formats/machine/HostFacts.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/io/BlockReader.h"
#include "runtime/io/probe/BlockMemory.h"
#include "runtime/io/probe/ScratchFile.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
/// The sizes of blocks to measure. The most promising values come first.
constexpr uint64_t kBlocks[] = {2 * kMiB, kMiB, 4 * kMiB, kMiB / 4};
constexpr uint32_t kDepths[] = {2, 4, 1};
constexpr IoMethod kMethods[] = {IoMethod::Uring, IoMethod::Pread,
                                 IoMethod::Buffered};
constexpr uint64_t kMostBytesInFlight = 4 * 4 * kMiB;
/// The first kFewestSampled combinations of method, depth and block size get a
/// sample even if the time is up. They include at least one combination with
/// each method.
constexpr size_t kFewestSampled = std::size(kDepths) * std::size(kMethods);
/// The least duration of a sample in seconds. With one sample of each, all 72
/// combinations take about 2 seconds on a drive that reads 2 GB/s.
constexpr double kSampleSeconds = 0.02;
constexpr double kPromising = 0.8;
/// The sizes of rings to measure. The usual size comes first.
constexpr uint64_t kRings[] = {kUsualRingBytes, 64 * kMiB, 8 * kMiB,
                               128 * kMiB};
/// The fraction of the probe's time that is spent on comparing ring sizes.
constexpr double kRingShare = 1.0 / 6;
/// The fraction of the probe's time that is spent on measuring how memory and
/// disk slow each other down.
constexpr double kTogetherShare = 0.2;
/// The least duration of a sample of memory alone or of the disk alone. A
/// sample of both at the same time takes at least twice as long. All three
/// samples (DiskProbe.h) together take about four times kAloneSeconds, so they
/// can be repeated several times in a second.
constexpr double kAloneSeconds = 0.04;

/// Converts a measured rate for a profile, where rates are whole numbers of at
/// least 1.
uint64_t rounded(double rate) {
  return static_cast<uint64_t>(std::llround(std::max(1.0, rate)));
}

/// A combination to measure: a method, a block size, a depth, and the size of
/// the memory pages into which blocks are read.
struct Way {
  DiskRate rate;
  BlockReader *reader = nullptr;
  uint8_t *memory = nullptr;
  /// The size of the ring, if blocks are read into successive places of the
  /// memory; 0 if each request in flight has a fixed place.
  uint64_t ringBytes = 0;
  uint64_t next = 0;                ///< where in the ring the next block goes
  std::vector<double> samples = {}; ///< bytes per second

  double median() const { return medianOf(samples); }
};

/// The rates of a sample in bytes per second.
struct Rates {
  double disk = 0;
  double memory = 0; ///< 0 if no traffic was counted
};

/// Returns the rate at which `traffic` reads memory.
double memoryRate(const MemoryTraffic &traffic) {
  const double start = monotonicSeconds();
  const uint64_t before = traffic.bytes();
  double time = 0;
  while ((time = monotonicSeconds() - start) < kAloneSeconds) {
    usleep(1000);
  }
  return static_cast<double>(traffic.bytes() - before) / time;
}

/// Returns the size of the file. Fails if the file is not suitable for
/// measuring a disk.
Result<uint64_t> checkedSize(int descriptor, const std::string &path) {
  struct stat info = {};
  if (fstat(descriptor, &info) != 0) {
    return ioError("cannot read the type and size of '" + path +
                   "': " + std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return corruptError("'" + path + "' is not a regular file");
  }
  if (isInMemory(descriptor)) {
    return unsupportedError("'" + path +
                            "' is in a file system in memory, not on a disk; "
                            "give a file on a disk");
  }
  const auto bytes = static_cast<uint64_t>(info.st_size);
  if (bytes < kFewestProbeBytes) {
    return usageError("'" + path + "' has " + std::to_string(bytes) +
                      " bytes; measuring the disk takes a file of at least " +
                      std::to_string(kFewestProbeBytes));
  }
  const off_t hole = lseek(descriptor, 0, SEEK_HOLE);
  if (hole >= 0 && static_cast<uint64_t>(hole) < bytes) {
    return unsupportedError("'" + path + "' has a hole at offset " +
                            std::to_string(hole) +
                            ", which is not stored on the disk; measure with a "
                            "file without holes");
  }
  return bytes;
}

/// Drops the file from the page cache. Returns whether more than 1 % of its
/// pages are left, for example because another process has mapped it.
bool staysCached(int descriptor, uint64_t bytes) {
  (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  void *mapping = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  if (mapping == MAP_FAILED) {
    return false;
  }
  const auto pageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((bytes + pageBytes - 1) / pageBytes);
  const bool isKnown = mincore(mapping, bytes, pages.data()) == 0;
  munmap(mapping, bytes);
  const auto cached =
      std::count_if(pages.begin(), pages.end(),
                    [](unsigned char page) { return (page & 1) != 0; });
  return isKnown && static_cast<size_t>(cached) > pages.size() / 100;
}

class Probe {
public:
  Result<DiskProbeResult> run(int descriptor, const std::string &path,
                              double seconds, MemoryTraffic *traffic);

private:
  Status prepare(int descriptor, const std::string &path);
  Status sample(Way &way);
  /// Reads for at least `least` seconds. If `traffic` is not null, also returns
  /// the rate at which it read memory in the same time.
  Result<Rates> read(Way &way, double least, const MemoryTraffic *traffic);
  Status submit(Way &way, uint64_t slot);
  /// The combinations (see Way) that are fast enough to get another sample.
  std::vector<Way *> promising();
  /// Measures rings of all sizes with the Way that chooseDiskRate() chooses
  /// from `curve`, until isOver() is true.
  Result<std::vector<RingRate>>
  measureRings(const std::vector<DiskRate> &curve,
               const std::function<bool()> &isOver);
  /// While the disk and memory are read at the same time, each reaches only a
  /// fraction of the rate that it has alone. Measures these two fractions until
  /// isOver() is true. Returns nullopt if the system has no memory for the
  /// ring, or if no rates above 0 were measured.
  Result<std::optional<KeptShares>>
  measureTogether(const std::vector<DiskRate> &curve, MemoryTraffic &traffic,
                  const std::function<bool()> &isOver);
  /// The Way that chooseDiskRate() chooses from `curve`.
  const Way &chosenWay(const std::vector<DiskRate> &curve) const;

  uint64_t fileBytes = 0;
  uint64_t cursor = 0; ///< offset of the next block
  std::map<bool, BlockMemory> memories;
  std::vector<std::unique_ptr<BlockReader>> readers;
  std::vector<Way> ways; ///< in the order of the first samples
  std::vector<std::string> notes;
};

Status Probe::prepare(int descriptor, const std::string &path) {
  AIR_ASSIGN_OR_RETURN(fileBytes, checkedSize(descriptor, path));
  for (bool hugePages : {true, false}) {
    Result<BlockMemory> memory =
        BlockMemory::create(kMostBytesInFlight, hugePages);
    if (memory) {
      memories.emplace(hugePages, *std::move(memory));
    } else if (hugePages) {
      notes.push_back(memory.status().message());
    } else {
      return memory.status();
    }
  }
  std::map<std::pair<IoMethod, uint32_t>, BlockReader *> opened;
  for (IoMethod method : kMethods) {
    if (method == IoMethod::Buffered && staysCached(descriptor, fileBytes)) {
      notes.push_back("'" + path +
                      "' stays in the page cache, so reading through the page "
                      "cache is not measured");
      continue;
    }
    for (uint32_t depth : kDepths) {
      Result<std::unique_ptr<BlockReader>> reader =
          openBlockReader(descriptor, path, method, depth);
      if (!reader && method == IoMethod::Buffered) {
        return reader.status();
      }
      if (!reader) {
        notes.push_back("the method " + std::string(ioMethodName(method)) +
                        " is not measured: " + reader.status().message());
        break;
      }
      opened[{method, depth}] = reader->get();
      readers.push_back(*std::move(reader));
    }
  }
  for (auto memory = memories.rbegin(); memory != memories.rend(); ++memory) {
    for (uint64_t block : kBlocks) {
      for (uint32_t depth : kDepths) {
        for (IoMethod method : kMethods) {
          const auto reader = opened.find({method, depth});
          if (reader != opened.end()) {
            ways.push_back({{method, block, depth, memory->first, 0},
                            reader->second,
                            memory->second.data()});
          }
        }
      }
    }
  }
  if (ways.empty()) {
    return unsupportedError("the speed of reading '" + path +
                            "' cannot be measured, because every method of "
                            "reading it failed");
  }
  return Status::ok();
}

Status Probe::submit(Way &way, uint64_t slot) {
  const uint64_t block = way.rate.blockBytes;
  if (cursor > fileBytes - block) {
    cursor = 0;
  }
  uint64_t place = slot * block;
  if (way.ringBytes != 0) {
    place = way.next;
    way.next = place + 2 * block > way.ringBytes ? 0 : place + block;
  }
  const BlockRequest request{cursor, block, way.memory + place, slot};
  cursor += block;
  return way.reader->submit(request);
}

Status Probe::sample(Way &way) {
  AIR_ASSIGN_OR_RETURN(const Rates rates, read(way, kSampleSeconds, nullptr));
  way.samples.push_back(rates.disk);
  return Status::ok();
}

Result<Rates> Probe::read(Way &way, double least,
                          const MemoryTraffic *traffic) {
  for (uint64_t slot = 0; slot < way.rate.depth; ++slot) {
    AIR_RETURN_IF_ERROR(submit(way, slot));
  }
  // The clock starts when the first block completes, so this block is not
  // counted.
  uint64_t blocks = 0;
  uint64_t before = 0;
  double start = 0;
  double time = 0;
  for (bool isStarted = false;; ++blocks) {
    AIR_ASSIGN_OR_RETURN(BlockDone done, way.reader->wait());
    AIR_RETURN_IF_ERROR(done.status);
    const double now = monotonicSeconds();
    if (!isStarted) {
      isStarted = true;
      start = now;
      before = traffic == nullptr ? 0 : traffic->bytes();
      blocks = 0;
    }
    time = now - start;
    if (blocks >= 2 * way.rate.depth && time >= least &&
        blocks * way.rate.blockBytes >= way.ringBytes) {
      break;
    }
    AIR_RETURN_IF_ERROR(submit(way, done.id));
  }
  Rates rates;
  rates.disk = static_cast<double>(blocks * way.rate.blockBytes) / time;
  if (traffic != nullptr) {
    rates.memory = static_cast<double>(traffic->bytes() - before) / time;
  }
  while (way.reader->inFlight() != 0) {
    AIR_ASSIGN_OR_RETURN(BlockDone done, way.reader->wait());
    AIR_RETURN_IF_ERROR(done.status);
  }
  return rates;
}

std::vector<Way *> Probe::promising() {
  std::map<IoMethod, double> bestOf;
  double best = 0;
  for (const Way &way : ways) {
    double &known = bestOf[way.rate.method];
    known = std::max(known, way.median());
    best = std::max(best, known);
  }
  std::vector<Way *> chosen;
  for (Way &way : ways) {
    const double rate = way.median();
    if (rate > 0 &&
        (rate >= kPromising * best || rate == bestOf[way.rate.method])) {
      chosen.push_back(&way);
    }
  }
  return chosen;
}

const Way &Probe::chosenWay(const std::vector<DiskRate> &curve) const {
  const DiskRate chosen = chooseDiskRate(curve);
  return *std::find_if(ways.begin(), ways.end(), [&](const Way &candidate) {
    return compareDiskRates(candidate.rate, chosen) == 0;
  });
}

Result<std::vector<RingRate>>
Probe::measureRings(const std::vector<DiskRate> &curve,
                    const std::function<bool()> &isOver) {
  std::vector<RingRate> rings;
  const Way &way = chosenWay(curve);
  // All rings use the same block of memory, which is as large as the largest
  // ring. Rings that would take much of the machine's memory, or for which the
  // system has no memory, are left out.
  const uint64_t capacity = memoryCapacity("");
  std::vector<uint64_t> bytes(std::begin(kRings), std::end(kRings));
  std::erase_if(bytes, [&](uint64_t size) {
    return capacity != 0 && size > capacity / 8;
  });
  std::optional<BlockMemory> memory;
  while (!bytes.empty() && !memory) {
    const uint64_t most = *std::max_element(bytes.begin(), bytes.end());
    if (Result<BlockMemory> made =
            BlockMemory::create(most, way.rate.hugePages)) {
      memory = *std::move(made);
    } else {
      std::erase(bytes, most);
    }
  }
  std::vector<Way> sizes;
  for (uint64_t size : bytes) {
    Way &ring = sizes.emplace_back(way);
    ring.memory = memory->data();
    ring.ringBytes = size;
    ring.samples.clear();
  }
  // The first size gets a sample even if the time is up.
  bool isFirst = true;
  do {
    for (Way &ring : sizes) {
      if (isFirst || !isOver()) {
        AIR_RETURN_IF_ERROR(sample(ring));
      }
      isFirst = false;
    }
  } while (!isOver() && !sizes.empty());
  for (const Way &ring : sizes) {
    if (!ring.samples.empty()) {
      rings.push_back({ring.ringBytes, rounded(ring.median())});
    }
  }
  std::sort(
      rings.begin(), rings.end(),
      [](const RingRate &a, const RingRate &b) { return a.bytes < b.bytes; });
  return rings;
}

Result<std::optional<KeptShares>>
Probe::measureTogether(const std::vector<DiskRate> &curve,
                       MemoryTraffic &traffic,
                       const std::function<bool()> &isOver) {
  Way ring = chosenWay(curve);
  Result<BlockMemory> memory =
      BlockMemory::create(kUsualRingBytes, ring.rate.hugePages);
  if (!memory) {
    return std::optional<KeptShares>();
  }
  ring.memory = memory->data();
  ring.ringBytes = kUsualRingBytes;
  std::vector<double> ofDisk;
  std::vector<double> ofMemory;
  do {
    AIR_RETURN_IF_ERROR(traffic.start());
    const double memoryAlone = memoryRate(traffic);
    const Result<Rates> together = read(ring, 2 * kAloneSeconds, &traffic);
    traffic.stop();
    AIR_RETURN_IF_ERROR(together.status());
    AIR_ASSIGN_OR_RETURN(const Rates alone, read(ring, kAloneSeconds, nullptr));
    // The shares are fractions of these rates. If one of the rates is 0, this
    // iteration adds no samples.
    if (alone.disk > 0 && memoryAlone > 0) {
      ofDisk.push_back(together->disk / alone.disk);
      ofMemory.push_back(together->memory / memoryAlone);
    }
  } while (!isOver());
  if (ofDisk.empty()) {
    return std::optional<KeptShares>();
  }
  return std::optional(KeptShares{medianOf(ofDisk), medianOf(ofMemory)});
}

Result<DiskProbeResult> Probe::run(int descriptor, const std::string &path,
                                   double seconds, MemoryTraffic *traffic) {
  const double start = monotonicSeconds();
  const auto elapsed = [&] { return monotonicSeconds() - start; };
  AIR_RETURN_IF_ERROR(prepare(descriptor, path));
  for (size_t i = 0; i < ways.size(); ++i) {
    if (i >= kFewestSampled && elapsed() > seconds / 2) {
      break;
    }
    AIR_RETURN_IF_ERROR(sample(ways[i]));
  }
  const double forRings =
      seconds * (traffic == nullptr ? 1 : 1 - kTogetherShare);
  const double forCurve = forRings - seconds * kRingShare;
  while (elapsed() < forCurve) {
    for (Way *way : promising()) {
      if (elapsed() >= forCurve) {
        break;
      }
      AIR_RETURN_IF_ERROR(sample(*way));
    }
  }
  DiskProbeResult result;
  for (Way &way : ways) {
    if (!way.samples.empty()) {
      way.rate.bandwidth = rounded(way.median());
      result.curve.push_back(way.rate);
    }
  }
  std::sort(result.curve.begin(), result.curve.end(),
            [](const DiskRate &a, const DiskRate &b) {
              return compareDiskRates(a, b) < 0;
            });
  AIR_ASSIGN_OR_RETURN(result.rings, measureRings(result.curve, [&] {
                         return elapsed() >= forRings;
                       }));
  if (traffic != nullptr) {
    AIR_ASSIGN_OR_RETURN(result.kept,
                         measureTogether(result.curve, *traffic,
                                         [&] { return elapsed() >= seconds; }));
  }
  result.notes = std::move(notes);
  return result;
}

} // namespace

Result<DiskProbeResult> air::rt::probeDisk(int descriptor,
                                           const std::string &path,
                                           double seconds,
                                           MemoryTraffic *traffic) {
  Probe probe;
  return probe.run(descriptor, path, seconds, traffic);
}
