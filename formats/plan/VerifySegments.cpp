//===- VerifySegments.cpp - rules of segments, tensors, executables -------===//
#include "formats/abi/KernelAbi.h"
#include "formats/plan/Layout.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanRules.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "formats/support/Digest.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <vector>

namespace air::rules {

static Status verifySegmentEnums(const plan::Segment &segment,
                                 const std::string &where) {
  AIR_RETURN_IF_ERROR(checkEnum(where, "kind",
                                static_cast<uint8_t>(segment.kind()),
                                plan::EnumNameSegmentKind(segment.kind())));
  return checkEnum(where, "codec", static_cast<uint8_t>(segment.codec()),
                   plan::EnumNameCodec(segment.codec()));
}

/// Checks Segment.chunk_ends of a segment with a codec. The caller has checked
/// that the list has one element for each chunk.
static Status verifyCodedChunks(const plan::Segment &segment,
                                uint64_t pageBytes, const std::string &where) {
  // The number of pages that chunk i and all later chunks have when decoded.
  uint64_t left = ceilDiv(segment.raw_bytes(), pageBytes);
  uint64_t before = 0;
  for (uint32_t i = 0; i < segment.chunk_ends()->size(); ++i) {
    const uint64_t pages = std::min(left, segment.digest_chunk() / pageBytes);
    const uint64_t end = segment.chunk_ends()->Get(i);
    if (end <= before || end - before > pages) {
      return broken("plan.segment.chunk_ends", where,
                    "chunk " + str(i) + " of " + countOf(pages, "page") +
                        " is stored from page " + str(before) + " to page " +
                        str(end) + "; its stored form must take 1 to " +
                        countOf(pages, "page"));
    }
    left -= pages;
    before = end;
  }
  if (segment.stored_bytes() != before * pageBytes) {
    return broken("plan.segment.chunk_ends", where,
                  "stores " + str(segment.stored_bytes()) +
                      " bytes, but its chunks take " + countOf(before, "page") +
                      " of " + str(pageBytes) + " bytes");
  }
  return Status::ok();
}

/// Checks the sizes of the chunks and of their digests.
static Status verifyChunks(const plan::Plan &plan, const plan::Segment &segment,
                           uint64_t pageBytes, const std::string &where) {
  const uint64_t chunk = segment.digest_chunk();
  if (chunk == 0 || chunk % pageBytes != 0 || chunk > kMaxChunkBytes) {
    return broken("plan.segment.chunk", where,
                  "digest_chunk is " + str(chunk) +
                      " bytes; it must be whole pages, and at most " +
                      str(kMaxChunkBytes));
  }
  const bool isCoded = segment.codec() != plan::Codec::None;
  const uint64_t chunks = ceilDiv(digestedBytes(plan, segment), chunk);
  if (sizeOf(segment.digests()) % sizeof(Digest) != 0 ||
      sizeOf(segment.digests()) / sizeof(Digest) != chunks) {
    return broken("plan.segment.digest", where,
                  "the digests have " + str(sizeOf(segment.digests())) +
                      " bytes; there must be " + str(chunks * sizeof(Digest)) +
                      ", which is 16 for each chunk");
  }
  if (sizeOf(segment.chunk_ends()) != (isCoded ? chunks : 0)) {
    return broken("plan.segment.chunk_ends", where,
                  "has " + str(sizeOf(segment.chunk_ends())) +
                      " chunk_ends for " + countOf(chunks, "chunk") +
                      "; a segment with a codec must have one for each "
                      "chunk, and a segment without a codec none");
  }
  return isCoded ? verifyCodedChunks(segment, pageBytes, where) : Status::ok();
}

/// Checks that only segments of weights have a codec: no others are decoded.
static Status verifyCodec(const plan::Segment &segment,
                          const std::string &where) {
  if (segment.codec() != plan::Codec::None &&
      segment.kind() != plan::SegmentKind::Weights) {
    return broken("plan.segment.codec", where,
                  std::string("is stored with codec ") +
                      plan::EnumNameCodec(segment.codec()) +
                      "; only segments of weights may have a codec");
  }
  return Status::ok();
}

Status verifySegments(const plan::Plan &plan, uint64_t fileBytes,
                      uint64_t pageBytes, bool isWholeFile) {
  std::unordered_set<std::string_view> names;
  uint64_t expected = 0;
  plan::SegmentKind kind = plan::SegmentKind::Weights;
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    const std::string where = label("segment", i, segment);
    AIR_RETURN_IF_ERROR(
        checkName("plan.segment.name", where, textOf(segment.name())));
    if (!names.insert(textOf(segment.name())).second) {
      return broken("plan.segment.name", where,
                    "has the same name as an earlier one");
    }
    AIR_RETURN_IF_ERROR(verifySegmentEnums(segment, where));
    if (segment.raw_bytes() == 0) {
      return broken("plan.segment.bytes", where,
                    "raw_bytes is 0; it must be at least 1");
    }
    const bool isLeftOut =
        plan.weightless() && segment.kind() != plan::SegmentKind::Kernels;
    // If this is true, tensors of the segment may be left in the model's files;
    // verifySourceRows() checks where they are.
    const bool isReferenced =
        plan.reference() && segment.kind() != plan::SegmentKind::Kernels;
    if (!isReferenced && isLeftOut != (segment.stored_bytes() == 0)) {
      return broken("plan.weightless", where,
                    isLeftOut ? "stores " + str(segment.stored_bytes()) +
                                    " bytes; a weightless plan stores no "
                                    "weights"
                              : "stores 0 of its " + str(segment.raw_bytes()) +
                                    " bytes; it must store all");
    }
    if (isLeftOut && segment.codec() != plan::Codec::None) {
      return broken("plan.weightless", where,
                    std::string("has codec ") +
                        plan::EnumNameCodec(segment.codec()) +
                        ", but its bytes are left out");
    }
    if (isReferenced && segment.codec() != plan::Codec::None) {
      return broken("plan.reference.codec", where,
                    std::string("has codec ") +
                        plan::EnumNameCodec(segment.codec()) +
                        ", but a reference plan leaves its weights in the "
                        "model's file, where they are not coded");
    }
    if (isReferenced && (segment.stored_bytes() > segment.raw_bytes() ||
                         segment.raw_bytes() > INT64_MAX)) {
      return broken("plan.segment.bytes", where,
                    "stores " + str(segment.stored_bytes()) +
                        " bytes and has " + str(segment.raw_bytes()) +
                        " raw bytes; the raw bytes must be at least as many as "
                        "the stored ones, "
                        "and at most " +
                        str(INT64_MAX));
    }
    if (!isLeftOut && !isReferenced && segment.codec() == plan::Codec::None &&
        segment.raw_bytes() != segment.stored_bytes()) {
      return broken("plan.segment.bytes", where,
                    "has " + str(segment.stored_bytes()) +
                        " stored bytes and " + str(segment.raw_bytes()) +
                        " raw bytes; without a codec they must be equal");
    }
    if (segment.offset() % pageBytes != 0) {
      return broken("plan.segment.alignment", where,
                    "offset " + str(segment.offset()) +
                        " is not a multiple of " + str(pageBytes));
    }
    const auto padded = checkedAlignUp(segment.stored_bytes(), pageBytes);
    if (!padded || !rangeFits(segment.offset(), *padded, fileBytes)) {
      return broken("plan.segment.inside", where,
                    "the pages of its " + str(segment.stored_bytes()) +
                        " bytes at offset " + str(segment.offset()) +
                        " extend beyond the end of the file, which has " +
                        str(fileBytes) + " bytes");
    }
    AIR_RETURN_IF_ERROR(verifyChunks(plan, segment, pageBytes, where));
    // The header page and at least one page of metadata come before the first
    // segment. In a fat plan, segments of other targets may come before any
    // segment of this target; verifyFatPlan() checks that the segments of all
    // targets together are contiguous.
    const uint64_t least = i == 0 ? 2 * pageBytes : expected;
    const bool mayFollowLater = i == 0 || !isWholeFile;
    if (mayFollowLater ? segment.offset() < least : segment.offset() != least) {
      return broken(
          "plan.segment.contiguous", where,
          "starts at " + str(segment.offset()) +
              (mayFollowLater
                   ? "; it must start at or after "
                   : "; it must start where the segment before it ends, at ") +
              str(least));
    }
    expected = segment.offset() + *padded;
    if (segment.kind() < kind) {
      return broken("plan.segment.order", where,
                    std::string("is of kind ") +
                        plan::EnumNameSegmentKind(segment.kind()) +
                        " and must come before the segments of kind " +
                        plan::EnumNameSegmentKind(kind));
    }
    kind = segment.kind();
    AIR_RETURN_IF_ERROR(verifyCodec(segment, where));
  }
  if (isWholeFile && expected != fileBytes) {
    return broken("plan.segment.end", "segments",
                  "the last one ends at " + str(expected) +
                      ", but the file ends at " + str(fileBytes));
  }
  return Status::ok();
}

