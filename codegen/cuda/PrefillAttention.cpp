//===- PrefillAttention.cpp - attention of many tokens --------------------===//
#include "codegen/cuda/PrefillAttention.h"

#include "codegen/cuda/AttentionHeads.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/KernelParts.h"
#include "codegen/cuda/Literals.h"

#include <algorithm>
#include <bit>

namespace air::codegen::cuda {
namespace {

constexpr const char *kText = R"(
AP_DEVICE u32 pairOfHalves(u32 first, u32 second) { return first | second << 16; }

// Rounds two numbers to float16. `low` receives the rounding errors.
AP_DEVICE void roundPair(float a, float b, u32 &high, u32 &low) {
  const u32 ha = ap_half_of_float(a), hb = ap_half_of_float(b);
  high = pairOfHalves(ha, hb);
  low = kSplit ? pairOfHalves(ap_half_of_float(a - ap_float_of_half(ha)),
                              ap_half_of_float(b - ap_float_of_half(hb)))
               : 0;
}

// Writes the queries to shared memory as A operands. For 16 rows and 16
// elements, lane 4g+t has elements 4t to 4t+3 of rows g and g+8. Rows and
// elements beyond the last one are 0.
AP_DEVICE void stageQueries(u8 *shared, const float *q, u32 firstToken, u32 rows, u32 kvHead,
                            u32 thread) {
  for (u32 i = thread; i < kWarps * 16 * (kPaddedDim / 4); i += kThreads) {
    const u32 row = i / (kPaddedDim / 4);
    const u32 element = i % (kPaddedDim / 4) * 4;
    float f[4] = {0, 0, 0, 0};
    if (row < rows) {
      const float *from = q + (u64)(firstToken + row / kGroup) * kQueryStride +
                          (kvHead * kGroup + row % kGroup) * kHeadDim + element;
#pragma unroll
      for (u32 j = 0; j < 4; ++j) {
        f[j] = element + j < kHeadDim ? kScale * from[j] : 0;
      }
    }
    u8 *to = shared + (row / 16 * kSteps + element / 16) * 512 +
             (row % 8 * 4 + element % 16 / 4) * 16 + row % 16 / 8 * 4;
#pragma unroll
    for (u32 j = 0; j < 2; ++j) {
      u32 high, low;
      roundPair(f[2 * j], f[2 * j + 1], high, low);
      *(u32 *)(to + j * 8) = high;
      if (kSplit) {
        *(u32 *)(to + kQueryLow + j * 8) = low;
      }
    }
  }
}

// The state of the online softmax of a warp's 16 rows. Lane 4g+t has rows g and
// g+8 and, of their outputs `o`, elements 2t and 2t+1 of every 8.
struct Softmax {
  float largest[2]; // each row's largest score
  float sum[2];     // this lane's part of the sum of 2^(score - largest)
  float o[2 * kSteps][4];
};

// Adds the scores and values of the positions in a slot, from firstPosition on,
// to the softmax state. If `whole` is set, every row attends to all of these
// positions. Otherwise, a row attends only to positions up to its `last` and
// below `length`.
template <bool whole>
AP_DEVICE void addPositions(Softmax &softmax, const u8 *queries, const u8 *slot,
                            u32 firstPosition, const u32 (&last)[2], u32 length, u32 lane) {
  const u32 t = lane % 4;
  float s[kPositions / 8][4] = {};
#pragma unroll
  for (u32 step = 0; step < kSteps; ++step) {
    const Word4 high = *(const Word4 *)(queries + step * 512);
    Word4 low = {};
    if (kSplit) {
      low = *(const Word4 *)(queries + kQueryLow + step * 512);
    }
#pragma unroll
    for (u32 i = 0; i < kPositions / 16; ++i) {
      const Word4 k = *(const Word4 *)(slot + (i * kSteps + step) * 512 + lane * 16);
      ap_mma_f16(s[2 * i], high.x, high.y, high.z, high.w, k.x, k.y);
      ap_mma_f16(s[2 * i + 1], high.x, high.y, high.z, high.w, k.z, k.w);
      if (kSplit) {
        ap_mma_f16(s[2 * i], low.x, low.y, low.z, low.w, k.x, k.y);
        ap_mma_f16(s[2 * i + 1], low.x, low.y, low.z, low.w, k.z, k.w);
      }
    }
  }
  float factor[2];
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    float best = softmax.largest[row];
#pragma unroll
    for (u32 i = 0; i < kPositions / 4; ++i) {
      float &score = s[i / 2][row * 2 + i % 2];
      if (!whole && firstPosition + i / 2 * 8 + 2 * t + i % 2 > last[row]) {
        score = ap_float_of_bits(0xff800000); // minus infinity
      }
      best = ap_max(best, score);
    }
#pragma unroll
    for (u32 mask = 1; mask < 4; mask *= 2) {
      best = ap_max(best, ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(best), mask)));
    }
    factor[row] = ap_exp2(softmax.largest[row] - best);
    softmax.largest[row] = best;
    softmax.sum[row] *= factor[row];
#pragma unroll
    for (u32 i = 0; i < kPositions / 4; ++i) {
      float &score = s[i / 2][row * 2 + i % 2];
      score = ap_exp2(score - best);
      softmax.sum[row] += score;
    }
  }
