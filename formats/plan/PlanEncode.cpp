//===- PlanEncode.cpp - metadata and header as bytes ----------------------===//
#include "formats/plan/PlanEncode.h"

#include "formats/model/TokenizerData.h"
#include "formats/plan/Choice.h"
#include "formats/plan/FatPlan.h"
#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace air {

namespace {

Status tooLarge(uint64_t bytes) {
  return doesNotFitError("the plan's metadata takes " + std::to_string(bytes) +
                         " bytes; at most " +
                         std::to_string(kMaxMetadataBytes) +
                         " are allowed; check that the model's tokenizer and "
                         "the shapes of its tensors are intact");
}

/// Whether the tokenizer has records that readers know only from version 4.4
/// on.
bool needsPipelineMinor(const plan::Tokenizer &tokenizer) {
  const auto isEmpty = [](const auto *list) {
    return list == nullptr || list->size() == 0;
  };
  return (tokenizer.rules() != nullptr &&
          tokenizer.rules()->pipeline() != nullptr) ||
         !isEmpty(tokenizer.after_bos()) || !isEmpty(tokenizer.before_eos());
}

} // namespace

uint64_t leastMetadataBytes(const plan::PlanT &plan) {
  uint64_t bytes = plan.tensors.size() * sizeof(plan::Tensor) +
                   plan.codegen_fingerprint.size();
  if (plan.tokenizer) {
    const plan::TokenizerT &tokenizer = *plan.tokenizer;
    for (const auto *list :
         {&tokenizer.tokens, &tokenizer.merges, &tokenizer.templates}) {
      if (*list) {
        bytes += (*list)->bytes.size() + 4 * (*list)->ends.size();
      }
    }
    bytes += 4 * tokenizer.scores.size() + tokenizer.types.size() +
             4 * tokenizer.end_of_generation.size() +
             tokenizer.chat_template.size() + tokenizer.pre.size() +
             tokenizer.charsmap.size() + tokenizer.matching.size();
    for (const auto &program : tokenizer.programs) {
      bytes += 4 * program->words.size();
    }
    for (const auto &splitter : tokenizer.splitters) {
      bytes += 4 * splitter->words.size();
    }
    if (tokenizer.rules && tokenizer.rules->pipeline) {
      for (const auto &step : tokenizer.rules->pipeline->steps) {
        bytes += step->pattern.size() + step->content.size();
      }
    }
  }
  for (const auto &segment : plan.segments) {
    bytes += segment->digests.size();
  }
  for (const auto &placement : plan.placements) {
    // A read has two fields of 4 bytes and four of 8.
    bytes += 40 * (placement->reads.size() + placement->device_reads.size()) +
             8 * placement->resident.size();
  }
  return bytes;
}

Status checkMetadataBytes(uint64_t bytes) {
  return bytes > kMaxMetadataBytes ? tooLarge(bytes) : Status::ok();
}

uint64_t digestChunkBytes(plan::SegmentKind kind) {
  switch (kind) {
  case plan::SegmentKind::Weights:
    return uint64_t{256} << 10;
  case plan::SegmentKind::Table:
    return uint64_t{64} << 10;
  case plan::SegmentKind::Kernels:
    break;
  }
  return uint64_t{64} << 20;
}

/// Fills Segment.chunk_ends with upper limits: until a chunk is coded, its
/// stored size is assumed to be its raw size, which is the maximum.
static Status prepareChunkEnds(plan::SegmentT &segment, uint64_t chunks) {
  const uint64_t pages = ceilDiv(segment.raw_bytes, kPlanPageBytes);
  if (pages > UINT32_MAX) {
    return unsupportedError("segment '" + segment.name + "' of " +
                            std::to_string(segment.raw_bytes) +
                            " bytes is too large for a codec; pack the model "
                            "with --codec none");
  }
  segment.stored_bytes = pages * kPlanPageBytes;
  segment.chunk_ends.clear();
  for (uint64_t i = 1; i <= chunks; ++i) {
    segment.chunk_ends.push_back(static_cast<uint32_t>(
        std::min(pages, i * segment.digest_chunk / kPlanPageBytes)));
  }
  return Status::ok();
}

Status prepareDigests(plan::PlanT &plan) {
  uint64_t total = 0;
  for (const auto &segment : plan.segments) {
    segment->digest_chunk = digestChunkBytes(segment->kind);
    const bool isCoded = segment->codec != plan::Codec::None;
    const uint64_t digested = digestedBytes(plan, *segment);
    const uint64_t chunks = digested / segment->digest_chunk +
                            (digested % segment->digest_chunk != 0 ? 1 : 0);
    // This cannot overflow, because a chunk has at least 2^16 bytes.
    const uint64_t bytes = chunks * sizeof(Digest);
    total = checkedAdd(total, bytes).value_or(UINT64_MAX);
    if (total > kMaxMetadataBytes) {
      return tooLarge(total);
    }
    segment->digests.assign(bytes, 0);
    if (isCoded) {
      AIR_RETURN_IF_ERROR(prepareChunkEnds(*segment, chunks));
    }
  }
  return Status::ok();
}

