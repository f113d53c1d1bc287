//===- DecodeAttention.cpp - attention over pages of 64 positions ---------===//
#include "codegen/cuda/DecodeAttention.h"

#include "codegen/cuda/AttentionHeads.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Literals.h"

#include <bit>

namespace air::codegen::cuda {
namespace {

constexpr const char *kText = R"(
// Writes this block's queries to shared memory: row c holds column c of the mma
// as float16, and row c + 8 the rounding errors.
AP_DEVICE void stageQueries(u8 *shared, const float *q, u32 firstToken, u32 firstColumn,
                            u32 kvHead, u32 thread) {
  for (u32 i = thread; i < 8 * kPaddedDim; i += kThreads) {
    const u32 row = i / kPaddedDim;
    const u32 element = i % kPaddedDim;
    const u32 column = firstColumn + row;
    float value = 0;
    if (column < kColumns && element < kHeadDim) {
      const u32 head = kvHead * kGroup + column % kGroup;
      value = kScale * q[(firstToken + column / kGroup) * kQueryStride + head * kHeadDim + element];
    }
    const u32 high = ap_half_of_float(value);
    u16 *to = (u16 *)(shared + row * kRowBytes) + element;
    to[0] = (u16)high;
    to[4 * kRowBytes] = (u16)ap_half_of_float(value - ap_float_of_half(high));
  }
}

// The state of a softmax over some positions. Lane 4g+t has queries 2t and
// 2t+1, and elements g and g+8 of every 16 elements of their outputs.
struct Softmax {
  float largest[2]; // each query's largest score
  float sum[2];     // this lane's part of the sum of 2^(score - largest)
  float o[kSteps][4];
};

AP_DEVICE u32 pairOfHalves(u32 first, u32 second) { return first | second << 16; }

// Adds the scores and values of a page to the softmax state: those of all 64
// positions if `whole` is true, or else those of the first `inside` positions.
template <bool whole>
AP_DEVICE void addPage(Softmax &softmax, const u8 *shared, const u8 *page, u32 firstPosition,
                       const u32 (&last)[2], u32 inside, u32 lane) {
  const u32 g = lane / 4;
  const u32 t = lane % 4;
  float s[4][4] = {};
#pragma unroll
  for (u32 step = 0; step < kSteps; ++step) {
    const u8 *query = shared + g * kRowBytes + step * 32 + t * 8;
    const Word2 high = *(const Word2 *)query;
    const Word2 low = *(const Word2 *)(query + 8 * kRowBytes);
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
      const Word4 k = ap_stream16(page + (i * kSteps + step) * 512 + lane * 16);
      ap_mma_f16(s[i], k.x, k.z, k.y, k.w, high.x, high.y);
      ap_mma_f16(s[i], k.x, k.z, k.y, k.w, low.x, low.y);
    }
  }
  float factor[2];
#pragma unroll
  for (u32 j = 0; j < 2; ++j) {
    float best = softmax.largest[j];
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
      float &score = s[i / 2][i % 2 * 2 + j];
      if (firstPosition + i * 8 + g > last[j]) {
        score = ap_float_of_bits(0xff800000); // minus infinity
      }
      best = ap_max(best, score);
    }
#pragma unroll
    for (u32 mask = 4; mask < 32; mask *= 2) {
      best = ap_max(best, ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(best), mask)));
    }
    factor[j] = ap_exp2(softmax.largest[j] - best);
    softmax.largest[j] = best;
    softmax.sum[j] *= factor[j];
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
      float &score = s[i / 2][i % 2 * 2 + j];
      score = ap_exp2(score - best);
      softmax.sum[j] += score;
    }
  }
#pragma unroll
  for (u32 step = 0; step < kSteps; ++step) {
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
      softmax.o[step][i] *= factor[i % 2];
    }
  }
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    // The softmax weights of a query are now in lanes with the same t. The next
    // mma needs them in lanes with the same g.
    u32 high[2], low[2];
