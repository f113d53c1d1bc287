//===- ChooseToken.cpp - sampling as CUDA text ----------------------------===//
#include "codegen/cuda/ChooseToken.h"

#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Literals.h"
#include "formats/abi/TokenDraw.h"

namespace air::codegen::cuda {
namespace {

constexpr const char *kCommon = R"(
// Maps finite floats to integers that have the same order; 0 and -0 are equal.
// NaN and infinities are larger than all of them.
AP_DEVICE u32 orderOf(float value) {
  const u32 bits = ap_bits_of_float(value);
  const u32 magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) {
    return 0xffffffff;
  }
  if (magnitude == 0) {
    return 0x80000000;
  }
  return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

AP_DEVICE u64 shuffle64(u64 value, u32 mask) {
  return ap_shuffle_xor((u32)value, mask) | (u64)ap_shuffle_xor((u32)(value >> 32), mask) << 32;
}
AP_DEVICE u64 largestOfWarp(u64 value) {
#pragma unroll
  for (u32 mask = 16; mask != 0; mask /= 2) {
    const u64 other = shuffle64(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

// Orders tokens by their logits and, if these are equal, by descending id.
AP_DEVICE u64 rankOf(float logit, u32 id) { return (u64)orderOf(logit) << 32 | (0xffffffff - id); }
AP_DEVICE bool isValid(u64 rank) { return rank >> 32 != 0xffffffff; }
AP_DEVICE u32 idOf(u64 rank) { return 0xffffffff - (u32)rank; }

// Returns, to all threads of the block, the largest rank of the tokens that
// these threads read. A thread reads the logits of the tokens with the ids
// `first`, `first` + stride, `first` + 2 * stride, and so on.
AP_DEVICE u64 largestRank(u64 *ofWarps, const float *logits, u32 first, u32 stride, u32 thread) {
  u64 best = 0;
  for (u32 id = first; id < kVocabulary; id += stride) {
    const u64 rank = rankOf(logits[id], id);
    best = rank > best ? rank : best;
  }
  best = largestOfWarp(best);
  if (thread % 32 == 0) {
    ofWarps[thread / 32] = best;
  }
  ap_barrier();
  best = ofWarps[0];
  for (u32 warp = 1; warp < kWarps; ++warp) {
    best = ofWarps[warp] > best ? ofWarps[warp] : best;
  }
  ap_barrier();
  return best;
}
)";

constexpr const char *kGreedy = R"(
AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const float *logits, u32 *tokenIds, u64 *partials, u32 *counters AP_PARAMETERS) {
  u64 *ofWarps = (u64 *)ap_shared();
  const u32 thread = ap_thread();
  const u32 block = ap_block_x();
  const u32 token = ap_block_y();
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  AP_SKIP_PADDING
  u64 best = largestRank(ofWarps, logits + token * kVocabulary, block * kThreads + thread,
                         kBlocks * kThreads, thread);
  if (thread == 0) {
    partials[token * kBlocks + block] = best;
    ap_fence();
    if (ap_atomic_add(counters + token, 1) == kBlocks - 1) {
      ap_fence();
      for (u32 i = 0; i < kBlocks; ++i) {
        const u64 other = ap_load_coherent64(partials + token * kBlocks + i);
        best = other > best ? other : best;
      }
      tokenIds[token] = isValid(best) ? idOf(best) : 0xffffffff;
      counters[token] = 0;
      AP_ADVANCE
    }
  }
}
)";

constexpr const char *kDraw = R"(
// TokenDraw of formats/abi/TokenDraw.h.
struct alignas(8) Draw {
  u64 seed;
  double scale, topP, minPDistance;
  u32 topK, draws, isBest, reserved;
};

// The weight of a token, exactly as runtime/text/sampling/DrawWeights.cpp
// computes it.
AP_DEVICE u64 weightOf(float logit, float best, double scale) {
  constexpr double kRounder = 0x1.8p52;
  const double exact = ap_product(ap_sum((double)logit, -(double)best), scale);
  const double x = exact < -700 ? -700 : exact;
  const double rounded = ap_sum(ap_product(x, 0x1.71547652b82fep+0), kRounder);
  const double k = ap_sum(rounded, -kRounder);
  const double r = ap_sum(ap_sum(x, -ap_product(k, 0x1.62e42fee00000p-1)),
                          -ap_product(k, 0x1.a39ef35793c76p-33));
  constexpr double kTerms[] = {1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                               1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1};
  double p = 1.0 / 479001600;
#pragma unroll
  for (u32 i = 0; i < 12; ++i) {
    p = ap_sum(ap_product(p, r), kTerms[i]);
  }
  const double power = ap_double_of_bits(ap_bits_of_double(p) + (ap_bits_of_double(rounded) << 52));
  return (u64)ap_sum(ap_sum(ap_product(power, 0x1p32), kRounder), -kRounder);
}

// The tokens that a thread block looks at: all, or those of a list.
struct Candidates {
  const u32 *list; // or null
  u32 count;
  AP_MEMBER u32 at(u32 i) const { return list == nullptr ? i : list[i]; }
};

// A token is kept if orderOf(its logit) is larger than `order`, or if the two
// are equal and its id is at most `lastId`, and if its logit is at least
// `least`.
struct Kept {
  u32 order, lastId;
  double least;
  AP_MEMBER bool has(float logit, u32 id) const {
    const u32 one = orderOf(logit);
    return (one > order || (one == order && id <= lastId)) && (double)logit >= least;
  }
};

// Sorts the candidates for which accepts(id) is true by keyOf(id), the largest
// key first, and adds up amountOf(id) until the sum reaches `wanted`. Returns
// the key at which this happens. Afterwards, `wanted` is what was still missing
// before the tokens with that key were added, and `all` is what these add.
// Nothing is really sorted: the four bytes of the key are found one after the
// other, from a histogram of the amounts for each value of the byte.
template <typename Accepts, typename Key, typename Amount>
AP_DEVICE u32 lastKey(u64 *histogram, const Candidates &from, u64 &wanted, u64 &all, u32 thread,
                      Accepts accepts, Key keyOf, Amount amountOf) {
  u64 *found = histogram + 256;
  u32 key = 0;
#pragma unroll 1
  for (u32 shift = 32; shift != 0;) {
    shift -= 8;
    for (u32 i = thread; i < 256; i += kThreads) {
      histogram[i] = 0;
    }
    ap_barrier();
#pragma unroll 1
    for (u32 i = thread; i < from.count; i += kThreads) {
      const u32 id = from.at(i);
      const u32 one = keyOf(id);
      if ((u64)one >> (shift + 8) == (u64)key >> (shift + 8) && accepts(id)) {
        ap_atomic_add64(histogram + (one >> shift & 255), amountOf(id));
      }
    }
    ap_barrier();
    if (thread == 0) {
      u64 rest = wanted;
      u32 byte = 255;
      while (byte != 0 && histogram[byte] < rest) {
        rest -= histogram[byte];
        --byte;
      }
      found[0] = byte;
      found[1] = rest;
      found[2] = histogram[byte];
    }
    ap_barrier();
    key |= (u32)found[0] << shift;
    wanted = found[1];
    all = found[2];
    ap_barrier();
  }
  return key;
}

// Selects tokens of the set `before`, in descending order of their logits,
// until amountOf(id), added up over them, is at least `wanted`. Returns the set
// of the selected tokens. If `needsLast` is true, its lastId is the id of the
// last of them.
template <typename Amount>
AP_DEVICE Kept keepBest(u64 *histogram, const Candidates &from, const float *logits,
                        const Kept &before, u64 wanted, bool needsLast, u32 thread,
                        Amount amountOf) {
  Kept kept = before;
  u64 all = 0;
  kept.order = lastKey(
      histogram, from, wanted, all, thread, [&](u32 id) { return before.has(logits[id], id); },
      [&](u32 id) { return orderOf(logits[id]); }, amountOf);
  if (all == wanted && !needsLast) {
    kept.lastId = kept.order == before.order ? before.lastId : 0xffffffff;
    return kept;
  }
  // Several tokens may share the lowest logit of the set, and perhaps not all
  // of them are needed. Those with the lowest ids are taken, so a lower id has
  // a higher key in this search.
  const u32 key = lastKey(
      histogram, from, wanted, all, thread,
      [&](u32 id) { return orderOf(logits[id]) == kept.order && before.has(logits[id], id); },
      [&](u32 id) { return 0xffffffff - id; }, amountOf);
  kept.lastId = 0xffffffff - key;
  return kept;
}

// Returns the sum of `value` over the warp. `before` receives the sum over the
// lower lanes.
AP_DEVICE u64 sumOfWarp(u64 value, u64 &before, u32 lane) {
  before = 0;
#pragma unroll
  for (u32 mask = 1; mask < 32; mask *= 2) {
    const u64 other = shuffle64(value, mask);
    before += (lane & mask) != 0 ? other : 0;
    value += other;
  }
  return value;
}

// If top-k keeps at most this number of tokens, they are listed, and the other
// stages look at no others.
constexpr u32 kListed = 1024;

// Chooses a token as the host's sampler does. All threads of a block call it.
// The thread that knows the token calls store(id).
template <typename Store>
AP_DEVICE void drawToken(u64 *histogram, u64 *ofWarps, u32 *list, const float *logits, float best,
                         const Draw &draw, u32 thread, Store store) {
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  Candidates from = {nullptr, kVocabulary};
  Kept kept = {0, 0xffffffff, -(double)ap_float_of_bits(0x7f800000)};
  const bool isSorted = draw.topK != 0 || draw.topP < 1;
  if (draw.topK != 0) {
    kept = keepBest(histogram, from, logits, kept, draw.topK, false, thread,
                    [](u32) { return (u64)1; });
    if (draw.topK <= kListed) {
      if (thread == 0) {
        list[kListed] = 0;
      }
      ap_barrier();
#pragma unroll 1
      for (u32 id = thread; id < kVocabulary; id += kThreads) {
        if (kept.has(logits[id], id)) {
          list[ap_atomic_add(list + kListed, 1)] = id;
        }
      }
      ap_barrier();
      from = Candidates{list, list[kListed]};
    }
  }
  // Each warp adds the weights of consecutive candidates, and then the sums of
  // the warps are added.
  u32 first = 0, end = 0;
  auto sumOfAll = [&](double scale) {
    const u32 share = (from.count + kThreads - 1) / kThreads * 32;
    first = warp * share < from.count ? warp * share : from.count;
    end = first + share < from.count ? first + share : from.count;
    u64 sum = 0, before;
    for (u32 i = first + lane; i < end; i += 32) {
      const u32 id = from.at(i);
      sum += kept.has(logits[id], id) ? weightOf(logits[id], best, scale) : 0;
    }
    sum = sumOfWarp(sum, before, lane);
    ap_barrier();
    if (lane == 0) {
      ofWarps[warp] = sum;
    }
    ap_barrier();
    u64 all = 0;
    for (u32 i = 0; i < kWarps; ++i) {
      all += ofWarps[i];
    }
    return all;
  };
  if (draw.topP < 1) {
    const double exact = ap_product((double)sumOfAll(1), draw.topP);
    u64 wanted = (u64)exact;
    wanted += (double)wanted < exact ? 1 : 0;
    kept = keepBest(histogram, from, logits, kept, wanted > 1 ? wanted : 1, false, thread,
                    [&](u32 id) { return weightOf(logits[id], best, 1); });
  }
  kept.least = ap_sum((double)best, draw.minPDistance);
  const u64 all = sumOfAll(draw.scale);
  // SplitMix64 adds a constant to its state for each output, and mixes the
  // state. The upper 53 bits of an output are a number in [0, 1).
  u64 mixed = draw.seed + ((u64)draw.draws + 1) * 0x9e3779b97f4a7c15ull;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
  mixed ^= mixed >> 31;
  const double unit = ap_product((double)(mixed >> 11), 0x1p-53);
  u64 wanted = (u64)ap_product(unit, (double)all) + 1;
  wanted = wanted < all ? wanted : all;
  if (isSorted) {
    const Kept drawn = keepBest(histogram, from, logits, kept, wanted, true, thread,
                                [&](u32 id) { return weightOf(logits[id], best, draw.scale); });
    if (thread == 0) {
      store(drawn.lastId);
    }
    return;
  }
  u64 rest = wanted - 1;
  u32 chosenWarp = 0;
  while (rest >= ofWarps[chosenWarp]) {
    rest -= ofWarps[chosenWarp];
    ++chosenWarp;
  }
  if (warp != chosenWarp) {
    return;
  }
  for (u32 row = first; row < end; row += 32) {
    const u32 id = row + lane;
    const bool in = id < end && kept.has(logits[id], id);
    const u64 weight = in ? weightOf(logits[id], best, draw.scale) : 0;
    u64 before;
    const u64 sum = sumOfWarp(weight, before, lane);
    if (rest >= before && rest < before + weight) {
      store(id);
    }
    if (rest < sum) {
      break;
    }
    rest -= sum;
  }
}

AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const float *allLogits, u32 *tokenIds, u64 *partials, u32 *counters, u32 *tokenCount,
 u32 *positions, u32 *ropePositions) {
  u64 *histogram = (u64 *)ap_shared(); // 256 entries, and 3 for lastKey
  u64 *ofWarps = histogram + 259;      // kWarps entries
  u64 *bestOfAll = ofWarps + kWarps;
  u32 *list = (u32 *)(bestOfAll + 1);  // kListed entries, and their number
  const u32 thread = ap_thread();
  const u32 block = ap_block_x();
  const u32 token = ap_block_y();
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  AP_SKIP_PADDING
  const float *logits = allLogits + token * kVocabulary;
  u64 best = largestRank(ofWarps, logits, block * kThreads + thread, kBlocks * kThreads, thread);
  if (thread == 0) {
    partials[token * kBlocks + block] = best;
    ap_fence();
    const bool isLast = ap_atomic_add(counters + token, 1) == kBlocks - 1;
    if (isLast) {
      ap_fence();
      for (u32 i = 0; i < kBlocks; ++i) {
        const u64 other = ap_load_coherent64(partials + token * kBlocks + i);
        best = other > best ? other : best;
      }
      counters[token] = 0;
    }
    *bestOfAll = isLast ? best : 0; // no rank is 0
  }
  ap_barrier();
  best = *bestOfAll;
  if (best == 0) {
    return;
  }
  Draw *draw = (Draw *)((u8 *)tokenCount + kDrawOffset) + token;
  const Draw copy = *draw;
  if (!isValid(best) || copy.isBest != 0) {
    if (thread == 0) {
      tokenIds[token] = isValid(best) ? idOf(best) : 0xffffffff;
      AP_ADVANCE
    }
    return;
  }
  drawToken(histogram, ofWarps, list, logits, logits[idOf(best)], copy, thread, [&](u32 id) {
    tokenIds[token] = id;
    draw->draws = copy.draws + 1;
    AP_ADVANCE
  });
}
)";

} // namespace

