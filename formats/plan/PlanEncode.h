//===- PlanEncode.h - metadata and header as bytes --------------*- C++ -*-===//
//
// The bytes that PlanWriter puts before the segments. They are separate from
// the writer so that tests can give correct digests to files that no writer
// would write.
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

/// One FlatBuffer with every scalar written, so that its size does not depend
/// on offsets and digests. DoesNotFit when it would exceed kMaxMetadataBytes.
Result<std::vector<uint8_t>> encodeMetadata(const plan::PlanT &plan);

/// Sets every Segment.offset, so that the segments follow one another after
/// `metadataBytes` of metadata, and returns the file's size. DoesNotFit on
/// overflow.
Result<uint64_t> placeSegments(plan::PlanT &plan, uint64_t metadataBytes);

/// Digest of toJson() of the machine record.
Digest targetFingerprint(const plan::Machine &machine);

/// The header page with its digest. `metadata` is padded to whole pages;
/// `metadataBytes` is its length without the padding.
std::vector<uint8_t> encodeHeader(std::span<const uint8_t> metadata,
                                  uint64_t metadataBytes, uint64_t fileBytes,
                                  const Digest &fingerprint);

/// The digest that a header page must contain: the digest of the page with this
/// field set to zero.
Digest headerDigest(std::span<const uint8_t> page);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANENCODE_H
