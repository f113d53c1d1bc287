//===- AttentionHeads.cpp - what all attention kernels check --------------===//
#include "codegen/cuda/AttentionHeads.h"

namespace air::codegen::cuda {

Status checkAttentionHeads(uint32_t queryHeads, const KvPages &pages,
                           uint32_t queryStride, const std::string &where) {
  if (pages.headDim < 1 || pages.headDim > kMaxHeadDim || pages.kvHeads < 1 ||
      pages.kvHeads > 1024 || queryHeads < 1 || queryHeads > 1024 ||
      queryHeads % pages.kvHeads != 0) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(pages.kvHeads) + " KV heads (1 to 1024), " +
        std::to_string(queryHeads) +
        " query heads (a multiple of the number of KV heads, at most 1024), " +
        std::to_string(pages.headDim) + " elements per head (1 to " +
        std::to_string(kMaxHeadDim) + ")");
  }
  if (pages.pageBytes % 16 != 0 || pages.pageBytes < kvLayerBytes(pages) ||
      pages.tablePages < 1 || queryStride < queryHeads * pages.headDim ||
      queryStride > 1U << 20) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(pages.pageBytes) +
        " bytes from one KV page to the next (a multiple of 16, at least " +
        std::to_string(kvLayerBytes(pages)) + "), " +
        std::to_string(pages.tablePages) +
        " KV pages per sequence (1 or more), " + std::to_string(queryStride) +
        " floats from one token's queries to the next (" +
        std::to_string(queryHeads * pages.headDim) + " to 2^20)");
  }
  return Status::ok();
}

} // namespace air::codegen::cuda