#pragma unroll
  for (u32 i = 0; i < 2 * kSteps; ++i) {
#pragma unroll
    for (u32 j = 0; j < 4; ++j) {
      softmax.o[i][j] *= factor[j / 2];
    }
  }
  const u8 *values = slot + kPositions * kPaddedDim * 2;
#pragma unroll
  for (u32 i = 0; i < kPositions / 16; ++i) {
    // Each lane already holds the softmax weights that the next mma needs from
    // it.
    u32 high[4], low[4];
#pragma unroll
    for (u32 j = 0; j < 4; ++j) {
      const float (&pair)[4] = s[2 * i + j / 2];
      roundPair(pair[j % 2 * 2], pair[j % 2 * 2 + 1], high[j], low[j]);
    }
    // Positions from `length` on have weight 0, but their values may be NaN,
    // and 0 * NaN is NaN. The mask therefore sets these values to 0.
    u32 mask[2] = {0xffffffff, 0xffffffff};
    if (!whole) {
#pragma unroll
      for (u32 j = 0; j < 2; ++j) {
        const u32 position = firstPosition + i * 16 + j * 8 + t * 2;
        mask[j] = position + 1 < length ? 0xffffffff : position < length ? 0xffff : 0;
      }
    }
#pragma unroll
    for (u32 step = 0; step < kSteps; ++step) {
      Word4 v = *(const Word4 *)(values + (i * kSteps + step) * 512 + lane * 16);
      if (!whole) {
        v = Word4{v.x & mask[0], v.y & mask[1], v.z & mask[0], v.w & mask[1]};
      }
      ap_mma_f16(softmax.o[2 * step], high[0], high[1], high[2], high[3], v.x, v.y);
      ap_mma_f16(softmax.o[2 * step + 1], high[0], high[1], high[2], high[3], v.z, v.w);
      if (kSplit) {
        ap_mma_f16(softmax.o[2 * step], low[0], low[1], low[2], low[3], v.x, v.y);
        ap_mma_f16(softmax.o[2 * step + 1], low[0], low[1], low[2], low[3], v.z, v.w);
      }
    }
  }
}

// Copies the keys and values of positions [index * kPositions, (index + 1) *
// kPositions) to a slot.
AP_DEVICE void fetchPositions(u8 *slot, const u8 *kvCache, const u32 *table, u32 kvHead, u32 index,
                              u32 warp, u32 lane) {
  constexpr u32 kPart = kPositions * kPaddedDim * 2;
  const u32 page = table[index / (64 / kPositions)];
  const u8 *from = kvCache + (u64)page * kPageBytes + (u64)kvHead * 256 * kPaddedDim +
                   index % (64 / kPositions) * kPart;
  for (u32 i = warp; i < 2 * (kPart / 512); i += kWarps) {
    const u32 values = i / (kPart / 512);
    copyPieces(slot + i * 512, from + values * 128 * kPaddedDim + i % (kPart / 512) * 512, 512,
               lane);
  }
}

AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const float *q, const u32 *positions, const u32 *blockTables, const u8 *kvCache, float *out,
 const u32 *tileCount, const u32 *tiles) {
  u8 *shared = ap_shared();
  const u32 thread = ap_thread();
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  const u32 g = lane / 4;
  const u32 t = lane % 4;
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  const u32 kvHead = ap_block_x() % kKvHeads;
  const u32 tile = ap_block_x() / kKvHeads;
  const u32 count = *tileCount;
  if (tile >= count) {
    return;
  }
  // The last tiles of a prompt have the most positions, so they begin first.
  const u32 *entry = tiles + (count - 1 - tile) * 3;
  const u32 firstToken = entry[0];
  const u32 rows = entry[1] * kGroup;
  const u32 *table = blockTables + entry[2] * kTablePages;
  const u32 begin = positions[firstToken];
  const u32 length = begin + entry[1];
  const u32 slots = (length + kPositions - 1) / kPositions;
  u8 *ring = shared + kRingOffset;
  constexpr u32 kAhead = kStages - 1;
#pragma unroll 1
  for (u32 i = 0; i < kAhead; ++i) {
    if (i < slots) {
      fetchPositions(ring + i * kSlotBytes, kvCache, table, kvHead, i, warp, lane);
    }
    endCopies();
  }
  stageQueries(shared, q, firstToken, rows, kvHead, thread);
  const u8 *queries = shared + warp * kSteps * 512 + lane * 16;
  u32 last[2];
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    last[i] = begin + (warp * 16 + i * 8 + g) / kGroup;
  }
  // Each of a warp's 16 rows is a query, which attends to the positions up to
  // its own. The last row has the largest position, so the warp can skip the
  // keys and values of all later positions.
  const u32 warpEnd = begin + (warp * 16 + 15) / kGroup + 1;
  Softmax softmax = {};
  softmax.largest[0] = softmax.largest[1] = -0x1p126f;
  u32 slot = 0;
