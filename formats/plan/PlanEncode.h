//===- PlanEncode.h - metadata and header as bytes --------------*- C++ -*-===//
//
// These functions make the bytes that PlanWriter puts before the segments. They
// are separate from the writer so that tests can compute correct digests for
// files that the writer would refuse to write.
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
/// its default value, so that the size does not depend on offsets and digests.
/// Fails with DoesNotFit if the size would exceed kMaxMetadataBytes.
Result<std::vector<uint8_t>> encodeMetadata(const plan::PlanT &plan);

/// Sets every Segment.offset, so that the segments follow one another after
/// `metadataBytes` of metadata, and returns the file's size in bytes. Fails
/// with DoesNotFit if the file would exceed the largest possible size, 2^63 - 1
/// bytes.
Result<uint64_t> placeSegments(plan::PlanT &plan, uint64_t metadataBytes);

/// Returns the digest of the machine record's JSON (toJson() of
/// MachineProfile.h).
Digest targetFingerprint(const plan::Machine &machine);

/// Returns the header page, including its digest. `metadata` is padded to whole
/// pages; `metadataBytes` is its length without the padding.
std::vector<uint8_t> encodeHeader(std::span<const uint8_t> metadata,
                                  uint64_t metadataBytes, uint64_t fileBytes,
                                  const Digest &fingerprint);

/// Returns the digest that the header page `page` must contain: the digest of
/// the page with its digest field set to zero.
Digest headerDigest(std::span<const uint8_t> page);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANENCODE_H