std::vector<uint8_t> chunkDigests(std::span<const uint8_t> pages,
                                  uint64_t chunkBytes) {
  std::vector<uint8_t> digests;
  while (!pages.empty()) {
    const auto chunk = pages.first(std::min<size_t>(pages.size(), chunkBytes));
    const Digest digest = digestOf(chunk);
    digests.insert(digests.end(), digest.begin(), digest.end());
    pages = pages.subspan(chunk.size());
  }
  return digests;
}

Result<std::vector<uint8_t>> encodeMetadata(const plan::PlanT &plan) {
  AIR_RETURN_IF_ERROR(checkMetadataBytes(leastMetadataBytes(plan)));
  flatbuffers::FlatBufferBuilder builder(1 << 16);
  builder.ForceDefaults(true);
  builder.Finish(plan::Plan::Pack(builder, &plan), plan::PlanIdentifier());
  AIR_RETURN_IF_ERROR(checkMetadataBytes(builder.GetSize()));
  const uint8_t *bytes = builder.GetBufferPointer();
  return std::vector<uint8_t>(bytes, bytes + builder.GetSize());
}

Result<uint64_t> placeSegments(plan::PlanT &plan, uint64_t metadataBytes) {
  uint64_t offset = kPlanPageBytes + alignUp(metadataBytes, kPlanPageBytes);
  for (const auto &segment : plan.segments) {
    segment->offset = offset;
    const auto padded = checkedAlignUp(segment->stored_bytes, kPlanPageBytes);
    const auto next = padded ? checkedAdd(offset, *padded) : std::nullopt;
    // The operating system represents file offsets as signed 64-bit numbers.
    if (!next || *next > INT64_MAX) {
      return doesNotFitError("segment '" + segment->name + "' of " +
                             std::to_string(segment->stored_bytes) +
                             " bytes at offset " + std::to_string(offset) +
                             " exceeds the largest file size, " +
                             std::to_string(INT64_MAX) + " bytes");
    }
    offset = *next;
  }
  return offset;
}

Digest targetFingerprint(const plan::Machine &machine) {
  const std::string json = targetKey(machine);
  return digestOf(
      {reinterpret_cast<const uint8_t *>(json.data()), json.size()});
}

Digest targetFingerprint(std::span<const plan::Plan *const> targets) {
  DigestStream digest;
  for (const plan::Plan *target : targets) {
    const std::string json = targetKey(*target->machine());
    digest.update(
        {reinterpret_cast<const uint8_t *>(json.data()), json.size()});
  }
  return digest.finish();
}

Digest headerDigest(std::span<const uint8_t> page) {
  constexpr size_t kField = offsetof(PlanHeader, headerDigest);
  constexpr Digest kZero{};
  DigestStream stream;
  stream.update(page.first(kField));
  stream.update(kZero);
  stream.update(page.subspan(kField + kZero.size()));
  return stream.finish();
}

bool prefetchesTwice(const plan::Plan &plan) {
  const plan::Machine *machine = plan.machine();
  if (machine == nullptr || machine->cpu() == nullptr ||
      machine->cpu()->streams() == nullptr) {
    return false;
  }
  return std::ranges::any_of(*machine->cpu()->streams(),
                             [](const plan::StreamRate *stream) {
                               return stream->hint() == plan::StreamHint::T1T0;
                             });
}

uint32_t minorVersion(bool isFat, std::span<const plan::Plan *const> targets) {
  if (std::ranges::any_of(targets, [](const plan::Plan *target) {
        return prefetchesTwice(*target);
      })) {
    return kPrefetchTwiceMinor;
  }
  if (std::ranges::any_of(
          targets, [](const plan::Plan *target) { return hasDraw(*target); })) {
    return kDrawMinor;
  }
  // Plans for several targets share their tokenizer.
  const plan::Tokenizer *tokenizer = targets.front()->tokenizer();
  if (tokenizer != nullptr && needsPipelineMinor(*tokenizer)) {
    return kPipelineMinor;
  }
  if (tokenizer != nullptr && tokenizer->matching() != nullptr &&
      std::ranges::any_of(*tokenizer->matching(), [](uint8_t flags) {
        return (flags & match_flags::kFused) != 0;
      })) {
    return kFusedUnknownMinor;
  }
  return isFat ? kFatPlanMinor : kSinglePlanMinor;
}

std::vector<uint8_t> encodeHeader(std::span<const uint8_t> metadata,
                                  uint64_t metadataBytes, uint64_t fileBytes,
                                  const Digest &fingerprint, uint32_t minor) {
  PlanHeader header{};
  std::memcpy(header.magic, kPlanMagic, sizeof(kPlanMagic));
  header.major = kPlanMajor;
  header.minor = minor;
  header.pageLog2 = kPlanPageLog2;
  header.headerBytes = kPlanPageBytes;
  header.fileBytes = fileBytes;
  header.metadataOffset = kPlanPageBytes;
  header.metadataBytes = metadataBytes;
  const Digest digest = digestOf(metadata);
  std::memcpy(header.metadataDigest, digest.data(), digest.size());
  std::memcpy(header.targetFingerprint, fingerprint.data(), fingerprint.size());
  std::vector<uint8_t> page(kPlanPageBytes);
  std::memcpy(page.data(), &header, sizeof(header));
  const Digest signature = headerDigest(page);
  std::memcpy(page.data() + offsetof(PlanHeader, headerDigest),
              signature.data(), signature.size());
  return page;
}

} // namespace air
