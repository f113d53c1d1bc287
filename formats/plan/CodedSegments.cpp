//===- CodedSegments.cpp - segments that are stored with a codec ----------===//
#include "formats/plan/CodedSegments.h"

#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

namespace air {

bool hasCodedSegments(const plan::Plan &plan) {
  return std::any_of(plan.segments()->begin(), plan.segments()->end(),
                     [](const plan::Segment *s) { return isCoded(*s); });
}

StoredRange storedRange(const plan::Segment &segment, uint64_t offset,
                        uint64_t bytes) {
  if (!isCoded(segment)) {
    return {segment.offset() + offset, alignUp(bytes, kPlanPageBytes)};
  }
  const uint64_t chunk = segment.digest_chunk();
  const auto first = static_cast<uint32_t>(offset / chunk);
  const auto last = static_cast<uint32_t>((offset + bytes - 1) / chunk);
  const uint64_t begin =
      first == 0 ? 0 : uint64_t{segment.chunk_ends()->Get(first - 1)};
  const uint64_t end = segment.chunk_ends()->Get(last);
  return {segment.offset() + begin * kPlanPageBytes,
          (end - begin) * kPlanPageBytes};
}

Status decodeStoredChunk(const plan::Segment &segment,
                         std::span<const uint8_t> stored,
                         std::span<uint8_t> raw, ChunkScratch &scratch) {
  if (stored.size() == raw.size()) {
    std::copy(stored.begin(), stored.end(), raw.begin());
    return Status::ok();
  }
  return decodeChunk(static_cast<ChunkCodec>(segment.codec()), stored, raw,
                     scratch);
}

Result<std::vector<uint8_t>> encodedChunk(plan::Codec codec,
                                          std::span<const uint8_t> raw) {
  AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> coded,
                       encodeChunk(static_cast<ChunkCodec>(codec), raw));
  coded.resize(alignUp(coded.size(), kPlanPageBytes));
  if (coded.size() >= raw.size()) {
    coded.assign(raw.begin(), raw.end());
  }
  return coded;
}

uint64_t storedBytesPerPass(const plan::Plan &plan,
                            const plan::Placement &placement) {
  uint64_t sum = 0;
  if (placement.reads() != nullptr) {
    for (const plan::StreamRead *read : *placement.reads()) {
      sum += storedRange(*plan.segments()->Get(read->segment()), read->offset(),
                         read->bytes())
                 .bytes;
    }
  }
  return sum;
}

} // namespace air
