//===- ChooseToken.cpp - sampling as CUDA text ----------------------------===//
#include "codegen/cuda/ChooseToken.h"

#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Literals.h"
#include "formats/abi/TokenDraw.h"

namespace air::codegen::cuda {
namespace {

constexpr const char *kCommon = R"(
// Maps finite floats to integers that have the same order, and 0 and -0 to the
// same integer. NaN and both infinities become 2^32 - 1, which is larger than
// the integer of any finite float.
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

// Returns a number by which tokens can be compared. A token with a larger logit
// has a larger rank. Of two tokens with equal logits, the one with the lower id
// has the larger rank.
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
// Has the same layout as TokenDraw in formats/abi/TokenDraw.h.
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

// Calls visit(logit, id) for each token, in one of the threads of the block. A
// thread loads several logits before it visits the first of them, because one
// block alone has too few threads to hide the latency of the loads otherwise.
template <typename Visit>
AP_DEVICE void forEachToken(const float *logits, u32 thread, Visit visit) {
  constexpr u32 kLoads = 8;
#pragma unroll 1
  for (u32 first = thread; first < kVocabulary; first += kLoads * kThreads) {
    float loaded[kLoads];
#pragma unroll
    for (u32 i = 0; i < kLoads; ++i) {
      const u32 id = first + i * kThreads;
      loaded[i] = id < kVocabulary ? logits[id] : 0;
    }
#pragma unroll
    for (u32 i = 0; i < kLoads; ++i) {
      const u32 id = first + i * kThreads;
      if (id < kVocabulary) {
        visit(loaded[i], id);
      }
    }
  }
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

// Finds the `wanted` largest keys among the values of keyOf(logit, id) for all
// tokens for which accepts(logit, id) is true. There must be at least `wanted`
// such tokens. Returns the smallest of these keys. Sets `all` to the number of
// tokens that have this key, and `wanted` to the number of times that it occurs
// among the keys found. Instead of sorting, the function determines the four
// bytes of the key one after another, by counting the tokens for each value of
// the byte. Each warp has counters of its own, so that few threads change the
// same counter at a time.
template <typename Accepts, typename Key>
AP_DEVICE u32 lastKey(u32 *counts, u32 *found, const float *logits, u32 &wanted, u32 &all,
                      u32 thread, Accepts accepts, Key keyOf) {
  u32 *ofWarp = counts + thread / 32 * 256;
  u32 key = 0;
#pragma unroll 1
  for (u32 shift = 32; shift != 0;) {
    shift -= 8;
    for (u32 i = thread; i < kWarps * 256; i += kThreads) {
      counts[i] = 0;
    }
    ap_barrier();
    forEachToken(logits, thread, [&](float logit, u32 id) {
      const u32 one = keyOf(logit, id);
      if ((u64)one >> (shift + 8) == (u64)key >> (shift + 8) && accepts(logit, id)) {
        ap_atomic_add(ofWarp + (one >> shift & 255), 1);
      }
    });
    ap_barrier();
    if (thread < 32) {
      // Each lane adds up the counters for 8 values of the byte: lane 0 for
      // the values 255 to 248, lane 1 for 247 to 240, and so on.
      u32 ofValue[8];
      u32 sum = 0;
#pragma unroll
      for (u32 i = 0; i < 8; ++i) {
        ofValue[i] = 0;
        for (u32 warp = 0; warp < kWarps; ++warp) {
          ofValue[i] += counts[warp * 256 + 255 - thread * 8 - i];
        }
        sum += ofValue[i];
      }
      u64 before;
      sumOfWarp(sum, before, thread);
      if (before < wanted && wanted <= before + sum) {
        u32 rest = wanted - (u32)before;
        bool isFound = false;
#pragma unroll
        for (u32 i = 0; i < 8; ++i) {
          if (!isFound && rest <= ofValue[i]) {
            found[0] = 255 - thread * 8 - i;
            found[1] = rest;
            found[2] = ofValue[i];
            isFound = true;
          }
          rest -= isFound ? 0 : ofValue[i];
        }
      }
    }
    ap_barrier();
    key |= found[0] << shift;
    wanted = found[1];
    all = found[2];
  }
  return key;
}

// Returns the sum of the first `count` weights, to all lanes of a warp.
AP_DEVICE u64 sumOfWeights(const u64 *weights, u32 count, u32 lane) {
  u64 sum = 0, before;
  for (u32 i = lane; i < count; i += 32) {
    sum += weights[i];
  }
  return sumOfWarp(sum, before, lane);
}

// Returns, to all lanes of a warp, the smallest i for which weights[0] + ... +
// weights[i] is at least `wanted`, or count - 1 if the sum of all `count`
// weights is less than `wanted`.
AP_DEVICE u32 placeOf(const u64 *weights, u32 count, u64 wanted, u32 lane) {
  u64 before, ignored;
#pragma unroll 1
  for (u32 row = 0; row < count; row += 32) {
    const u64 weight = row + lane < count ? weights[row + lane] : 0;
    const u64 sum = sumOfWarp(weight, before, lane);
    if (sum >= wanted) {
      const bool isHere = before < wanted && wanted <= before + weight;
      return (u32)sumOfWarp(isHere ? row + lane : 0, ignored, lane);
    }
    wanted -= sum;
  }
  return count - 1;
}

// The arrays of a block in shared memory.
struct Shared {
  u64 *ranks;  // kListed entries
  u64 *sorted; // kListed entries
  u32 *counts; // 256 entries for each warp
  u32 *found;  // 3 entries
  u32 *listed; // how many entries of `ranks` are used
};

// Chooses a token as the host's sampler does. All threads of a block call this
// function and get the token's id. The id is 2^32 - 1 if the top-k of `draw` is
// out of range or no token has a weight other than 0.
AP_DEVICE u32 drawToken(const Shared &shared, const float *logits, float best, const Draw &draw,
                        u32 thread) {
  const u32 lane = thread % 32;
  if (draw.topK == 0 || draw.topK > kListed) {
    return 0xffffffff;
  }
  u32 wanted = draw.topK < kVocabulary ? draw.topK : kVocabulary;
  u32 all;
  const u32 order = lastKey(
      shared.counts, shared.found, logits, wanted, all, thread,
      [](float, u32) { return true; }, [](float logit, u32) { return orderOf(logit); });
  u32 lastId = 0xffffffff;
  if (wanted < all) {
    // Several tokens share the lowest logit that top-k keeps, but only some of
    // these tokens are kept: those with the lowest ids. So this search gives a
    // lower id a higher key.
    lastId -= lastKey(
        shared.counts, shared.found, logits, wanted, all, thread,
        [&](float logit, u32) { return orderOf(logit) == order; },
        [](float, u32 id) { return 0xffffffff - id; });
  }
  if (thread == 0) {
    *shared.listed = 0;
  }
  ap_barrier();
  forEachToken(logits, thread, [&](float logit, u32 id) {
    const u32 one = orderOf(logit);
    if (one > order || (one == order && id <= lastId)) {
      shared.ranks[ap_atomic_add(shared.listed, 1)] = rankOf(logit, id);
    }
  });
  ap_barrier();
  u32 count = *shared.listed;
  // Sorts the ranks, the largest first. No two of them are equal, so the place
  // of a rank is the number of larger ranks.
  for (u32 i = thread; i < count; i += kThreads) {
    const u64 rank = shared.ranks[i];
    u32 place = 0;
    for (u32 other = 0; other < count; ++other) {
      place += shared.ranks[other] > rank ? 1 : 0;
    }
    shared.sorted[place] = rank;
  }
  // The weights take the place of the ranks. Those of logits below `least` are
  // 0. Every warp adds the weights up, so none has to wait for the results of
  // another.
  u64 *weights = shared.ranks;
  const auto weigh = [&](double scale, double least) {
    ap_barrier();
    for (u32 i = thread; i < count; i += kThreads) {
      const float logit = logits[idOf(shared.sorted[i])];
      weights[i] = (double)logit >= least ? weightOf(logit, best, scale) : 0;
    }
    ap_barrier();
    return sumOfWeights(weights, count, lane);
  };
  if (draw.topP < 1) {
    const u64 sum = weigh(1, -(double)ap_float_of_bits(0x7f800000));
    const double exact = ap_product((double)sum, draw.topP);
    u64 atLeast = (u64)exact;
    atLeast += (double)atLeast < exact ? 1 : 0;
    count = placeOf(weights, count, atLeast > 1 ? atLeast : 1, lane) + 1;
  }
  const u64 sum = weigh(draw.scale, ap_sum((double)best, draw.minPDistance));
  if (sum == 0) {
    return 0xffffffff;
  }
  // For each output, SplitMix64 adds a constant to its state, and mixes the
  // bits of a copy of the state. The upper 53 bits of the output, divided by
  // 2^53, are a number in [0, 1).
  u64 mixed = draw.seed + ((u64)draw.draws + 1) * 0x9e3779b97f4a7c15ull;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
  mixed ^= mixed >> 31;
  const double unit = ap_product((double)(mixed >> 11), 0x1p-53);
  const u64 drawn = (u64)ap_product(unit, (double)sum) + 1;
  return idOf(shared.sorted[placeOf(weights, count, drawn < sum ? drawn : sum, lane)]);
}

AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const float *allLogits, u32 *tokenIds, u64 *partials, u32 *counters, u32 *tokenCount,
 u32 *positions, u32 *ropePositions) {
  u64 *ofWarps = (u64 *)ap_shared(); // kWarps entries
  u64 *bestOfAll = ofWarps + kWarps;
  Shared shared;
  shared.ranks = bestOfAll + 1;
  shared.sorted = shared.ranks + kListed;
  shared.counts = (u32 *)(shared.sorted + kListed);
  shared.found = shared.counts + kWarps * 256;
  shared.listed = shared.found + 3;
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
  const u32 id = drawToken(shared, logits, logits[idOf(best)], copy, thread);
  if (thread == 0) {
    tokenIds[token] = id;
    // Without a draw, nothing is stored: drawToken() may then have returned
    // without a barrier, and other threads may still have to read the record.
    if (id != 0xffffffff) {
      draw->draws = copy.draws + 1;
    }
    AP_ADVANCE
  }
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
    return unsupportedError(where +
                            "cannot draw without advancing the positions: the "
                            "TokenDraw records are in the buffer "
                            "'token_count', which is an argument only of "
                            "kernels that advance the positions");
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
  // Both kernels need 8 bytes per warp for the warp's largest rank. Draw also
  // needs 8 bytes for the largest rank of all, and the arrays of `Shared`: two
  // of 8 bytes per kept token, 256 counters of 4 bytes per warp, and 16 bytes
  // for `found` and `listed`.
  const uint32_t drawBytes = 8 + 16 * kMostKeptTokens + 1024 * spec.warps + 16;
  kernel.sharedBytes = spec.warps * 8 + (greedy ? 0 : drawBytes);
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
  literal(text, "kListed", kMostKeptTokens);
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
