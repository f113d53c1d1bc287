//===- StreamStore.cpp - segments of a plan larger than memory ------------===//
#include "runtime/io/StreamStore.h"

#include "formats/plan/CodedSegments.h"
#include "formats/support/CheckedMath.h"
#include "runtime/io/CodedReader.h"
#include "runtime/io/SourceReader.h"

#include <algorithm>
#include <utility>

using namespace air;
using namespace air::rt;

/// Two threads clear memory about as fast as a fast disk fills it.
static constexpr unsigned kPopulatingThreads = 2;

/// The number of bytes that are read to load the resident weights. Weights that
/// are stored with a codec count with their coded size.
static uint64_t storedResidentBytes(const plan::Plan &plan,
                                    const StreamSchedule &schedule) {
  uint64_t sum = 0;
  for (const ScheduledRead &read : schedule.reads) {
    if (read.isResident) {
      sum += storedRange(
                 *plan.segments()->Get(schedule.segments[read.segment].segment),
                 read.offset, read.bytes)
                 .bytes;
    }
  }
  return sum;
}

Result<std::unique_ptr<StreamStore>> StreamStore::start(const PlanFile &plan,
                                                        StreamOptions options) {
  std::unique_ptr<StreamStore> store(new StreamStore(plan, std::move(options)));
  const StreamOptions &chosen = store->options;
  AIR_ASSIGN_OR_RETURN(OpenedReader opened, store->openReader());
  opened.reader->limitRate(chosen.bytesPerSecond);
  store->reader = std::move(opened.reader);
  store->methodNote = std::move(opened.note);
  StreamSchedule schedule = streamScheduleOf(plan.plan(), chosen.placement);
  AIR_ASSIGN_OR_RETURN(
      store->arena,
      SegmentArena::create(schedule.segmentSizes(), schedule.windows(),
                           schedule.ringBytes, chosen.mostMappings));
  store->placeResidentBytes(schedule);
  for (uint32_t i = 0; i < schedule.segments.size(); ++i) {
    store->places[schedule.segments[i].segment] = i;
  }
  store->bytesPerPass = storedBytesPerPass(
      plan.plan(), *plan.plan().placements()->Get(chosen.placement));
  store->residentBytes = schedule.residentBytes();
  store->ringBytes = schedule.ringBytes;
  store->firstPassBytes =
      storedResidentBytes(plan.plan(), schedule) + store->bytesPerPass;
  StreamInput input;
  input.reader = store->reader.get();
  input.blockBytes =
      std::min(chosen.blockBytes, StreamOptions::kMostBlockBytes);
  input.readsIntoRing = store->isReadDirectly();
  input.verify = [&plan](uint32_t segment, uint64_t offset,
                         std::span<const uint8_t> bytes) {
    uint64_t chunk = plan.plan().segments()->Get(segment)->digest_chunk();
    return plan.verifyChunk(segment, offset / chunk, bytes);
  };
  AIR_ASSIGN_OR_RETURN(store->stream,
                       WeightStream::start(std::move(schedule), *store->arena,
                                           std::move(input)));
  return store;
}

bool StreamStore::isReadDirectly() const {
  return !hasCodedSegments(file.plan()) && !file.plan().reference();
}

Result<OpenedReader> StreamStore::openReader() {
  if (hasCodedSegments(file.plan())) {
    return CodedReader::open(file, options.method);
  }
  if (!file.plan().reference()) {
    return openBestReader(file.descriptor(), file.name(), options.method,
                          std::max(options.depth, StreamOptions::kLeastDepth));
  }
  if (options.sources == nullptr) {
    return internalError(
        "a reference plan cannot be read without the files of its model");
  }
  referenced.emplace(file.plan());
  AIR_ASSIGN_OR_RETURN(
      tables, SourceTables::create(file, *options.sources, *referenced));
  return SourceReader::open(file, *options.sources, *referenced,
                            options.method);
}

std::span<const uint8_t> StreamStore::segment(uint32_t index) const {
  if (places[index] == kNotStreamed) {
    return file.isReferenced(index) ? table(index) : file.segmentBytes(index);
  }
  return {arena->segment(places[index]),
          file.plan().segments()->Get(index)->raw_bytes()};
}

std::span<const uint8_t> StreamStore::table(uint32_t index) const {
  if (tables != nullptr) {
    return tables->table(index);
  }
  return file.segmentBytes(index);
}

/// Chooses the NUMA nodes on which the memory of the resident bytes will lie.
/// Then starts `populator`, which makes the system allocate this memory while
/// the bytes are read.
void StreamStore::placeResidentBytes(const StreamSchedule &schedule) {
  std::vector<std::span<uint8_t>> ranges;
  for (const ScheduledRead &read : schedule.reads) {
    if (read.isResident) {
      uint8_t *begin = arena->segment(read.segment);
      preferNodes({begin, schedule.segments[read.segment].bytes}, read.bytes,
                  options.nodeParts);
      ranges.emplace_back(begin, read.bytes);
    }
  }
  populator.emplace(std::move(ranges), kPopulatingThreads);
}

