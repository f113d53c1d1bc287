//===- StreamStore.cpp - segments of a plan larger than memory ------------===//
#include "runtime/io/StreamStore.h"

#include "formats/plan/CodedSegments.h"
#include "formats/support/CheckedMath.h"
#include "runtime/io/CodedReader.h"

#include <algorithm>
#include <utility>

using namespace air;
using namespace air::rt;

uint64_t air::rt::ramOf(const plan::Placement &placement) {
  uint64_t sum = 0;
  for (const plan::BudgetItem *item : *placement.items()) {
    if (item->tier() == plan::Tier::Ram) {
      sum = checkedAdd(sum, item->bytes()).value_or(UINT64_MAX);
    }
  }
  return sum;
}

Result<std::unique_ptr<StreamStore>> StreamStore::start(const PlanFile &plan,
                                                        StreamOptions options) {
  std::unique_ptr<StreamStore> store(new StreamStore(plan, std::move(options)));
  const StreamOptions &chosen = store->options;
  AIR_ASSIGN_OR_RETURN(
      OpenedReader opened,
      hasCodedSegments(plan.plan())
          ? CodedReader::open(plan, chosen.method)
          : openBestReader(plan.descriptor(), plan.name(), chosen.method,
                           std::max(chosen.depth, StreamOptions::kLeastDepth)));
  opened.reader->limitRate(chosen.bytesPerSecond);
  store->reader = std::move(opened.reader);
  store->methodNote = std::move(opened.note);
  StreamSchedule schedule = streamScheduleOf(plan.plan(), chosen.placement);
  AIR_ASSIGN_OR_RETURN(store->arena,
                       SegmentArena::create(schedule.segmentSizes(),
                                            schedule.windows(),
                                            schedule.ringBytes));
  for (uint32_t i = 0; i < schedule.segments.size(); ++i) {
    store->places[schedule.segments[i].segment] = i;
  }
  store->bytesPerPass = storedBytesPerPass(
      plan.plan(), *plan.plan().placements()->Get(chosen.placement));
  store->residentBytes = schedule.residentBytes();
  store->ringBytes = schedule.ringBytes;
  StreamInput input;
  input.reader = store->reader.get();
  input.blockBytes =
      std::min(chosen.blockBytes, StreamOptions::kMostBlockBytes);
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

std::span<const uint8_t> StreamStore::segment(uint32_t index) const {
  if (places[index] == kNotStreamed) {
    return file.segmentBytes(index);
  }
  return {arena->segment(places[index]),
          file.plan().segments()->Get(index)->raw_bytes()};
}

std::span<const uint8_t> StreamStore::table(uint32_t index) const {
  return file.segmentBytes(index);
}

Status StreamStore::shrinkTo(uint64_t limit) {
  const auto &placements = *file.plan().placements();
  uint32_t next = options.placement;
  while (next < placements.size() && ramOf(*placements.Get(next)) > limit) {
    ++next;
  }
  if (next == placements.size()) {
    return doesNotFitError(
        "memory: the limit is now " + std::to_string(limit) +
        " bytes, but the smallest placement of the plan needs " +
        std::to_string(ramOf(*placements.Get(next - 1))) +
        "; raise the limit, or pack the model for less memory with --ram");
  }
  StreamSchedule schedule = streamScheduleOf(file.plan(), next);
  stream->pause();
  unusable = arena->remap(schedule.windows(), schedule.ringBytes);
  AIR_RETURN_IF_ERROR(unusable);
  options.placement = next;
  bytesPerPass = storedBytesPerPass(file.plan(), *placements.Get(next));
  residentBytes = schedule.residentBytes();
  ringBytes = schedule.ringBytes;
  unusable = stream->resume(std::move(schedule));
  return unusable;
}

Status StreamStore::beginPass(uint32_t steps) {
  AIR_RETURN_IF_ERROR(unusable);
  // Weights that change between two passes would give wrong results, and rows of
  // a table that is no longer in the file could not be read at all.
  AIR_RETURN_IF_ERROR(file.checkUnchanged());
  if (options.memoryLimit) {
    uint64_t limit = options.memoryLimit();
    const auto &placements = *file.plan().placements();
    if (limit != 0 && limit < ramOf(*placements.Get(options.placement))) {
      AIR_RETURN_IF_ERROR(shrinkTo(limit));
    }
  }
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
  return rows.require(ranges);
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
  rows.endPass();
}

StreamCounters StreamStore::counters() const {
  StreamCounters counters;
  counters.diskBytes = reader->bytesRead();
  counters.tableBytes = rows.bytesNeeded();
  counters.waitedNanoseconds = stream->waitedNanoseconds();
  counters.placement = options.placement;
  counters.bytesPerPass = bytesPerPass;
  counters.residentBytes = residentBytes;
  counters.ringBytes = ringBytes;
  return counters;
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
