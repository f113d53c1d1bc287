//===- PlanEncode.h - metadata and header as bytes --------------*- C++ -*-===//
//
// These functions compute the bytes that PlanWriter writes before the segments.
// They are separate from the writer so that tests can compute correct digests
// for files that the writer would refuse to write.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANENCODE_H
#define AIRPACK_FORMATS_PLAN_PLANENCODE_H

#include "formats/plan/plan_generated.h"
#include "formats/support/Digest.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air {

/// Encodes `plan` as one FlatBuffer. Every scalar is written, even if it has
/// its default value, so that the size does not depend on the values of offsets
/// and digests. Fails with DoesNotFit if the size would exceed
/// kMaxMetadataBytes.
Result<std::vector<uint8_t>> encodeMetadata(const plan::PlanT &plan);

/// Returns a lower bound on the size of the metadata in bytes.
/// FlatBufferBuilder aborts at 2 GiB, so the parts whose size the model's file
/// determines are counted before they are encoded.
uint64_t leastMetadataBytes(const plan::PlanT &plan);

/// Fails with DoesNotFit if `bytes` exceeds kMaxMetadataBytes.
Status checkMetadataBytes(uint64_t bytes);

/// Returns the size of the chunks into which a segment of kind `kind` is
/// divided for its digests. A reader of a part of a segment must read whole
/// chunks in order to verify them. A step reads several megabytes of a segment
/// of weights and may share the first and the last chunk with another step, so
/// chunks of weights are small in comparison. The rows of a table have only
/// some kilobytes and are read one at a time, so its chunks are smaller still.
/// Kernels are always read as a whole, so their chunk is large enough for all
/// of them, and the size of the metadata does not depend on the size of the
/// kernels.
uint64_t digestChunkBytes(plan::SegmentKind kind);

/// Returns the number of bytes of a segment that have digests, without the zero
/// padding of its last page. For a segment with a codec, and for weights and
/// tables of a reference plan, these are all raw bytes; otherwise, they are the
/// stored bytes.
inline uint64_t digestedBytes(const plan::Plan &plan,
                              const plan::Segment &segment) {
  return segment.codec() != plan::Codec::None ||
                 (plan.reference() &&
                  segment.kind() != plan::SegmentKind::Kernels)
             ? segment.raw_bytes()
             : segment.stored_bytes();
}
inline uint64_t digestedBytes(const plan::PlanT &plan,
                              const plan::SegmentT &segment) {
  return segment.codec != plan::Codec::None ||
                 (plan.reference && segment.kind != plan::SegmentKind::Kernels)
             ? segment.raw_bytes
             : segment.stored_bytes;
}

/// Sets Segment.digest_chunk of every segment, and gives Segment.digests its
/// final size, filled with zeros. In segments with a codec, also sets
/// Segment.chunk_ends and Segment.stored_bytes to upper limits. Fails with
/// DoesNotFit if the digests would take more than kMaxMetadataBytes, and with
/// Unsupported if a segment is too large for a codec.
Status prepareDigests(plan::PlanT &plan);

/// Returns the digests of a segment's chunks, as they are stored in
/// Segment.digests. `pages` contains the segment's stored bytes in whole pages.
std::vector<uint8_t> chunkDigests(std::span<const uint8_t> pages,
                                  uint64_t chunkBytes);

/// Sets every Segment.offset, so that the segments follow one another after
/// `metadataBytes` of metadata, and returns the file's size in bytes. Fails
/// with DoesNotFit if the file would exceed the largest possible size, 2^63 - 1
/// bytes.
Result<uint64_t> placeSegments(plan::PlanT &plan, uint64_t metadataBytes);

/// Returns the fingerprint of a plan for one target: the digest of the machine
/// record's JSON (targetKey() of FatPlan.h).
Digest targetFingerprint(const plan::Machine &machine);
/// Returns the fingerprint of a plan, fat or not: the digest of the JSON of the
/// machine records of all `targets`, concatenated in this order.
Digest targetFingerprint(std::span<const plan::Plan *const> targets);

/// Whether the plan's machine has a stream with the hint T1T0. The plan need
/// not have been verified.
bool prefetchesTwice(const plan::Plan &plan);

/// The lowest minor version whose readers understand a plan for these targets.
uint32_t minorVersion(bool isFat, std::span<const plan::Plan *const> targets);

/// Returns the header page, including its digest. `metadata` is padded to whole
/// pages; `metadataBytes` is its length without the padding.
std::vector<uint8_t> encodeHeader(std::span<const uint8_t> metadata,
                                  uint64_t metadataBytes, uint64_t fileBytes,
                                  const Digest &fingerprint, uint32_t minor);

/// Returns the digest that the header page `page` must contain: the digest of
/// the page with its digest field set to zero.
Digest headerDigest(std::span<const uint8_t> page);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANENCODE_H