Status verifyTensors(const plan::Plan &plan) {
  std::vector<std::tuple<uint32_t, uint64_t, uint64_t, uint32_t>> ranges;
  ranges.reserve(plan.tensors()->size());
  for (uint32_t i = 0; i < plan.tensors()->size(); ++i) {
    const plan::Tensor &tensor = *plan.tensors()->Get(i);
    const std::string where = label("tensor", i, tensor);
    AIR_RETURN_IF_ERROR(
        checkName("plan.tensor.name", where, textOf(tensor.name())));
    if (tensor.segment() >= plan.segments()->size()) {
      return broken("plan.tensor.segment", where,
                    "lies in segment " + str(tensor.segment()) +
                        ", but there are only " + str(plan.segments()->size()) +
                        " segments");
    }
    const plan::Segment &segment = *plan.segments()->Get(tensor.segment());
    if (segment.kind() == plan::SegmentKind::Kernels) {
      return broken("plan.tensor.segment", where,
                    "lies in " + label("segment", tensor.segment(), segment) +
                        ", which holds kernels");
    }
    const std::optional<DType> dtype = dtypeFromId(tensor.dtype());
    if (!dtype) {
      return broken("plan.tensor.dtype", where,
                    "dtype " + str(tensor.dtype()) + " is unknown");
    }
    const auto layout = static_cast<Layout>(tensor.layout());
    if (layoutName(layout).empty()) {
      return broken("plan.tensor.layout", where,
                    "layout " + str(tensor.layout()) + " is unknown");
    }
    if (isForGpus(layout) && deviceCount(plan) == 1) {
      return broken("plan.tensor.layout", where,
                    "has layout " + std::string(layoutName(layout)) +
                        ", which only kernels of a GPU read, but "
                        "the plan uses no GPU");
    }
    if (tensor.rows() == 0 || tensor.columns() == 0) {
      return broken("plan.tensor.bytes", where,
                    "has " + countOf(tensor.rows(), "row") + " and " +
                        countOf(tensor.columns(), "column") +
                        "; both must be at least 1");
    }
    const Result<uint64_t> bytes =
        layoutBytes(*dtype, layout, tensor.rows(), tensor.columns());
    if (!bytes) {
      return broken("plan.tensor.bytes", where, bytes.status().message());
    }
    if (*bytes != tensor.bytes()) {
      return broken("plan.tensor.bytes", where,
                    "states " + str(tensor.bytes()) + " bytes; " +
                        str(tensor.rows()) + " x " + str(tensor.columns()) +
                        " elements of " + std::string(info(*dtype).name) +
                        " in layout " + std::string(layoutName(layout)) +
                        " take " + str(*bytes));
    }
    if (tensor.offset() % AIR_BINDING_ALIGNMENT != 0) {
      return broken("plan.tensor.alignment", where,
                    "offset " + str(tensor.offset()) +
                        " is not a multiple of " + str(AIR_BINDING_ALIGNMENT));
    }
    if (!rangeFits(tensor.offset(), tensor.bytes(), segment.raw_bytes())) {
      return broken("plan.tensor.inside", where,
                    "its " + str(tensor.bytes()) + " bytes at offset " +
                        str(tensor.offset()) + " extend beyond the " +
                        str(segment.raw_bytes()) + " bytes of " +
                        label("segment", tensor.segment(), segment));
    }
    ranges.emplace_back(tensor.segment(), tensor.offset(),
                        tensor.offset() + tensor.bytes(), i);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    const auto &[segment, begin, end, index] = ranges[i];
    const auto &[segmentBefore, beginBefore, endBefore, indexBefore] =
        ranges[i - 1];
    if (segment == segmentBefore && begin < endBefore) {
      return broken(
          "plan.tensor.overlap",
          label("tensor", index, *plan.tensors()->Get(index)),
          "starts at " + str(begin) + ", inside " +
              label("tensor", indexBefore, *plan.tensors()->Get(indexBefore)) +
              ", which ends at " + str(endBefore));
    }
  }
  return Status::ok();
}

