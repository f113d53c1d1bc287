//===- PlanReader.cpp - opens a plan, trusting nothing --------------------===//
#include "formats/plan/PlanReader.h"

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
                           " changed: recorded digest " + toHex(recorded) +
                           ", found " + toHex(found) +
                           "; pack the plan again or copy it again");
}

/// The header page: everything that is read before the metadata.
Status verifyHeader(std::span<const uint8_t> bytes, PlanHeader &header) {
  const std::string size = std::to_string(bytes.size());
  if (bytes.size() < sizeof(kPlanMagic) ||
      std::memcmp(bytes.data(), kPlanMagic, sizeof(kPlanMagic)) != 0) {
    return corruptError("header.magic: not a plan: it does not start with "
                        "\"AIRPLAN\"; airpack makes plans");
  }
  if (bytes.size() < kPlanPageBytes) {
    return corruptError("header.size: the file has " + size +
                        " bytes and a plan's header has " +
                        std::to_string(kPlanPageBytes) +
                        ": it is cut off; copy it again");
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
        "." + std::to_string(header.minor) + " and this version reads " +
        std::to_string(kPlanMajor) + ".0 to " + std::to_string(kPlanMajor) +
        "." + std::to_string(kPlanMinor) + "; pack the model again");
  }
  if (header.pageLog2 != kPlanPageLog2) {
    return unsupportedError(
        "header.page: pages of 2^" + std::to_string(header.pageLog2) +
        " bytes; this version reads 2^" + std::to_string(kPlanPageLog2));
  }
  if (header.headerBytes != kPlanPageBytes) {
    return verificationError("header.header_bytes: the header claims " +
                             std::to_string(header.headerBytes) +
                             " bytes; it has " +
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
        " bytes and its header says " + std::to_string(header.fileBytes) +
        (bytes.size() < header.fileBytes ? ": it is cut off; copy it again"
                                         : ": something follows the plan"));
  }
  if (header.metadataOffset != kPlanPageBytes) {
    return verificationError("header.metadata_offset: the metadata is said to "
                             "start at " +
                             std::to_string(header.metadataOffset) +
                             "; it starts at " +
                             std::to_string(kPlanPageBytes));
  }
  const auto padded = checkedAlignUp(header.metadataBytes, kPlanPageBytes);
  if (header.metadataBytes == 0 || header.metadataBytes > kMaxMetadataBytes ||
      !padded || !rangeFits(kPlanPageBytes, *padded, bytes.size())) {
    return verificationError(
        "header.metadata_bytes: " + std::to_string(header.metadataBytes) +
        " bytes of metadata, in whole pages, are not in a file of " + size +
        " (and at most " + std::to_string(kMaxMetadataBytes) + ")");
  }
  return Status::ok();
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
  // A copy: were the file overwritten while the plan runs, its tables would no
  // longer be those that were verified, and following them would not be safe.
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
  AIR_RETURN_IF_ERROR(verifyStructure(metadata.first(used)).withContext(where));
  file.root = plan::GetPlan(metadata.data());
  AIR_RETURN_IF_ERROR(
      verifyPlan(*file.root, bytes.size(), kPlanPageBytes).withContext(where));
  // verifyPlan sees to it that the segments follow each other to the file's
  // end; nothing lies between the metadata and the first either.
  const uint64_t first = file.root->segments()->Get(0)->offset();
  if (first != kPlanPageBytes + padded) {
    return verificationError("metadata.gap: the first segment starts at " +
                             std::to_string(first) + "; the metadata ends at " +
                             std::to_string(kPlanPageBytes + padded))
        .withContext(where);
  }
  const Digest fingerprint = targetFingerprint(*file.root->machine());
  const Digest claimed = digestIn(file.head.targetFingerprint);
  if (claimed != fingerprint) {
    return verificationError("header.target_fingerprint: the header says " +
                             toHex(claimed) + ", the machine record gives " +
                             toHex(fingerprint))
        .withContext(where);
  }
  return file;
}

std::span<const uint8_t> PlanFile::segmentBytes(uint32_t index) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  return all.subspan(segment.offset(), segment.stored_bytes());
}

Status PlanFile::verifySegment(uint32_t index, PagesAfter pagesAfter) const {
  const plan::Segment &segment = *root->segments()->Get(index);
  const uint64_t padded = alignUp(segment.stored_bytes(), kPlanPageBytes);
  Digest recorded;
  std::copy_n(segment.digest()->data(), recorded.size(), recorded.begin());
  constexpr uint64_t kPiece = uint64_t{8} << 20;
  DigestStream stream;
  for (uint64_t done = 0; done < padded; done += kPiece) {
    const uint64_t offset = segment.offset() + done;
    const uint64_t bytes = std::min(kPiece, padded - done);
    stream.update(all.subspan(offset, bytes));
    if (pagesAfter == PagesAfter::Drop && !mappedFile.bytes().empty()) {
      mappedFile.release(offset, bytes);
    }
  }
  const Digest found = stream.finish();
  if (found != recorded) {
    return digestChanged("segment.digest",
                         "segment " + std::to_string(index) + " '" +
                             segment.name()->str() + "'",
                         recorded, found)
        .withContext("'" + fileName + "'");
  }
  return Status::ok();
}

} // namespace air