std::string chooseTokenName(const ChooseToken &spec, const CudaTarget &target) {
  return std::string(spec.choice == Choice::Greedy ? "greedy" : "draw") + "_n" +
         std::to_string(spec.vocabulary) + "_m" + std::to_string(spec.tokens) +
         "_" + std::string(target.name) + "_b" + std::to_string(spec.blocks) +
         "_w" + std::to_string(spec.warps) + (spec.advance ? "_next" : "") +
         (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generateChooseToken(const ChooseToken &spec,
                                       const CudaTarget &target,
                                       std::string_view intrinsics) {
  const std::string where =
      "a kernel for " + std::string(target.name) + " that chooses a token ";
  const bool greedy = spec.choice == Choice::Greedy;
  const uint32_t mostTokens = greedy ? 1U << 24 : kMostDrawnTokens;
  if (spec.vocabulary < 1 || spec.vocabulary > mostTokens || spec.tokens < 1 ||
      spec.tokens > 8 || spec.blocks < 1 || spec.blocks > 1024 ||
      spec.warps < 1 || spec.warps > (greedy ? 32 : 16)) {
    return unsupportedError(
        where +
        "cannot be made because one of these numbers is out of range: a "
        "vocabulary of " +
        std::to_string(spec.vocabulary) + " tokens (1 to 2^" +
        (greedy ? "24" : "21") + "), a batch of " +
        std::to_string(spec.tokens) + " tokens (1 to 8), " +
        std::to_string(spec.blocks) + " blocks per token (1 to 1024), " +
        std::to_string(spec.warps) + " warps per block (1 to " +
        (greedy ? "32)" : "16)"));
  }
  if (!greedy && !spec.advance) {
    return unsupportedError(where + "cannot draw without advancing the "
                                    "positions, because it needs the array "
                                    "with the number of tokens");
  }
  if (spec.dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError(
        where +
        "cannot use dependent launches: the target does not support them");
  }
  CudaKernel kernel;
  kernel.name = chooseTokenName(spec, target);
  kernel.threads = spec.warps * 32;
  kernel.gridX = spec.blocks;
  kernel.gridY = spec.tokens;
  // drawToken() needs a histogram, the words that lastKey() and the kernel add
  // to it, and a list.
  constexpr uint32_t kDrawBytes = 260 * 8 + 1026 * 4;
  kernel.sharedBytes = spec.warps * 8 + (greedy ? 0 : kDrawBytes);
  kernel.partialBytes = uint64_t{8} * spec.tokens * spec.blocks;
  kernel.counterBytes = uint64_t{4} * spec.tokens;
  kernel.bindings = {"logits", "token_ids", "partials", "counters"};
  if (spec.advance) {
    for (const char *name : {"token_count", "positions", "rope_positions"}) {
      kernel.bindings.emplace_back(name);
    }
  }
  std::string &text = kernel.text;
  text = std::string(commonText());
  literal(text, "kThreads", kernel.threads);
  literal(text, "kWarps", spec.warps);
  literal(text, "kVocabulary", spec.vocabulary);
  literal(text, "kBlocks", spec.blocks);
  literal(text, "kDrawOffset", kTokenDrawOffset);
  text += std::string("#define AP_DEPENDENT_LAUNCH ") +
          (spec.dependentLaunch ? "1" : "0") + "\n#define AP_PARAMETERS " +
          (spec.advance
               ? ", const u32 *tokenCount, u32 *positions, u32 *ropePositions"
               : "") +
          "\n#define AP_SKIP_PADDING " +
          (spec.advance ? "if (token >= *tokenCount) { return; }" : "") +
          "\n#define AP_ADVANCE " +
          (spec.advance ? "positions[token] += 1; ropePositions[token] += 1;"
                        : "") +
          "\n#define KERNEL_NAME " + kernel.name + "\n" +
          std::string(intrinsics) + kCommon + (greedy ? kGreedy : kDraw);
  return kernel;
}

} // namespace air::codegen::cuda