#pragma unroll
    for (u32 j = 0; j < 2; ++j) {
      const float a = s[i][2 * j], b = s[i][2 * j + 1];
      const u32 ha = ap_half_of_float(a), hb = ap_half_of_float(b);
      high[j] = ap_transpose(pairOfHalves(ha, hb));
      low[j] = ap_transpose(pairOfHalves(ap_half_of_float(a - ap_float_of_half(ha)),
                                         ap_half_of_float(b - ap_float_of_half(hb))));
    }
    // Positions beyond the sequence's end have weight 0, but their values may
    // be NaN, and 0 * NaN is NaN. The mask replaces these values by 0.
    u32 mask[2] = {0xffffffff, 0xffffffff};
    if (!whole) {
#pragma unroll
      for (u32 j = 0; j < 2; ++j) {
        const u32 position = i * 16 + j * 8 + t * 2;
        mask[j] = position + 1 < inside ? 0xffffffff : position < inside ? 0xffff : 0;
      }
    }
#pragma unroll
    for (u32 step = 0; step < kSteps; ++step) {
      Word4 v = ap_stream16(page + 128 * kPaddedDim + (i * kSteps + step) * 512 + lane * 16);
      if (!whole) {
        v = Word4{v.x & mask[0], v.y & mask[1], v.z & mask[0], v.w & mask[1]};
      }
      ap_mma_f16(softmax.o[step], v.x, v.z, v.y, v.w, high[0], high[1]);
      ap_mma_f16(softmax.o[step], v.x, v.z, v.y, v.w, low[0], low[1]);
    }
  }
}

// The number of floats in the state of a range of positions: for each of 8
// queries, the largest score, the sum of the softmax weights, and an output
// vector of kHeadDim elements. The states of all ranges are merged at the end.
constexpr u32 kStateFloats = 16 + 8 * kHeadDim;

AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const float *q, const u32 *positions, const u32 *blockTables, const u8 *kvCache, float *out,
 float *partials, u32 *counters) {
  u8 *shared = ap_shared();
  float *states = (float *)(shared + kStateOffset);
  const u32 thread = ap_thread();
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  const u32 g = lane / 4;
  const u32 t = lane % 4;
  const u32 block = ap_block_x();
  const u32 split = ap_block_y();
  const u32 firstColumn = block % kColumnGroups * 8;
  const u32 kvHead = block / kColumnGroups % kKvHeads;
  const u32 sequence = block / (kColumnGroups * kKvHeads);
  const u32 firstToken = sequence * kTokensPerSequence;
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  stageQueries(shared, q, firstToken, firstColumn, kvHead, thread);
  ap_barrier();

  u32 last[2];
#pragma unroll
  for (u32 j = 0; j < 2; ++j) {
    const u32 column = firstColumn + 2 * t + j;
    last[j] = positions[firstToken + (column < kColumns ? column / kGroup : 0)];
  }
  const u32 length = positions[firstToken + kTokensPerSequence - 1] + 1;
  const u32 pages = (length + 63) / 64;
  const u32 share = (pages + kSplits - 1) / kSplits;
  const u32 end = (split + 1) * share < pages ? (split + 1) * share : pages;
  Softmax softmax = {};
  softmax.largest[0] = softmax.largest[1] = -0x1p126f;
#pragma unroll 1
  for (u32 i = split * share + warp; i < end; i += kWarps) {
    const u8 *page = kvCache + (u64)blockTables[sequence * kTablePages + i] * kPageBytes +
                     (u64)kvHead * 256 * kPaddedDim;
    const u32 inside = length - i * 64;
    if (inside >= 64) {
      addPage<true>(softmax, shared, page, i * 64, last, inside, lane);
    } else {
      addPage<false>(softmax, shared, page, i * 64, last, inside, lane);
    }
  }

  float *mine = states + warp * kStateFloats;
#pragma unroll
  for (u32 j = 0; j < 2; ++j) {
    const u32 column = 2 * t + j;
#pragma unroll
    for (u32 mask = 4; mask < 32; mask *= 2) {
      softmax.sum[j] += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(softmax.sum[j]), mask));
    }
    if (g == 0) {
      mine[column * 2] = softmax.largest[j];
      mine[column * 2 + 1] = softmax.sum[j];
    }