static Status verifyPtx(const plan::Plan &plan,
                        const plan::Executable &executable,
                        const std::string &where) {
  const bool isPtx = executable.format() == plan::CodeFormat::Ptx;
  const uint64_t offset = executable.ptx_offset();
  const uint64_t bytes =
      plan.segments()->Get(executable.segment())->raw_bytes();
  if (offset != 0 &&
      (executable.format() != plan::CodeFormat::Cubin || offset >= bytes)) {
    return broken("plan.executable.ptx", where,
                  std::string("has format ") +
                      plan::EnumNameCodeFormat(executable.format()) +
                      " and PTX at offset " + str(offset) +
                      " of a segment of " + str(bytes) +
                      " bytes; PTX must follow a cubin in its segment");
  }
  if (executable.device() == 0) {
    return Status::ok();
  }
  const bool hasPtx = isPtx || offset != 0;
  const std::string_view ptxArch = textOf(
      plan.machine()->devices()->Get(executable.device() - 1)->ptx_arch());
  if (hasPtx == ptxArch.empty()) {
    return broken("plan.executable.ptx", where,
                  hasPtx ? "has PTX, but its device has no ptx_arch"
                         : "has no PTX, but its device has ptx_arch '" +
                               shown(ptxArch) +
                               "', so all of its executables must have PTX");
  }
  return Status::ok();
}

