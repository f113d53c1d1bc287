//===- PlanWriter.cpp - writes a plan, segment by segment -----------------===//
#include "formats/plan/PlanWriter.h"

#include "formats/plan/ChunkEncoder.h"
#include "formats/plan/FatPlan.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanHeader.h"
#include "formats/plan/PlanVerifier.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "formats/support/Digest.h"

#include <algorithm>
#include <utility>

namespace air {

namespace {

/// Computes the digests of the chunks of a segment while the segment arrives in
/// pieces of any size.
class ChunkDigests {
public:
  explicit ChunkDigests(uint64_t chunk) : chunkBytes(chunk) {}

  void update(std::span<const uint8_t> piece) {
    while (!piece.empty()) {
      const auto part =
          piece.first(std::min<uint64_t>(piece.size(), chunkBytes - filled));
      digest.update(part);
      filled += part.size();
      if (filled == chunkBytes) {
        endChunk();
      }
      piece = piece.subspan(part.size());
    }
  }

  /// Returns the digests of all chunks, concatenated.
  std::vector<uint8_t> finish() {
    if (filled != 0) {
      endChunk();
    }
    return std::move(digests);
  }

private:
  void endChunk() {
    const Digest result = digest.finish();
    digests.insert(digests.end(), result.begin(), result.end());
    digest = DigestStream();
    filled = 0;
  }

  uint64_t chunkBytes;
  DigestStream digest;
  uint64_t filled = 0; // bytes of the current chunk so far
  std::vector<uint8_t> digests;
};

} // namespace

Result<PlanWriter> PlanWriter::create(const std::string &path,
                                      plan::PlanT plan) {
  AIR_ASSIGN_OR_RETURN(AtomicFile output, AtomicFile::create(path));
  return create(std::move(output), std::move(plan));
}

Result<PlanWriter> PlanWriter::create(AtomicFile output, plan::PlanT plan,
                                      unsigned threads) {
  return create(std::move(output), std::move(plan), {}, threads);
}

Result<PlanWriter> PlanWriter::create(AtomicFile output, plan::PlanT plan,
                                      std::vector<TargetRecords> targets,
                                      unsigned threads) {
  // The digests are not known yet, but they have their final size from the
  // start, so that the size of the metadata, and with it every offset, is
  // final.
  PlanWriter writer;
  writer.plan = std::move(plan);
  writer.targets = std::move(targets);
  const auto &segments = writer.plan.segments;
  AIR_RETURN_IF_ERROR(prepareDigests(writer.plan));
  for (const auto &segment : segments) {
    segment->offset = 0;
  }
  AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> draft, writer.encode());
  writer.metadataBytes = draft.size();
  AIR_ASSIGN_OR_RETURN(writer.totalBytes,
                       placeSegments(writer.plan, writer.metadataBytes));
  AIR_ASSIGN_OR_RETURN(draft, writer.encode());
  AIR_RETURN_IF_ERROR(verifyMetadata(draft, writer.totalBytes, kPlanPageBytes));

  for (const auto &segment : segments) {
    writer.isCoded |= segment->codec != plan::Codec::None;
  }
  writer.nextOffset = segments.front()->offset;
  writer.codingThreads = threads;
  writer.isVerified = true;
  writer.written.assign(segments.size(), false);
  writer.file = std::move(output);
  AIR_RETURN_IF_ERROR(writer.file.reserve(writer.totalBytes));
  return writer;
}

Result<std::vector<uint8_t>> PlanWriter::encode() const {
  return targets.empty() ? encodeMetadata(plan)
                         : encodeFatMetadata(plan, targets);
}

Result<std::string> PlanWriter::beginSegment(uint32_t index) {
  if (index >= written.size()) {
    return usageError("segment " + std::to_string(index) +
                      " does not exist; the plan has " +
                      countOf(written.size(), "segment"));
  }
  plan::SegmentT &segment = *plan.segments[index];
  std::string name =
      "segment " + std::to_string(index) + " '" + segment.name + "'";
  if (written[index]) {
    return usageError(name + " was written twice");
  }
  if (isCoded) {
    if (index != nextIndex) {
      return usageError(name + " was written before segment " +
                        std::to_string(nextIndex) +
                        "; the segments of a plan with a codec must be written "
                        "in order");
    }
    segment.offset = nextOffset;
    ++nextIndex;
  }
  return name;
}

