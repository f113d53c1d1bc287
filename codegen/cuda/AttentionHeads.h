//===- AttentionHeads.h - what all attention kernels check ------*- C++ -*-===//
#ifndef AIRPACK_CODEGEN_CUDA_ATTENTIONHEADS_H
#define AIRPACK_CODEGEN_CUDA_ATTENTIONHEADS_H

#include "codegen/cuda/KvPages.h"
#include "formats/support/Status.h"

#include <string>

namespace air::codegen::cuda {

/// log2(e): kernels compute the softmax with powers of two.
inline constexpr float kLog2E = 0x1.715476p+0F;

/// Returns Unsupported, with a message that begins with `where`, if attention
/// kernels do not support these numbers of heads, these pages or this distance
/// between the queries of successive tokens.
Status checkAttentionHeads(uint32_t queryHeads, const KvPages &pages,
                           uint32_t queryStride, const std::string &where);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_ATTENTIONHEADS_H
