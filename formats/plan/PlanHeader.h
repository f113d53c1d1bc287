//===- PlanHeader.h - the first page of a .air file -------------*- C++ -*-===//
//
// docs/plan-format.md describes the file byte by byte:
//   page 0              header (PlanHeader), then zeros
//   metadata_offset     one FlatBuffer (plan.fbs), zero-padded to a page
//   then                segments, each page-aligned and zero-padded to a page
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANHEADER_H
#define AIRPACK_FORMATS_PLAN_PLANHEADER_H

#include <cstdint>

namespace air {

inline constexpr uint32_t kPlanMajor = 4;
inline constexpr uint32_t kPlanMinor = 5; ///< the newest that is supported

// A plan has the highest of the following minor versions whose condition it
// meets. Readers that support only lower versions thus still accept plans that
// do not need more.

/// There is no condition. Readers also accept 0 instead of 1.
inline constexpr uint32_t kSinglePlanMinor = 1;
/// The plan is a fat plan: it has several targets.
inline constexpr uint32_t kFatPlanMinor = 2;
/// A token of the plan has the flag match_flags::kFused.
inline constexpr uint32_t kFusedUnknownMinor = 3;
/// The plan's tokenizer has a pipeline, or adds further tokens after BOS or
/// before EOS.
inline constexpr uint32_t kPipelineMinor = 4;
/// A program of the plan can draw tokens on a GPU.
inline constexpr uint32_t kDrawMinor = 4;
/// The plan's machine has a stream with the hint T1T0.
inline constexpr uint32_t kPrefetchTwiceMinor = 5;

inline constexpr uint32_t kPlanPageLog2 = 12;
inline constexpr uint64_t kPlanPageBytes = uint64_t{1} << kPlanPageLog2;
inline constexpr uint8_t kPlanMagic[8] = {'A', 'I', 'R', 'P',
                                          'L', 'A', 'N', '\n'};
/// The largest metadata that a reader accepts, in bytes. It limits what a
/// reader must verify before it trusts anything. A vocabulary of 256 Ki tokens
/// takes some 10 MiB. A layer of a model with 8 billion parameters takes less
/// than 64 KiB. The digests of a model of 400 GB take 23 MiB, because weights
/// have a digest for each 256 KiB. Even far larger models fit.
inline constexpr uint64_t kMaxMetadataBytes = uint64_t{256} << 20;

/// The first bytes of every plan of every version.
struct PlanHeader {
  uint8_t magic[8]; // "AIRPLAN\n"
  uint32_t major;
  uint32_t minor;
  uint32_t pageLog2;    // segments are aligned to 1 << pageLog2 bytes
  uint32_t headerBytes; // always 4096
  uint64_t fileBytes;
  uint64_t metadataOffset;
  uint64_t metadataBytes;        // size of the metadata without its padding
  uint8_t metadataDigest[16];    // digest of the metadata and its padding
  uint8_t targetFingerprint[16]; // digest of the JSON of the machine records
  uint8_t headerDigest[16];      // digest of header page with this field zero
};
static_assert(sizeof(PlanHeader) == 96);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANHEADER_H