Status PlanWriter::writeSegment(
    uint32_t index, const std::function<Status(const Sink &sink)> &produce) {
  AIR_ASSIGN_OR_RETURN(const std::string name, beginSegment(index));
  plan::SegmentT &segment = *plan.segments[index];
  if (segment.codec != plan::Codec::None) {
    AIR_RETURN_IF_ERROR(writeCoded(segment, name, produce));
    written[index] = true;
    nextOffset += segment.stored_bytes;
    return Status::ok();
  }
  nextOffset += alignUp(segment.stored_bytes, kPlanPageBytes);
  ChunkDigests digests(segment.digest_chunk);
  // The digests of a reference plan cover all bytes of its weights and tables,
  // so `produce` passes all of them, although only the first ones are stored.
  const uint64_t total = digestedBytes(plan, segment);
  uint64_t done = 0;
  AIR_RETURN_IF_ERROR(produce([&](std::span<const uint8_t> piece) -> Status {
    if (piece.size() > total - done) {
      return usageError(
          name + " was given at least " + std::to_string(done + piece.size()) +
          " bytes, but the plan declares " + std::to_string(total));
    }
    // The digests must be computed before the write. If the file that `piece`
    // is mapped from was truncated meanwhile, reading it here raises SIGBUS,
    // which is reported with the name of that file. A write from the same pages
    // would fail without naming it.
    digests.update(piece);
    if (done < segment.stored_bytes) {
      AIR_RETURN_IF_ERROR(
          blocks.write(file, segment.offset + done,
                       piece.first(std::min<uint64_t>(
                           piece.size(), segment.stored_bytes - done))));
    }
    done += piece.size();
    return Status::ok();
  }));
  if (done != total) {
    return usageError(name + " was given " + std::to_string(done) +
                      " bytes, but the plan declares " + std::to_string(total));
  }
  const std::vector<uint8_t> zeros(kPlanPageBytes);
  const auto paddingOf = [&](uint64_t bytes) {
    return std::span(zeros).first(alignUp(bytes, kPlanPageBytes) - bytes);
  };
  AIR_RETURN_IF_ERROR(blocks.write(file, segment.offset + segment.stored_bytes,
                                   paddingOf(segment.stored_bytes)));
  digests.update(paddingOf(total));
  segment.digests = digests.finish();
  written[index] = true;
  return Status::ok();
}

Status PlanWriter::copySegment(uint32_t index, const PlanFile &from,
                               uint32_t fromIndex) {
  AIR_ASSIGN_OR_RETURN(const std::string name, beginSegment(index));
  plan::SegmentT &segment = *plan.segments[index];
  if (fromIndex >= from.plan().segments()->size()) {
    return usageError("'" + from.name() + "' has " +
                      countOf(from.plan().segments()->size(), "segment") +
                      ", and no segment " + std::to_string(fromIndex));
  }
  const plan::Segment &other = *from.plan().segments()->Get(fromIndex);
  const bool isStored = segment.codec == plan::Codec::None &&
                        other.codec() == plan::Codec::None && !plan.reference &&
                        !from.isReferenced(fromIndex);
  if (!isStored || segment.stored_bytes != other.stored_bytes() ||
      segment.digest_chunk != other.digest_chunk()) {
    return usageError(
        name + " of " + std::to_string(segment.stored_bytes) +
        " bytes cannot be copied from segment " + std::to_string(fromIndex) +
        " of '" + from.name() + "', which has " +
        std::to_string(other.stored_bytes()) +
        " bytes; both must have the same size and the same size of "
        "chunks, and must be stored whole and without a codec");
  }
  AIR_RETURN_IF_ERROR(from.verifySegment(fromIndex, PagesAfter::Drop));
  const uint64_t bytes = alignUp(segment.stored_bytes, kPlanPageBytes);
  AIR_RETURN_IF_ERROR(blocks.flush(file));
  AIR_RETURN_IF_ERROR(file.copyAt(segment.offset, from.descriptor(),
                                  other.offset(),
                                  from.bytes().subspan(other.offset(), bytes)));
  if (other.digests() != nullptr) {
    segment.digests.assign(other.digests()->begin(), other.digests()->end());
  }
  written[index] = true;
  nextOffset += bytes;
  return Status::ok();
}

Status
PlanWriter::writeCoded(plan::SegmentT &segment, const std::string &name,
                       const std::function<Status(const Sink &sink)> &produce) {
  std::vector<uint8_t> chunk;
  segment.digests.clear();
  segment.chunk_ends.clear();
  uint64_t stored = 0;
  uint64_t done = 0;
  ChunkEncoder encoder(
      segment.codec, codingThreads,
      [&](const Digest &digest, std::span<const uint8_t> coded) -> Status {
        segment.digests.insert(segment.digests.end(), digest.begin(),
                               digest.end());
        AIR_RETURN_IF_ERROR(blocks.write(file, segment.offset + stored, coded));
        stored += coded.size();
        segment.chunk_ends.push_back(
            static_cast<uint32_t>(stored / kPlanPageBytes));
        return Status::ok();
      });
  AIR_RETURN_IF_ERROR(produce([&](std::span<const uint8_t> piece) -> Status {
    done += piece.size();
    if (done > segment.raw_bytes) {
      return usageError(name + " was given at least " + std::to_string(done) +
                        " bytes, but the plan declares " +
                        std::to_string(segment.raw_bytes));
    }
    while (!piece.empty()) {
      const auto part = piece.first(std::min<uint64_t>(
          piece.size(), segment.digest_chunk - chunk.size()));
      chunk.insert(chunk.end(), part.begin(), part.end());
      piece = piece.subspan(part.size());
      if (chunk.size() == segment.digest_chunk) {
        AIR_RETURN_IF_ERROR(encoder.add(std::exchange(chunk, {})));
      }
    }
    return Status::ok();
  }));
  if (done != segment.raw_bytes) {
    return usageError(name + " was given " + std::to_string(done) +
                      " bytes, but the plan declares " +
                      std::to_string(segment.raw_bytes));
  }
  if (!chunk.empty()) {
    chunk.resize(alignUp(chunk.size(), kPlanPageBytes));
    AIR_RETURN_IF_ERROR(encoder.add(std::move(chunk)));
  }
  AIR_RETURN_IF_ERROR(encoder.finish());
  segment.stored_bytes = stored;
  return Status::ok();
}

