//===- CodedSegments.h - segments that are stored with a codec --*- C++ -*-===//
//
// A segment with a codec is divided into chunks of digest_chunk raw bytes. Each
// chunk has a digest, is coded by itself (ChunkCodec.h), and is stored in whole
// pages after the previous chunk. A chunk that would not become at least a page
// smaller is stored uncoded. A reader recognises it by its stored size, which
// is then that of the decoded chunk.
//
// Thread-safety: pure functions. Except for encodedChunk(), they expect a
// segment that verifyPlan() has accepted.
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

/// Returns where the file stores the `bytes` raw bytes of the segment that
/// begin at `offset`. With a codec, the range consists of all chunks that
/// contain any of these bytes, and `bytes` must be at least 1. Without a codec,
/// the range consists of all pages that contain any of these bytes, and
/// `offset` must be a multiple of the page size.
StoredRange storedRange(const plan::Segment &segment, uint64_t offset,
                        uint64_t bytes);

/// Decodes a chunk of a coded segment from `stored`, the bytes of its
/// storedRange(). `raw` must have the size of the chunk, including the zero
/// padding of its last page. Errors: those of decodeChunk().
Status decodeStoredChunk(const plan::Segment &segment,
                         std::span<const uint8_t> stored,
                         std::span<uint8_t> raw, ChunkScratch &scratch);

/// Codes the chunk `raw`, which must consist of whole pages. Returns what a
/// plan stores for it: the coded bytes, padded to whole pages, or `raw` itself
/// if coding would not save a page. Errors: those of encodeChunk().
Result<std::vector<uint8_t>> encodedChunk(plan::Codec codec,
                                          std::span<const uint8_t> raw);

/// Returns how many bytes of the file one pass reads with a placement.
uint64_t storedBytesPerPass(const plan::Plan &plan,
                            const plan::Placement &placement);

/// airrun reads and decodes coded chunks on this number of threads. Each
/// request to a thread covers at most kCodedBlockBytes raw bytes, or one chunk
/// if that is larger.
inline constexpr uint32_t kCodedReads = 6;
inline constexpr uint64_t kCodedBlockBytes = uint64_t{512} << 10;

/// Returns the size in bytes of the memory in which all kCodedReads threads
/// together read and decode chunks of at most `chunkBytes` raw bytes.
constexpr uint64_t codedStagingBytes(uint64_t chunkBytes) {
  return kCodedReads *
         ((chunkBytes > kCodedBlockBytes ? chunkBytes : kCodedBlockBytes) +
          2 * chunkBytes);
}

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_CODEDSEGMENTS_H
