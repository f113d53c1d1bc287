//===- PlanReader.cpp - opens and verifies a plan -------------------------===//
#include "formats/plan/PlanReader.h"

#include "formats/model/TokenizerData.h"
#include "formats/plan/Choice.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/FatPlan.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanVerifier.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/Digest.h"

#include <algorithm>
#include <cstring>

namespace air {

namespace {

Digest digestIn(const uint8_t (&field)[16]) {
  Digest digest;
  std::memcpy(digest.data(), field, digest.size());
  return digest;
}

bool allZero(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](uint8_t byte) { return byte == 0; });
}

Status digestChanged(const std::string &rule, const std::string &what,
                     const Digest &recorded, const Digest &found) {
  return verificationError(rule + ": the bytes of " + what +
                           " have changed: the recorded digest is " +
                           toHex(recorded) + ", the computed one is " +
                           toHex(found) +
                           "; copy the plan again or pack the model again");
}

/// Copies the header from the start of `bytes`, the plan's file, to `header`.
/// Verifies the header as far as this is possible without the metadata.
Status verifyHeader(std::span<const uint8_t> bytes, PlanHeader &header) {
  const std::string size = std::to_string(bytes.size());
  if (bytes.size() < sizeof(kPlanMagic) ||
      std::memcmp(bytes.data(), kPlanMagic, sizeof(kPlanMagic)) != 0) {
    return corruptError("header.magic: not a plan: the file does not start "
                        "with \"AIRPLAN\"; make a plan with airpack");
  }
  if (bytes.size() < kPlanPageBytes) {
    return corruptError("header.size: the file has " + size +
                        " bytes, but a plan's header has " +
                        std::to_string(kPlanPageBytes) +
                        ": the file is truncated; copy it again");
  }
  const std::span<const uint8_t> page = bytes.first(kPlanPageBytes);
  std::memcpy(&header, page.data(), sizeof(header));
  const Digest recorded = digestIn(header.headerDigest);
  if (const Digest found = headerDigest(page); found != recorded) {
    return digestChanged("header.digest", "the header", recorded, found);
  }
  if (header.major != kPlanMajor || header.minor > kPlanMinor) {
    return unsupportedError(
        "header.version: the plan has format " + std::to_string(header.major) +
        "." + std::to_string(header.minor) +
        ", but this version reads only format " + std::to_string(kPlanMajor) +
        ", up to " + std::to_string(kPlanMajor) + "." +
        std::to_string(kPlanMinor) + "; pack the model again");
  }
  if (header.pageLog2 != kPlanPageLog2) {
    return unsupportedError("header.page: the plan has pages of 2^" +
                            std::to_string(header.pageLog2) +
                            " bytes, but this version reads pages of 2^" +
                            std::to_string(kPlanPageLog2) +
                            " bytes; pack the model again");
  }
  if (header.headerBytes != kPlanPageBytes) {
    return verificationError(
        "header.header_bytes: the header states its size as " +
        std::to_string(header.headerBytes) + " bytes; it must be " +
        std::to_string(kPlanPageBytes));
  }
  if (!allZero(page.subspan(sizeof(PlanHeader)))) {
    return verificationError("header.reserved: bytes " +
                             std::to_string(sizeof(PlanHeader)) + " to " +
                             std::to_string(kPlanPageBytes - 1) +
                             " of the header must be zero");
  }
  if (header.fileBytes != bytes.size()) {
    return corruptError(
        "header.file_bytes: the file has " + size +
        " bytes, but its header states " + std::to_string(header.fileBytes) +
        (bytes.size() < header.fileBytes
             ? ": the file is truncated; copy it again"
             : ": there are extra bytes after the plan; copy it again"));
  }
  if (header.metadataOffset != kPlanPageBytes) {
    return verificationError("header.metadata_offset: the header places the "
                             "metadata at byte " +
                             std::to_string(header.metadataOffset) +
                             "; it must start at byte " +
                             std::to_string(kPlanPageBytes));
  }
  const auto padded = checkedAlignUp(header.metadataBytes, kPlanPageBytes);
  if (header.metadataBytes == 0 || header.metadataBytes > kMaxMetadataBytes ||
      !padded || !rangeFits(kPlanPageBytes, *padded, bytes.size())) {
    return verificationError(
        "header.metadata_bytes: the header states " +
        std::to_string(header.metadataBytes) +
        " bytes of metadata; there must be 1 to " +
        std::to_string(kMaxMetadataBytes) +
        ", and with the padding to whole pages they must fit in the file of " +
        size + " bytes");
  }
  return Status::ok();
}

/// Whether a token of the plan's vocabulary has a flag that readers know only
/// from version 4.3 on.
bool fusesUnknownParts(const plan::Plan *plan) {
  const auto *flags = plan->tokenizer()->matching();
  for (uint32_t i = 0; flags != nullptr && i < flags->size(); ++i) {
    if ((flags->Get(i) & match_flags::kFused) != 0) {
      return true;
    }
  }
  return false;
}