Status PlanWriter::shrinkSegment(uint32_t index, uint64_t bytes) {
  if (!targets.empty()) {
    return usageError("the size of segment " + std::to_string(index) +
                      " of a plan for several targets cannot be reduced; it "
                      "must be final when the writer is created");
  }
  if (index >= plan.segments.size()) {
    return usageError("segment " + std::to_string(index) +
                      " does not exist; the plan has " +
                      countOf(plan.segments.size(), "segment"));
  }
  for (size_t i = index; i < written.size(); ++i) {
    if (written[i]) {
      return usageError("the size of segment " + std::to_string(index) +
                        " cannot be reduced, because segment " +
                        std::to_string(i) +
                        " has been written; reduce the size of a segment "
                        "before it or a later segment is written");
    }
  }
  plan::SegmentT &segment = *plan.segments[index];
  const uint64_t digests =
      ceilDiv(bytes, segment.digest_chunk) * sizeof(Digest);
  if (bytes > segment.stored_bytes || digests != segment.digests.size()) {
    return usageError("segment " + std::to_string(index) + " '" + segment.name +
                      "' of " + std::to_string(segment.stored_bytes) +
                      " bytes cannot be changed to " + std::to_string(bytes) +
                      " bytes; it must not grow, and its number of chunks must "
                      "stay the same");
  }
  segment.stored_bytes = bytes;
  segment.raw_bytes = bytes;
  for (const auto &placement : plan.placements) {
    placement->resident[index] = bytes;
  }
  AIR_ASSIGN_OR_RETURN(totalBytes, placeSegments(plan, metadataBytes));
  isVerified = false;
  return Status::ok();
}

Status PlanWriter::finish(const Completion &complete) {
  for (size_t i = 0; i < written.size(); ++i) {
    if (!written[i]) {
      return usageError("segment " + std::to_string(i) + " '" +
                        plan.segments[i]->name + "' was never written");
    }
  }
  if (isCoded) {
    totalBytes = nextOffset;
    if (complete) {
      AIR_ASSIGN_OR_RETURN(const std::vector<uint8_t> encoded, encode());
      const std::vector<const plan::Plan *> roots = targetsIn(encoded);
      for (size_t i = 0; i < roots.size(); ++i) {
        AIR_RETURN_IF_ERROR(
            complete(targets.empty() ? plan : targets[i].plan, *roots[i]));
      }
    }
  }
  AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> metadata, encode());
  // `complete` may have changed a text such as "disk" to the shorter "cpu".
  // Bytes after the end of a FlatBuffer have no meaning, so the metadata is
  // padded with zeros.
  if (isCoded && complete && metadata.size() < metadataBytes) {
    metadata.resize(metadataBytes);
  }
  if (metadata.size() != metadataBytes) {
    return internalError("the metadata had " + std::to_string(metadataBytes) +
                         " bytes when the plan was laid out, but has " +
                         std::to_string(metadata.size()) +
                         " bytes now that it is written");
  }
  if (!isVerified || isCoded) {
    AIR_RETURN_IF_ERROR(verifyMetadata(metadata, totalBytes, kPlanPageBytes));
  }
  const std::vector<const plan::Plan *> roots = targetsIn(metadata);
  const Digest fingerprint = targetFingerprint(roots);
  const uint32_t minor = minorVersion(isFatPlan(metadata), roots);
  metadata.resize(alignUp(metadata.size(), kPlanPageBytes));
  const std::vector<uint8_t> header =
      encodeHeader(metadata, metadataBytes, totalBytes, fingerprint, minor);
  AIR_RETURN_IF_ERROR(blocks.flush(file));
  AIR_RETURN_IF_ERROR(file.writeAt(kPlanPageBytes, metadata));
  AIR_RETURN_IF_ERROR(file.writeAt(0, header));
  return file.commit(totalBytes);
}

} // namespace air