#pragma unroll 1
  for (u32 i = 0; i < slots; ++i) {
    waitForCopies<(kAhead > 1 ? kAhead - 1 : 0)>();
    ap_barrier();
    if (i + kAhead < slots) {
      const u32 free = slot == 0 ? kAhead : slot - 1;
      fetchPositions(ring + free * kSlotBytes, kvCache, table, kvHead, i + kAhead, warp, lane);
    }
    endCopies();
    if (kAhead == 0) {
      waitForCopies<0>();
      ap_barrier();
    }
    const u32 first = i * kPositions;
    const u8 *from = ring + slot * kSlotBytes;
    if (first + kPositions <= begin + 1) {
      addPositions<true>(softmax, queries, from, first, last, length, lane);
    } else if (first < warpEnd && warp * 16 < rows) {
      addPositions<false>(softmax, queries, from, first, last, length, lane);
    }
    slot = slot + 1 == kStages ? 0 : slot + 1;
  }
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    float sum = softmax.sum[i];
#pragma unroll
    for (u32 mask = 1; mask < 4; mask *= 2) {
      sum += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(sum), mask));
    }
    const u32 row = warp * 16 + i * 8 + g;
    if (row >= rows) {
      continue;
    }
    const float factor = 1 / sum;
    float *to = out + (u64)(firstToken + row / kGroup) * (kKvHeads * kGroup * kHeadDim) +
                (kvHead * kGroup + row % kGroup) * kHeadDim;
#pragma unroll
    for (u32 j = 0; j < 4 * kSteps; ++j) {
      const u32 element = j / 2 * 8 + 2 * t + j % 2;
      if (element < kHeadDim) {
        to[element] = softmax.o[j / 2][i * 2 + j % 2] * factor;
      }
    }
  }
}
)";

struct Sizes {
  uint32_t group, warps, queryBytes, slotBytes, sharedBytes;
};

Sizes sizesOf(const PrefillAttention &spec) {
  const uint32_t dim = paddedHeadDim(spec.pages.headDim);
  Sizes s{};
  s.group = spec.queryHeads / spec.pages.kvHeads;
  s.warps = divideUp(s.group * spec.tiling.tileTokens, 16);
  s.queryBytes = s.warps * 16 * dim * 2;
  s.slotBytes = spec.tiling.positions * dim * 2 * 2;
  s.sharedBytes = s.queryBytes * (spec.splitOperands ? 2 : 1) +
                  spec.tiling.stages * s.slotBytes;
  return s;
}

Status checkSpec(const PrefillAttention &spec, const CudaTarget &target) {
  const std::string where = "prefill attention for " + std::string(target.name);
  AIR_RETURN_IF_ERROR(checkAttentionHeads(spec.queryHeads, spec.pages,
                                          spec.queryStride, where));
  const AttentionTiling &tiling = spec.tiling;
  const uint32_t group = spec.queryHeads / spec.pages.kvHeads;
  const bool positions = tiling.positions == 16 || tiling.positions == 32 ||
                         tiling.positions == 64;
  if (!positions || tiling.tileTokens < 1 || tiling.tileTokens > 256 ||
      tiling.tileTokens * group > 256 || tiling.stages < 1 ||
      tiling.stages > 4 || spec.maxTiles < 1 ||
      spec.maxTiles > kMaxPrefillTokens) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(spec.maxTiles) + " tiles (1 to " +
        std::to_string(kMaxPrefillTokens) + "), " +
        std::to_string(tiling.tileTokens) + " tokens per tile and " +
        std::to_string(group) +
        " query heads per KV head (their product must be 1 to 256), " +
        std::to_string(tiling.positions) +
        " positions per stage (16, 32 or 64), " +
        std::to_string(tiling.stages) + " stages (1 to 4)");
  }
  if (spec.dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError(
        where +
        " cannot use dependent launches: the target does not support them");
  }
  return Status::ok();
}

} // namespace