/// Whether the tokenizer of a plan has records that readers know only from
/// version 4.4 on.
bool hasPipeline(const plan::Plan *plan) {
  const plan::Tokenizer &tokenizer = *plan->tokenizer();
  const auto size = [](const auto *list) {
    return list == nullptr ? 0 : list->size();
  };
  return size(tokenizer.after_bos()) + size(tokenizer.before_eos()) != 0 ||
         (tokenizer.rules() != nullptr &&
          tokenizer.rules()->pipeline() != nullptr);
}

/// Checks the minor version of a file with the targets `roots`.
Status checkMinor(uint32_t minor, bool isFat,
                  const std::vector<const plan::Plan *> &roots) {
  const struct {
    bool applies;
    uint32_t wanted;
    const char *where;
  } cases[] = {
      {std::ranges::any_of(
           roots,
           [](const plan::Plan *plan) { return prefetchesTwice(*plan); }),
       kPrefetchTwiceMinor,
       " in a plan for a machine with a stream of the hint t1t0"},
      {std::ranges::any_of(roots, hasPipeline), kPipelineMinor,
       " in a plan whose tokenizer has a pipeline, or several tokens before or "
       "after a text"},
      {std::ranges::any_of(
           roots, [](const plan::Plan *plan) { return hasDraw(*plan); }),
       kDrawMinor, " in a plan for a GPU that can draw tokens"},
      {std::ranges::any_of(roots, fusesUnknownParts), kFusedUnknownMinor,
       " in a plan whose tokenizer joins unknown parts of a word"},
      {isFat, kFatPlanMinor, " in a plan for several targets"},
  };
  std::string wanted = "0 or 1 in a plan for one target";
  bool isRight = minor <= kSinglePlanMinor;
  for (const auto &each : cases) {
    if (each.applies) {
      wanted = std::to_string(each.wanted) + each.where;
      isRight = minor == each.wanted;
      break;
    }
  }
  return isRight ? Status::ok()
                 : verificationError("header.version: the minor version is " +
                                     std::to_string(minor) + "; it must be " +
                                     wanted);
}

} // namespace

Result<PlanFile> PlanFile::open(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(MappedFile mapping, MappedFile::open(path));
  AIR_ASSIGN_OR_RETURN(PlanFile file, parse(mapping.bytes(), path));
  file.mappedFile = std::move(mapping);
  return file;
}

Result<PlanFile> PlanFile::parse(std::span<const uint8_t> bytes,
                                 const std::string &name) {
  const std::string where = "'" + name + "'";
  PlanFile file;
  file.all = bytes;
  file.fileName = name;
  AIR_RETURN_IF_ERROR(verifyHeader(bytes, file.head).withContext(where));

  const uint64_t used = file.head.metadataBytes;
  const uint64_t padded = alignUp(used, kPlanPageBytes);
  // The metadata is copied, because the file may be overwritten while the plan
  // runs. The tables in the mapping would then no longer be those that were
  // verified, and it would not be safe to follow their offsets.
  const std::span<const uint8_t> stored = bytes.subspan(kPlanPageBytes, padded);
  file.metadata.assign(stored.begin(), stored.end());
  const std::span<const uint8_t> metadata = file.metadata;
  const Digest recorded = digestIn(file.head.metadataDigest);
  if (const Digest found = digestOf(metadata); found != recorded) {
    return digestChanged("metadata.digest", "the metadata", recorded, found)
        .withContext(where);
  }
  if (!allZero(metadata.subspan(used))) {
    return verificationError("metadata.padding: the bytes between the metadata "
                             "and the next page must be zero")
        .withContext(where);
  }
  AIR_RETURN_IF_ERROR(
      verifyMetadata(metadata.first(used), bytes.size(), kPlanPageBytes)
          .withContext(where));
  file.roots = targetsIn(metadata);
  AIR_RETURN_IF_ERROR(
      checkMinor(file.head.minor, isFatPlan(metadata), file.roots)
          .withContext(where));
  file.choose(0);
  // verifyMetadata() has checked that the segments of all targets together are
  // contiguous up to the end of the file. There must be no gap between the
  // metadata and the first segment, either.
  uint64_t first = UINT64_MAX;
  for (const plan::Plan *target : file.roots) {
    first = std::min(first, target->segments()->Get(0)->offset());
  }
  if (first != kPlanPageBytes + padded) {
    return verificationError("metadata.gap: the first segment starts at byte " +
                             std::to_string(first) +
                             ", but the metadata ends at byte " +
                             std::to_string(kPlanPageBytes + padded) +
                             "; there must be no gap")
        .withContext(where);
  }
  const Digest fingerprint = targetFingerprint(file.roots);
  const Digest claimed = digestIn(file.head.targetFingerprint);
  if (claimed != fingerprint) {
    return verificationError(
               "header.target_fingerprint: the target's fingerprint is " +
               toHex(claimed) + " in the header, but " + toHex(fingerprint) +
               " according to the machine records in the metadata")
        .withContext(where);
  }
  return file;
}

