//===- KvPages.cpp - addresses in the KV cache ----------------------------===//
#include "codegen/cpu/attention/KvPages.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>

namespace air::codegen {

using Type = KernelBuilder::Type;
using Value = KernelBuilder::Value;

KvShape::KvShape(const KernelSpec &spec)
    : headDim(static_cast<int64_t>(spec.headDim)),
      paddedDim(static_cast<int64_t>(alignUp(spec.headDim, kVector))),
      elementBytes(info(spec.kvDtype).blockBytes),
      keyRowBytes(AIR_KV_PAGE_TOKENS * elementBytes),
      valueRowBytes(headDim * elementBytes),
      valuesOffset(headDim * keyRowBytes), headBytes(2 * valuesOffset),
      pageBytes(static_cast<int64_t>(spec.kvPageBytes)),
      group(spec.cacheGroup) {}

unsigned KvShape::valueAlignment(int64_t lanes) const {
  // The lowest set bit of headDim is the largest power of two that divides it.
  const int64_t divisor = headDim & -headDim;
  return static_cast<unsigned>(std::min({lanes, divisor, kVector}) *
                               elementBytes);
}

Status checkKv(const KernelSpec &spec) {
  const auto text = [](uint64_t value) { return std::to_string(value); };
  if (spec.kvDtype != DType::F16 && spec.kvDtype != DType::F32) {
    return unsupportedError("the KV cache cannot have dtype " +
                            std::string(info(spec.kvDtype).name) +
                            "; it must be F16 or F32");
  }
  AIR_RETURN_IF_ERROR(checkHeads(spec));
  const auto layerBytes =
      spec.kvHeads * static_cast<uint64_t>(KvShape(spec).headBytes);
  if (spec.kvPageBytes < layerBytes ||
      spec.kvPageBytes % AIR_BINDING_ALIGNMENT != 0) {
    return internalError("kvPageBytes is " + text(spec.kvPageBytes) +
                         "; it must be a multiple of 64 and at least " +
                         text(layerBytes) +
                         ", the size of one cache's part of a page");
  }
  return Status::ok();
}

Status checkHeads(const KernelSpec &spec) {
  const auto text = [](uint64_t value) { return std::to_string(value); };
  if (spec.headDim == 0 || spec.headDim > kMaxHeadElements) {
    return unsupportedError("attention heads have " + text(spec.headDim) +
                            " elements; 1 to " + text(kMaxHeadElements) +
                            " are supported");
  }
  if (spec.kvHeads == 0 || spec.heads == 0 || spec.heads % spec.kvHeads != 0) {
    return internalError(text(spec.heads) + " heads cannot share " +
                         text(spec.kvHeads) +
                         " KV heads; the number of heads must be a multiple of "
                         "the number of KV heads");
  }
  return Status::ok();
}

Status checkRanges(const KernelSpec &spec) {
  return spec.ranges >= 1 && spec.ranges <= kMaxAttentionRanges
             ? Status::ok()
             : internalError("attention divides the KV cache into " +
                             std::to_string(spec.ranges) +
                             " ranges; the number must be 1 to " +
                             std::to_string(kMaxAttentionRanges));
}

Value kvHead(KernelBuilder &b, const KvShape &shape, Value kv, Value sequence,
             Value page, Value head) {
  const Value row = b.mul(sequence, b.blockTableStride(shape.group));
  const Value id =
      b.loadU32(b.element(b.blockTable(shape.group), b.add(row, page), 4));
  return b.element(b.element(kv, id, shape.pageBytes), head, shape.headBytes);
}

Type kvElement(KernelBuilder &b, const KvShape &shape) {
  return shape.elementBytes == 2 ? b.f16() : b.f32();
}

} // namespace air::codegen