#pragma unroll
    for (u32 step = 0; step < kSteps; ++step) {
#pragma unroll
      for (u32 i = 0; i < 2; ++i) {
        const u32 element = step * 16 + i * 8 + g;
        if (element < kHeadDim) {
          mine[16 + column * kHeadDim + element] = softmax.o[step][i * 2 + j];
        }
      }
    }
  }
  ap_barrier();

  // Merges the softmax states of the warps and then, if kSplits > 1, those of
  // the ranges of positions. The order is fixed.
  float *ofRange = partials + (u64)(block * kSplits + split) * kStateFloats;
  for (u32 i = thread; i < 8 * kHeadDim; i += kThreads) {
    const u32 row = i / kHeadDim;
    const u32 column = firstColumn + row;
    float largest = states[row * 2];
    for (u32 w = 1; w < kWarps; ++w) {
      largest = ap_max(largest, states[w * kStateFloats + row * 2]);
    }
    float sum = 0, value = 0;
    for (u32 w = 0; w < kWarps; ++w) {
      const float *state = states + w * kStateFloats;
      const float factor = ap_exp2(state[row * 2] - largest);
      sum += factor * state[row * 2 + 1];
      value += factor * state[16 + i];
    }
    if (kSplits > 1) {
      ofRange[16 + i] = value;
      if (i % kHeadDim == 0) {
        ofRange[row * 2] = largest;
        ofRange[row * 2 + 1] = sum;
      }
    } else if (column < kColumns) {
      const u32 head = kvHead * kGroup + column % kGroup;
      out[(firstToken + column / kGroup) * kQueryHeads * kHeadDim + head * kHeadDim + i % kHeadDim] =
          value / sum;
    }
  }
  if (kSplits > 1) {
    u32 *isLast = (u32 *)(shared + kFlagOffset);
    ap_fence();
    ap_barrier();
    if (thread == 0) {
      *isLast = ap_atomic_add(counters + block, 1) == kSplits - 1;
    }
    ap_barrier();
    if (*isLast != 0) {
      ap_fence();
      const float *ranges = partials + (u64)block * kSplits * kStateFloats;
      for (u32 i = thread; i < 8 * kHeadDim; i += kThreads) {
        const u32 row = i / kHeadDim;
        const u32 column = firstColumn + row;
        float largest = ap_load_coherent(ranges + row * 2);
        for (u32 r = 1; r < kSplits; ++r) {
          largest = ap_max(largest, ap_load_coherent(ranges + r * kStateFloats + row * 2));
        }
        float sum = 0, value = 0;
        for (u32 r = 0; r < kSplits; ++r) {
          const float *state = ranges + r * kStateFloats;
          const float factor = ap_exp2(ap_load_coherent(state + row * 2) - largest);
          sum += factor * ap_load_coherent(state + row * 2 + 1);
          value += factor * ap_load_coherent(state + 16 + i);
        }
        if (column < kColumns) {
          const u32 head = kvHead * kGroup + column % kGroup;
          out[(firstToken + column / kGroup) * kQueryHeads * kHeadDim + head * kHeadDim +
              i % kHeadDim] = value / sum;
        }
      }
      if (thread == 0) {
        counters[block] = 0;
      }
    }
  }
}
)";

Status checkSpec(const DecodeAttention &spec, const CudaTarget &target) {
  const std::string where = "decode attention for " + std::string(target.name);
  AIR_RETURN_IF_ERROR(checkAttentionHeads(spec.queryHeads, spec.pages,
                                          spec.queryStride, where));
  if (spec.tokens < 1 || spec.tokens > 8 || spec.tokensPerSequence < 1 ||
      spec.tokens % spec.tokensPerSequence != 0 || spec.splits < 1 ||
      spec.splits > 64 || spec.warps < 1 || spec.warps > 16) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(spec.tokens) + " tokens (1 to 8), " +
        std::to_string(spec.tokensPerSequence) +
        " tokens per sequence (a divisor of the number of tokens), " +
        std::to_string(spec.splits) + " ranges of positions (1 to 64), " +
        std::to_string(spec.warps) + " warps per block (1 to 16)");
  }
  if (spec.dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError(
        where +
        " cannot use dependent launches: the target does not support them");
  }
  return Status::ok();
}

} // namespace