void PlanFile::release(uint32_t index) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  mappedFile.release(segment.offset(), segment.stored_bytes());
}

void PlanFile::dropFromCache(uint32_t index) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  mappedFile.dropFromCache(segment.offset(), segment.stored_bytes());
}

bool PlanFile::isReferenced(uint32_t index) const {
  return root->reference() &&
         root->segments()->Get(index)->kind() != plan::SegmentKind::Kernels;
}

std::span<const uint8_t> PlanFile::segmentBytes(uint32_t index) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  return all.subspan(segment.offset(), segment.stored_bytes());
}

uint64_t PlanFile::chunkCount(uint32_t index) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  return ceilDiv(digestedBytes(*root, segment), segment.digest_chunk());
}

uint64_t PlanFile::chunkBytes(uint32_t index, uint64_t chunk) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  const uint64_t padded =
      alignUp(digestedBytes(*root, segment), kPlanPageBytes);
  const uint64_t size = segment.digest_chunk();
  return std::min(size, padded - chunk * size);
}

Status PlanFile::verifyChunk(uint32_t index, uint64_t chunk,
                             std::span<const uint8_t> bytes) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  const std::string what = "chunk " + std::to_string(chunk) + " of segment " +
                           std::to_string(index) + " '" +
                           segment.name()->str() + "'";
  if (const uint64_t expected = chunkBytes(index, chunk);
      bytes.size() != expected) {
    return verificationError("segment.digest: " + what + " has " +
                             std::to_string(expected) + " bytes, but " +
                             std::to_string(bytes.size()) +
                             " bytes were given to be verified")
        .withContext("'" + fileName + "'");
  }
  Digest recorded;
  std::copy_n(segment.digests()->data() + chunk * recorded.size(),
              recorded.size(), recorded.begin());
  if (const Digest found = digestOf(bytes); found != recorded) {
    if (isReferenced(index)) {
      return verificationError(
                 "segment.digest: the bytes of " + what +
                 ", most of which lie in the model's file, have changed: the "
                 "recorded digest is " +
                 toHex(recorded) + ", the computed one is " + toHex(found) +
                 "; restore the model's file, or pack it again")
          .withContext("'" + fileName + "'");
    }
    return digestChanged("segment.digest", what, recorded, found)
        .withContext("'" + fileName + "'");
  }
  return Status::ok();
}

Status PlanFile::verifyChunk(uint32_t index, uint64_t chunk) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  if (isReferenced(index)) {
    return internalError("segment " + std::to_string(index) +
                         " of a reference plan cannot be verified without the "
                         "files that hold its weights");
  }
  if (isCoded(segment)) {
    const StoredRange stored =
        storedRange(segment, chunk * segment.digest_chunk(), 1);
    std::vector<uint8_t> raw(chunkBytes(index, chunk));
    ChunkScratch scratch;
    AIR_RETURN_IF_ERROR(
        decodeStoredChunk(segment, all.subspan(stored.offset, stored.bytes),
                          raw, scratch)
            .withContext("'" + fileName + "': chunk " + std::to_string(chunk) +
                         " of segment " + std::to_string(index) + " '" +
                         segment.name()->str() + "'"));
    return verifyChunk(index, chunk, raw);
  }
  return verifyChunk(
      index, chunk,
      all.subspan(segment.offset() + chunk * segment.digest_chunk(),
                  chunkBytes(index, chunk)));
}

Status PlanFile::verifySegment(uint32_t index, PagesAfter pagesAfter) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  // The pages are dropped in pieces of 8 MiB or more. Chunks may be as small as
  // 64 KiB, and a system call for each chunk would take longer than computing
  // its digest.
  constexpr uint64_t kPiece = uint64_t{8} << 20;
  const uint64_t padded = alignUp(segment.stored_bytes(), kPlanPageBytes);
  if (isReferenced(index)) {
    if (!allZero(all.subspan(segment.offset() + segment.stored_bytes(),
                             padded - segment.stored_bytes()))) {
      return verificationError("segment.padding: the bytes after segment " +
                               std::to_string(index) + " '" +
                               segment.name()->str() + "' must be zero")
          .withContext("'" + fileName + "'");
    }
    return Status::ok();
  }
  uint64_t dropped = 0;
  uint64_t done = 0;
  for (uint64_t chunk = 0; chunk < chunkCount(index); ++chunk) {
    AIR_RETURN_IF_ERROR(verifyChunk(index, chunk));
    done += isCoded(segment)
                ? storedRange(segment, chunk * segment.digest_chunk(), 1).bytes
                : chunkBytes(index, chunk);
    if (pagesAfter == PagesAfter::Drop && !mappedFile.bytes().empty() &&
        (done - dropped >= kPiece || done == padded)) {
      mappedFile.release(segment.offset() + dropped, done - dropped);
      dropped = done;
    }
  }
  return Status::ok();
}

} // namespace air
