//===- CodedReader.cpp - blocks decoded from coded segments ---------------===//
#include "runtime/io/CodedReader.h"

#include "formats/plan/CodedSegments.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

using namespace air;
using namespace air::rt;

CodedReader::CodedReader(const PlanFile &planFile, BlockFile opened,
                         IoMethod method)
    : RawWeightReader(planFile.plan(), method, kCodedReads), plan(planFile),
      file(std::move(opened)), scratch(kCodedReads) {
  for (const plan::Segment *segment : *plan.plan().segments()) {
    if (segment->kind() == plan::SegmentKind::Weights) {
      largestChunk = std::max(largestChunk, segment->digest_chunk());
    }
  }
  largestBlock = std::max(largestChunk, kCodedBlockBytes);
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
  AIR_RETURN_IF_ERROR(reader->allocateStaging(
      kCodedReads * (reader->largestBlock + reader->largestChunk)));
  reader->startThreads(kCodedReads);
  return OpenedReader{std::move(reader), std::move(trial.note)};
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

Status CodedReader::make(const BlockRequest &request, uint32_t thread) {
  const auto [index, begin] = placeOf(request.offset);
  const plan::Segment &segment = *plan.plan().segments()->Get(index);
  std::span<uint8_t> to(request.to, request.bytes);
  if (!isCoded(segment)) {
    return readRange(file, segment.offset() + begin, to.size(), to.data())
        .status();
  }
  // The staging memory of a thread has room for the stored bytes of a block,
  // followed by room for one decoded chunk, which is used if only a part of the
  // chunk is wanted.
  const std::span<uint8_t> memory = staging(thread);
  const StoredRange all = storedRange(segment, begin, request.bytes);
  if (all.bytes > largestBlock) {
    return internalError("a block of " + std::to_string(request.bytes) +
                         " bytes is stored in chunks of " +
                         std::to_string(all.bytes) +
                         " bytes in all, but the reader has memory for only " +
                         std::to_string(largestBlock) + " bytes");
  }
  AIR_ASSIGN_OR_RETURN(const std::span<const uint8_t> stored,
                       readRange(file, all.offset, all.bytes, memory.data()));
  uint64_t at = begin;
  while (!to.empty()) {
    const uint64_t chunk = at / segment.digest_chunk();
    const uint64_t skipped = at % segment.digest_chunk();
    const uint64_t bytes = plan.chunkBytes(index, chunk);
    const uint64_t part = std::min<uint64_t>(to.size(), bytes - skipped);
    const StoredRange range = storedRange(segment, at, 1);
    const bool isWhole = part == bytes;
    const std::span<uint8_t> raw =
        isWhole ? to.first(bytes) : memory.subspan(largestBlock, bytes);
    AIR_RETURN_IF_ERROR(
        decodeStoredChunk(
            segment, stored.subspan(range.offset - all.offset, range.bytes),
            raw, scratch[thread])
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