std::string decodeAttentionName(const DecodeAttention &spec,
                                const CudaTarget &target) {
  std::string name = "attention";
  auto add = [&](const char *prefix, uint64_t value) {
    name += std::string("_") + prefix + std::to_string(value);
  };
  add("h", spec.queryHeads);
  add("kv", spec.pages.kvHeads);
  add("of", spec.pages.headDim);
  add("m", spec.tokens);
  add("t", spec.tokensPerSequence);
  add("q", spec.queryStride);
  add("x", spec.pages.tablePages);
  add("y", spec.pages.pageBytes);
  add("c", std::bit_cast<uint32_t>(spec.scale));
  name += "_" + std::string(target.name);
  add("w", spec.warps);
  add("p", spec.splits);
  return name + (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generateDecodeAttention(const DecodeAttention &spec,
                                           const CudaTarget &target,
                                           std::string_view intrinsics) {
  AIR_RETURN_IF_ERROR(checkSpec(spec, target));
  const KvPages &pages = spec.pages;
  const uint32_t dim = paddedHeadDim(pages.headDim);
  const uint32_t group = spec.queryHeads / pages.kvHeads;
  const uint32_t columns = group * spec.tokensPerSequence;
  const uint32_t columnGroups = (columns + 7) / 8;
  // In addPage, a lane reads 8 bytes of a row of queries at a time. Shared
  // memory serves 16 such lanes at once, which read 32 bytes from each of 4
  // successive rows. The rows are an odd multiple of 32 bytes apart, so these 4
  // pieces are in different banks, which together span 128 bytes.
  const uint32_t rowBytes = (dim * 2 + 127) / 128 * 128 + 32;
  const uint32_t stateFloats = 16 + 8 * pages.headDim;
  CudaKernel kernel;
  kernel.name = decodeAttentionName(spec, target);
  kernel.gridX =
      spec.tokens / spec.tokensPerSequence * pages.kvHeads * columnGroups;
  kernel.gridY = spec.splits;
  kernel.threads = spec.warps * 32;
  const uint32_t stateOffset = 16 * rowBytes;
  const uint32_t flagOffset = stateOffset + spec.warps * stateFloats * 4;
  kernel.sharedBytes = flagOffset + 16;
  if (kernel.sharedBytes > target.sharedBytesPerBlock) {
    return doesNotFitError(
        "kernel " + kernel.name + " needs " +
        std::to_string(kernel.sharedBytes) +
        " bytes of shared memory per thread block, but the target allows " +
        std::to_string(target.sharedBytesPerBlock) + " bytes; use fewer warps");
  }
  if (spec.splits > 1) {
    kernel.partialBytes =
        uint64_t{4} * kernel.gridX * spec.splits * stateFloats;
    kernel.counterBytes = uint64_t{4} * kernel.gridX;
  }
  kernel.bindings = {"q",   "positions", "block_tables", "kv_cache",
                     "out", "partials",  "counters"};
  std::string &text = kernel.text;
  text = std::string(commonText());
  literal(text, "kThreads", kernel.threads);
  literal(text, "kWarps", spec.warps);
  literal(text, "kSplits", spec.splits);
  literal(text, "kQueryHeads", spec.queryHeads);
  literal(text, "kKvHeads", pages.kvHeads);
  literal(text, "kGroup", group);
  literal(text, "kTokensPerSequence", spec.tokensPerSequence);
  literal(text, "kColumns", columns);
  literal(text, "kColumnGroups", columnGroups);
  literal(text, "kHeadDim", pages.headDim);
  literal(text, "kPaddedDim", dim);
  literal(text, "kSteps", dim / 16);
  literal(text, "kQueryStride", spec.queryStride);
  literal(text, "kRowBytes", rowBytes);
  literal(text, "kStateOffset", stateOffset);
  literal(text, "kFlagOffset", flagOffset);
  literal(text, "kTablePages", pages.tablePages);
  literal(text, "kPageBytes", pages.pageBytes);
  literal(text, "kScale", spec.scale * kLog2E);
  text += std::string("#define AP_DEPENDENT_LAUNCH ") +
          (spec.dependentLaunch ? "1" : "0") + "\n#define KERNEL_NAME " +
          kernel.name + "\n" + std::string(intrinsics) + kText;
  return kernel;
}

} // namespace air::codegen::cuda