AttentionTiling defaultAttentionTiling(const PrefillAttention &spec,
                                       const CudaTarget &target) {
  PrefillAttention trial = spec;
  AttentionTiling &tiling = trial.tiling;
  const KvPages &pages = spec.pages;
  if (pages.kvHeads == 0 || pages.headDim == 0) {
    return tiling;
  }
  // For each KV head, a token has `group` queries. A tile has about 64 of them,
  // which is 16 for each of four warps: a multiprocessor has four schedulers,
  // so four warps can multiply at the same time.
  const uint32_t group = std::max(1U, spec.queryHeads / pages.kvHeads);
  tiling.tileTokens = std::max(1U, 64 / group);
  const auto fits = [&] {
    return sizesOf(trial).sharedBytes <= target.sharedBytesPerBlock;
  };
  // A warp accumulates its outputs in registers. Those of wide heads leave few
  // registers for scores, so fewer positions are multiplied at a time.
  tiling.positions = pages.headDim > 128 ? 32 : 64;
  while (!fits() && tiling.positions > 16) {
    tiling.positions /= 2;
  }
  while (!fits() && tiling.tileTokens > 1) {
    tiling.tileTokens /= 2;
  }
  if (!fits()) {
    tiling.stages = 1;
  }
  return tiling;
}

std::string prefillAttentionName(const PrefillAttention &spec,
                                 const CudaTarget &target) {
  std::string name = "prefill_attention";
  auto add = [&](const char *prefix, uint64_t value) {
    name += std::string("_") + prefix + std::to_string(value);
  };
  add("h", spec.queryHeads);
  add("kv", spec.pages.kvHeads);
  add("of", spec.pages.headDim);
  add("m", spec.maxTiles);
  add("q", spec.queryStride);
  add("x", spec.pages.tablePages);
  add("y", spec.pages.pageBytes);
  add("c", std::bit_cast<uint32_t>(spec.scale));
  name += "_" + std::string(target.name);
  add("t", spec.tiling.tileTokens);
  add("p", spec.tiling.positions);
  add("s", spec.tiling.stages);
  name += spec.splitOperands ? "_split" : "";
  return name + (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generatePrefillAttention(const PrefillAttention &spec,
                                            const CudaTarget &target,
                                            std::string_view intrinsics) {
  AIR_RETURN_IF_ERROR(checkSpec(spec, target));
  const KvPages &pages = spec.pages;
  const AttentionTiling &tiling = spec.tiling;
  const Sizes s = sizesOf(spec);
  CudaKernel kernel;
  kernel.name = prefillAttentionName(spec, target);
  kernel.gridX = spec.maxTiles * pages.kvHeads;
  kernel.threads = s.warps * 32;
  kernel.sharedBytes = s.sharedBytes;
  if (kernel.sharedBytes > target.sharedBytesPerBlock) {
    return doesNotFitError(
        "kernel " + kernel.name + " needs " +
        std::to_string(kernel.sharedBytes) +
        " bytes of shared memory per thread block, but the target allows " +
        std::to_string(target.sharedBytesPerBlock) +
        " bytes; use smaller tiles or fewer stages");
  }
  kernel.bindings = {"q",   "positions",  "block_tables", "kv_cache",
                     "out", "tile_count", "tiles"};
  std::string &text = kernel.text;
  text = std::string(commonText());
  literal(text, "kThreads", kernel.threads);
  literal(text, "kWarps", s.warps);
  literal(text, "kKvHeads", pages.kvHeads);
  literal(text, "kGroup", s.group);
  literal(text, "kHeadDim", pages.headDim);
  literal(text, "kPaddedDim", paddedHeadDim(pages.headDim));
  literal(text, "kSteps", paddedHeadDim(pages.headDim) / 16);
  literal(text, "kQueryStride", spec.queryStride);
  literal(text, "kSplit", spec.splitOperands);
  literal(text, "kQueryLow", s.queryBytes);
  literal(text, "kRingOffset", s.queryBytes * (spec.splitOperands ? 2 : 1));
  literal(text, "kSlotBytes", s.slotBytes);
  literal(text, "kStages", tiling.stages);
  literal(text, "kPositions", tiling.positions);
  literal(text, "kTablePages", pages.tablePages);
  literal(text, "kPageBytes", pages.pageBytes);
  literal(text, "kScale", spec.scale * kLog2E);
  text += dependentLaunchText(spec.dependentLaunch) + "#define KERNEL_NAME " +
          kernel.name + "\n" + std::string(intrinsics) +
          std::string(copyText(target)) + kText;
  return kernel;
}

} // namespace air::codegen::cuda