Status verifyExecutables(const plan::Plan &plan) {
  const uint32_t count = plan.executables()->size();
  uint64_t entries = 0;
  std::vector<bool> used(plan.segments()->size());
  for (uint32_t i = 0; i < count; ++i) {
    const plan::Executable &executable = *plan.executables()->Get(i);
    const std::string where = "executable " + str(i);
    const uint32_t index = executable.segment();
    if (index >= plan.segments()->size() ||
        plan.segments()->Get(index)->kind() != plan::SegmentKind::Kernels) {
      return broken("plan.executable.segment", where,
                    "segment " + str(index) + " is not a segment of kernels");
    }
    if (used[index]) {
      return broken("plan.executable.segment", where,
                    "segment " + str(index) +
                        " already holds another executable");
    }
    used[index] = true;
    AIR_RETURN_IF_ERROR(
        checkEnum(where, "format", static_cast<uint8_t>(executable.format()),
                  plan::EnumNameCodeFormat(executable.format())));
    AIR_RETURN_IF_ERROR(checkDevice("plan.executable.device", plan,
                                    executable.device(), where));
    if ((executable.format() == plan::CodeFormat::Object) !=
        (executable.device() == 0)) {
      return broken("plan.executable.device", where,
                    std::string("has format ") +
                        plan::EnumNameCodeFormat(executable.format()) +
                        " and runs on device " + str(executable.device()) +
                        "; device 0 (the CPU) needs format Object, and a GPU "
                        "needs format Cubin or Ptx");
    }
    AIR_RETURN_IF_ERROR(verifyPtx(plan, executable, where));
    if (executable.abi_version() != AIR_KERNEL_ABI_VERSION) {
      return broken("plan.executable.abi", where,
                    "its kernels have ABI version " +
                        str(executable.abi_version()) +
                        ", but this version runs ABI version " +
                        str(AIR_KERNEL_ABI_VERSION) + "; pack the model again");
    }
    if (sizeOf(executable.entries()) == 0) {
      return broken("plan.executable.entries", where, "has no entries");
    }
    entries += executable.entries()->size();
    if (entries > kMaxEntries) {
      return broken("plan.executable.entries", where,
                    "the executables up to this one have " +
                        countOf(entries, "entry", "entries") + "; at most " +
                        str(kMaxEntries) + " are allowed");
    }
    std::string_view before;
    for (uint32_t e = 0; e < executable.entries()->size(); ++e) {
      const std::string_view name = textOf(executable.entries()->Get(e));
      AIR_RETURN_IF_ERROR(checkName("plan.executable.entries",
                                    where + " entry " + str(e), name));
      if (name <= before) {
        return broken("plan.executable.entries", where,
                      "entries must be sorted and unique, but '" + shown(name) +
                          "' follows '" + shown(before) + "'");
      }
      before = name;
    }
  }
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    if (segment.kind() == plan::SegmentKind::Kernels && !used[i]) {
      return broken("plan.executable.segment", label("segment", i, segment),
                    "holds kernels, but no executable refers to it");
    }
  }
  return Status::ok();
}

} // namespace air::rules
