//===- CodedSegments.h - segments that are stored with a codec --*- C++ -*-===//
//
// A segment with a codec is divided into chunks of digest_chunk raw bytes, the
// same that its digests cover. Each chunk is coded by itself (ChunkCodec.h) and
// stored in whole pages, one chunk after the other. A chunk that would not
// become smaller by a page is stored as it is, which is recognised by its size.
//
// Thread-safety: pure functions. Except for encodedChunk(), they expect a segment
// that verifyPlan() has accepted.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_CODEDSEGMENTS_H
#define AIRPACK_FORMATS_PLAN_CODEDSEGMENTS_H

#include "formats/codec/ChunkCodec.h"
#include "formats/plan/plan_generated.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air {

/// A range of bytes of the plan's file, in whole pages.
struct StoredRange {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

inline bool isCoded(const plan::Segment &segment) {
  return segment.codec() != plan::Codec::None;
}
bool hasCodedSegments(const plan::Plan &plan);

/// Where the file has the chunks that contain `bytes` raw bytes of the segment
/// from `offset` on. For a segment without a codec, these bytes themselves, in
/// whole pages.
StoredRange storedRange(const plan::Segment &segment, uint64_t offset,
                        uint64_t bytes);

/// Fills `raw` with chunk number `chunk` of a coded segment; `raw` has its size,
/// which includes zeros up to a whole page. `stored` are the bytes of its
/// storedRange(). Errors: Corrupt.
Status decodeStoredChunk(const plan::Segment &segment,
                         std::span<const uint8_t> stored,
                         std::span<uint8_t> raw, ChunkScratch &scratch);

/// Returns what is stored for a chunk, in whole pages.
Result<std::vector<uint8_t>> encodedChunk(plan::Codec codec,
                                          std::span<const uint8_t> raw);

/// The bytes that a placement's reads take from the file in one pass.
uint64_t storedBytesPerPass(const plan::Plan &plan,
                            const plan::Placement &placement);

/// How airrun reads coded segments: the number of requests that are read and
/// decoded side by side, and the raw bytes that each covers unless a chunk is
/// larger.
inline constexpr uint32_t kCodedReads = 6;
inline constexpr uint64_t kCodedBlockBytes = uint64_t{512} << 10;

/// The memory in which airrun reads and decodes chunks of at most `chunkBytes`.
constexpr uint64_t codedStagingBytes(uint64_t chunkBytes) {
  return kCodedReads *
         ((chunkBytes > kCodedBlockBytes ? chunkBytes : kCodedBlockBytes) +
          2 * chunkBytes);
}

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_CODEDSEGMENTS_H
