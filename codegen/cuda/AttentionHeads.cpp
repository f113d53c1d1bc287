//===- AttentionHeads.cpp - what all attention kernels check --------------===//
#include "codegen/cuda/AttentionHeads.h"

namespace air::codegen::cuda {

Status checkAttentionHeads(uint32_t queryHeads, const KvPages &pages,
                           uint32_t queryStride, const std::string &where) {
  if (pages.headDim < 1 || pages.headDim > kMaxHeadDim || pages.kvHeads < 1 ||
      pages.kvHeads > 1024 || queryHeads < 1 || queryHeads > 1024 ||
      queryHeads % pages.kvHeads != 0) {
    return unsupportedError(
        where + " does not support " + std::to_string(queryHeads) +
        " query heads and " + std::to_string(pages.kvHeads) + " KV heads of " +
        std::to_string(pages.headDim) + " elements; heads may have 1 to " +
        std::to_string(kMaxHeadDim) +
        " elements, and there must be 1 to 1024 query heads, a multiple of the "
        "KV heads");
  }
  if (pages.pageBytes % 16 != 0 || pages.pageBytes < kvLayerBytes(pages) ||
      pages.tablePages < 1 || queryStride < queryHeads * pages.headDim ||
      queryStride > 1U << 20) {
    return unsupportedError(
        where + " does not support KV pages of " +
        std::to_string(pages.pageBytes) + " bytes, " +
        std::to_string(pages.tablePages) + " pages per sequence and queries " +
        std::to_string(queryStride) +
        " floats apart; pages must hold a layer's " +
        std::to_string(kvLayerBytes(pages)) +
        " bytes and be a multiple of 16 bytes apart, and queries at most 2^20 "
        "floats apart without overlap");
  }
  return Status::ok();
}

} // namespace air::codegen::cuda
