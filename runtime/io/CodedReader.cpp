//===- CodedReader.cpp - blocks decoded from coded segments ---------------===//
#include "runtime/io/CodedReader.h"

#include "formats/plan/CodedSegments.h"
#include "formats/support/CheckedMath.h"
#include "runtime/io/BlockProgress.h"
#include "runtime/io/StreamSchedule.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

CodedReader::CodedReader(const PlanFile &planFile, BlockFile opened,
                         IoMethod method)
    : ThreadedReader(method, kCodedReads), plan(planFile),
      file(std::move(opened)) {
  const std::vector<uint64_t> offsets = rawOffsets(plan.plan());
  for (uint32_t i = 0; i < offsets.size(); ++i) {
    const plan::Segment &segment = *plan.plan().segments()->Get(i);
    if (segment.kind() == plan::SegmentKind::Weights) {
      begins.emplace_back(offsets[i], i);
      largestChunk = std::max(largestChunk, segment.digest_chunk());
    }
  }
}

Result<OpenedReader> CodedReader::open(const PlanFile &plan, IoMethod wanted) {
  // Opening an ordinary reader of the plan shows which method works.
  AIR_ASSIGN_OR_RETURN(OpenedReader trial,
                       openBestReader(plan.descriptor(), plan.name(),
                                      std::max(wanted, IoMethod::Pread), 1));
  const IoMethod method = trial.reader->method();
  AIR_ASSIGN_OR_RETURN(BlockFile file, BlockFile::reopen(plan.descriptor(),
                                                         plan.name(), method));
  std::unique_ptr<CodedReader> reader(
      new CodedReader(plan, std::move(file), method));
  AIR_RETURN_IF_ERROR(reader->allocateStaging());
  reader->startThreads(kCodedReads);
  return OpenedReader{std::move(reader), std::move(trial.note)};
}

CodedReader::~CodedReader() {
  stopThreads();
  if (staging != nullptr) {
    munmap(staging, stagingSize);
  }
}

Status CodedReader::allocateStaging() {
  const uint64_t block = std::max(largestChunk, kCodedBlockBytes);
  stagingSize = kCodedReads * (block + largestChunk);
  void *region = mmap(nullptr, stagingSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) {
    return doesNotFitError("the system refuses " + std::to_string(stagingSize) +
                           " bytes of memory for reading (" +
                           std::strerror(errno) + ")");
  }
  // A failure is ignored: without huge pages the disk may only read more
  // slowly.
  (void)madvise(region, stagingSize, MADV_HUGEPAGE);
  staging = static_cast<uint8_t *>(region);
  for (uint32_t i = 0; i < kCodedReads; ++i) {
    uint8_t *first = staging + i * (block + largestChunk);
    Slot slot;
    slot.stored = {first, block};
    slot.raw = {first + block, largestChunk};
    slots.push_back(std::move(slot));
  }
  return Status::ok();
}

/// The index of the segment that contains the raw byte at `offset`, and the
/// position of this byte in the segment.
std::pair<uint32_t, uint64_t> CodedReader::placeOf(uint64_t offset) const {
  const auto next = std::upper_bound(
      begins.begin(), begins.end(), offset,
      [](uint64_t wanted, const auto &begin) { return wanted < begin.first; });
  const auto &[begin, segment] = *std::prev(next);
  return {segment, offset - begin};
}

uint64_t CodedReader::sizeOfBlock(uint64_t offset, uint64_t most,
                                  uint64_t wanted) const {
  const auto [index, at] = placeOf(offset);
  const plan::Segment &segment = *plan.plan().segments()->Get(index);
  if (!isCoded(segment)) {
    return std::min(most, wanted);
  }
  const uint64_t chunk = segment.digest_chunk();
  const uint64_t end =
      (at + std::min(wanted, kCodedBlockBytes)) / chunk * chunk;
  return std::min(most, std::max(end, (at / chunk + 1) * chunk) - at);
}

Status CodedReader::readStored(uint64_t offset, std::span<uint8_t> to) {
  BlockRequest request;
  request.offset = offset;
  request.bytes = to.size();
  request.to = to.data();
  uint64_t count = 0;
  const BlockDone done = readBlock(file, request, count);
  countBytes(count);
  if (method() == IoMethod::Buffered) {
    (void)posix_fadvise(file.descriptor(), static_cast<off_t>(offset),
                        static_cast<off_t>(to.size()), POSIX_FADV_DONTNEED);
  }
  return done.status;
}

Status CodedReader::make(const BlockRequest &request, uint32_t thread) {
  const auto [index, begin] = placeOf(request.offset);
  const plan::Segment &segment = *plan.plan().segments()->Get(index);
  std::span<uint8_t> to(request.to, request.bytes);
  if (!isCoded(segment)) {
    return readStored(segment.offset() + begin, to);
  }
  Slot &slot = slots[thread];
  const StoredRange all = storedRange(segment, begin, request.bytes);
  if (all.bytes > slot.stored.size()) {
    return internalError("a block of " + std::to_string(request.bytes) +
                         " bytes contains too many coded chunks");
  }
  AIR_RETURN_IF_ERROR(readStored(all.offset, slot.stored.first(all.bytes)));
  uint64_t at = begin;
  while (!to.empty()) {
    const uint64_t chunk = at / segment.digest_chunk();
    const uint64_t skipped = at % segment.digest_chunk();
    const uint64_t bytes = plan.chunkBytes(index, chunk);
    const uint64_t part = std::min<uint64_t>(to.size(), bytes - skipped);
    const StoredRange range = storedRange(segment, at, 1);
    const bool isWhole = part == bytes;
    const std::span<uint8_t> raw =
        isWhole ? to.first(bytes) : slot.raw.first(bytes);
    AIR_RETURN_IF_ERROR(
        decodeStoredChunk(
            segment,
            slot.stored.subspan(range.offset - all.offset, range.bytes), raw,
            slot.scratch)
            .withContext("'" + plan.name() + "': chunk " +
                         std::to_string(chunk) + " of segment " +
                         std::to_string(index) + " '" + segment.name()->str() +
                         "'"));
    if (!isWhole) {
      std::memcpy(to.data(), raw.data() + skipped, part);
    }
    at += part;
    to = to.subspan(part);
  }
  return Status::ok();
}

BlockDone CodedReader::read(const BlockRequest &request, uint32_t thread) {
  return {request.id, make(request, thread)};
}