Status StreamStore::mapPlacement(uint32_t placement) {
  populator.reset();
  StreamSchedule schedule = streamScheduleOf(file.plan(), placement);
  AIR_RETURN_IF_ERROR(arena->remap(schedule.windows(), schedule.ringBytes));
  placeResidentBytes(schedule);
  options.placement = placement;
  bytesPerPass = storedBytesPerPass(file.plan(),
                                    *file.plan().placements()->Get(placement));
  residentBytes = schedule.residentBytes();
  ringBytes = schedule.ringBytes;
  return stream->resume(std::move(schedule));
}

Status StreamStore::changeTo(uint32_t placement) {
  const uint32_t before = options.placement;
  stream->pause();
  unusable = mapPlacement(placement);
  if (!unusable.isOk() && placement < before &&
      unusable.code() == ErrorCode::DoesNotFit) {
    // The limits allow as much memory as the larger placement needs, but the
    // system has refused it.
    isGrowthRefused = true;
    unusable = mapPlacement(before);
  }
  return unusable;
}

/// Changes to another placement if the limits of memory require or allow it.
Status StreamStore::adaptToMemory() {
  const std::optional<MemoryRoom> room =
      options.memoryRoom ? options.memoryRoom() : std::nullopt;
  if (!room) {
    return Status::ok();
  }
  const auto &placements = *file.plan().placements();
  const uint64_t usable =
      usableBytes(*placements.Get(options.placement), *room, ringBytes);
  const auto fits = [&](uint32_t index) {
    const uint64_t needed = ramOf(*placements.Get(index));
    return needed <= room->smallest && needed <= usable &&
           (options.ram == 0 || needed <= options.ram);
  };
  if (!fits(options.placement)) {
    roomyPasses = 0;
    uint32_t next = options.placement + 1;
    while (next < placements.size() && !fits(next)) {
      ++next;
    }
    if (next < placements.size()) {
      return changeTo(next);
    }
    const uint64_t least = ramOf(*placements.Get(next - 1));
    return doesNotFitError(
        "memory: " +
        (least > room->smallest
             ? "the limit is now " + std::to_string(room->smallest) + " bytes"
             : leftText(*room, usable)) +
        ", but the plan needs at least " + std::to_string(least) +
        "; raise the limit, end other processes that use this memory, or pack "
        "the model for less memory with --ram");
  }
  if (options.placement == 0 || !fits(options.placement - 1) ||
      isGrowthRefused) {
    roomyPasses = 0;
    return Status::ok();
  }
  if (roomyPasses == 0) {
    growthPass = kPassesBeforeGrowth + options.growthDelay;
  }
  if (++roomyPasses < growthPass) {
    return Status::ok();
  }
  growthPass = roomyPasses + kPassesBetweenGrowths;
  return changeTo(options.placement - 1);
}

Status StreamStore::beginPass(uint32_t steps) {
  AIR_RETURN_IF_ERROR(unusable);
  // Weights that change between two passes would give wrong results, and rows
  // of a table that is no longer in the file could not be read at all.
  AIR_RETURN_IF_ERROR(file.checkUnchanged());
  if (options.sources != nullptr) {
    AIR_RETURN_IF_ERROR(options.sources->checkUnchanged());
  }
  AIR_RETURN_IF_ERROR(adaptToMemory());
  stream->beginPass(steps);
  return Status::ok();
}

Status StreamStore::requireNow(std::span<const uint32_t> segments) {
  for (uint32_t index : segments) {
    AIR_RETURN_IF_ERROR(file.verifySegment(index));
  }
  return Status::ok();
}

Status StreamStore::require(uint32_t step, std::span<const uint32_t>) {
  return stream->require(step);
}

Status StreamStore::requireRows(std::span<const SegmentRange> ranges) {
  return tables != nullptr ? tables->require(ranges) : rows.require(ranges);
}

Status StreamStore::requireRest() {
  if (bytesPerPass != 0) {
    return Status::ok();
  }
  return stream->require(file.plan().programs()->Get(0)->steps()->size() - 1);
}

void StreamStore::release(uint32_t step) { stream->release(step); }

void StreamStore::endPass() {
  stream->endPass();
  if (tables != nullptr) {
    tables->endPass(*file.plan().placements()->Get(options.placement));
  } else {
    rows.endPass();
  }
}

StreamCounters StreamStore::counters() const {
  StreamCounters counters;
  counters.diskBytes = reader->bytesRead();
  counters.tableBytes =
      tables != nullptr ? tables->bytesNeeded() : rows.bytesNeeded();
  counters.waitedNanoseconds = stream->waitedNanoseconds();
  counters.placement = options.placement;
  counters.bytesPerPass = bytesPerPass;
  counters.residentBytes = residentBytes;
  counters.ringBytes = ringBytes;
  return counters;
}

Result<std::span<uint8_t>> StreamStore::lendRing() {
  AIR_RETURN_IF_ERROR(unusable);
  stream->pause();
  return isReadDirectly() ? arena->ring() : std::span<uint8_t>();
}

Status StreamStore::takeRingBack() {
  AIR_RETURN_IF_ERROR(unusable);
  return stream->resume();
}

std::vector<std::span<const uint8_t>> StreamStore::residentMemory() const {
  std::vector<std::span<const uint8_t>> ranges;
  const plan::Placement &placement =
      *file.plan().placements()->Get(options.placement);
  for (uint32_t i = 0; i < places.size(); ++i) {
    if (places[i] != kNotStreamed) {
      ranges.push_back(segment(i).first(placement.resident()->Get(i)));
    }
  }
  return ranges;
}
