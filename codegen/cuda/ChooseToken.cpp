//===- ChooseToken.cpp - sampling as CUDA text ----------------------------===//
#include "codegen/cuda/ChooseToken.h"

#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Literals.h"

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

// Returns the rank of a token. It is higher than that of another token if the
// logit is larger or, if the logits are equal, if the id is lower.
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

constexpr const char *kRandom = R"(
struct alignas(8) Settings { float temperature, topP; u32 topK, draws; u64 seed; };

// Returns the weight of a token relative to that of the best token, times 2^32.
AP_DEVICE u64 weightOf(float logit, float best, float factor) {
  return (u64)(ap_exp2((logit - best) * factor) * 4294967296.0f);
}

// Sorts the tokens for which accepts(id) is true by keyOf(id), the largest key
// first, and adds up amountOf(id) until the sum reaches `wanted`. Returns the
// key at which this happens. Afterwards, `wanted` is what was still missing
// before the tokens with that key were added. Nothing is really sorted: the
// four bytes of the key are found one after the other, from a histogram of the
// amounts for each value of the byte.
template <typename Accepts, typename Key, typename Amount>
AP_DEVICE u32 lastKey(u64 *histogram, u64 &wanted, u32 thread, Accepts accepts, Key keyOf,
                      Amount amountOf) {
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
    for (u32 id = thread; id < kVocabulary; id += kThreads) {
      const u32 one = keyOf(id);
      if (accepts(id) && (u64)one >> (shift + 8) == (u64)key >> (shift + 8)) {
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
    }
    ap_barrier();
    key |= (u32)found[0] << shift;
    wanted = found[1];
    ap_barrier();
  }
  return key;
}

// A token is kept if orderOf(its logit) is larger than `order`, or if the two
// are equal and its id is at most `lastId`.
struct Kept {
  u32 order, lastId;
  AP_MEMBER bool has(u32 one, u32 id) const {
    return one > order || (one == order && id <= lastId);
  }
};

// Selects tokens of the set `before`, in descending order of their logits,
// until amountOf(id), added up over them, is at least `wanted`. Returns the set
// of the selected tokens.
template <typename Amount>
AP_DEVICE Kept keepBest(u64 *histogram, const float *logits, const Kept &before, u64 wanted,
                        u32 thread, Amount amountOf) {
  Kept kept = {0, 0xffffffff};
  kept.order = lastKey(
      histogram, wanted, thread,
      [&](u32 id) { return before.has(orderOf(logits[id]), id); },
      [&](u32 id) { return orderOf(logits[id]); }, amountOf);
  // Several tokens may share the lowest logit of the set, and perhaps not all
  // of them are needed. Those with the lowest ids are taken, so a lower id has
  // a higher key in this search.
  const u32 key = lastKey(
      histogram, wanted, thread,
      [&](u32 id) {
        return orderOf(logits[id]) == kept.order && before.has(kept.order, id);
      },
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

AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const float *allLogits, u32 *tokenIds, Settings *sampling AP_PARAMETERS) {
  // The histogram has 256 entries. lastKey() uses two more after them.
  u64 *histogram = (u64 *)ap_shared();
  u64 *ofWarps = histogram + 258;      // kWarps entries
  const u32 thread = ap_thread();
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  const u32 token = ap_block_x();
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  AP_SKIP_PADDING
  const float *logits = allLogits + token * kVocabulary;
  const Settings settings = sampling[token];
  const u64 bestRank = largestRank(ofWarps, logits, thread, kThreads, thread);
  const u32 bestId = idOf(bestRank);
  if (!isValid(bestRank) || !(settings.temperature > 0)) {
    if (thread == 0) {
      tokenIds[token] = isValid(bestRank) ? bestId : 0xffffffff;
      AP_ADVANCE
    }
    return;
  }
  const float best = logits[bestId];
  constexpr float kLog2E = 0x1.715476p+0f;
  Kept kept = {0, 0xffffffff};
  if (settings.topK != 0 && settings.topK < kVocabulary) {
    kept = keepBest(histogram, logits, kept, settings.topK, thread, [](u32) { return (u64)1; });
  }
  // The weights of all tokens of the vocabulary are added in two steps: each
  // warp adds those of kShare consecutive ids, and then the sums of the warps
  // are added.
  constexpr u32 kShare = (kVocabulary + kThreads - 1) / kThreads * 32;
  const u32 firstId = warp * kShare;
  const u32 endId = firstId + kShare < kVocabulary ? firstId + kShare : kVocabulary;
  auto sumOfAll = [&](float factor) {
    u64 sum = 0, before;
    for (u32 id = firstId + lane; id < endId; id += 32) {
      sum += kept.has(orderOf(logits[id]), id) ? weightOf(logits[id], best, factor) : 0;
    }
    sum = sumOfWarp(sum, before, lane);
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
  if (settings.topP < 1) {
    const u64 all = sumOfAll(kLog2E);
    const u64 wanted = (u64)((double)settings.topP * (double)all);
    kept = keepBest(histogram, logits, kept, wanted > 1 ? wanted : 1, thread,
                    [&](u32 id) { return weightOf(logits[id], best, kLog2E); });
  }
  // A temperature below 2^-100 is replaced by 2^-100, because its reciprocal
  // may be infinite.
  const float factor = kLog2E / ap_max(settings.temperature, 0x1p-100f);
  const u64 all = sumOfAll(factor);
  // SplitMix64 adds a constant to its state for each output, and mixes the
  // state.
  u64 mixed = settings.seed + ((u64)settings.draws + 1) * 0x9e3779b97f4a7c15ull;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
  mixed ^= mixed >> 31;
  u64 rest = ap_multiply_high(mixed, all);
  u32 chosenWarp = 0;
  while (chosenWarp + 1 < kWarps && rest >= ofWarps[chosenWarp]) {
    rest -= ofWarps[chosenWarp];
    ++chosenWarp;
  }
  if (warp == chosenWarp) {
    for (u32 row = firstId; row < endId; row += 32) {
      const u32 id = row + lane;
      const bool in = id < endId && kept.has(orderOf(logits[id]), id);
      const u64 weight = in ? weightOf(logits[id], best, factor) : 0;
      u64 before;
      const u64 sum = sumOfWarp(weight, before, lane);
      if (rest >= before && rest < before + weight) {
        tokenIds[token] = id;
        sampling[token].draws = settings.draws + 1;
        AP_ADVANCE
      }
      if (rest < sum) {
        break;
      }
      rest -= sum;
    }
  }
}
)";

} // namespace

std::string chooseTokenName(const ChooseToken &spec, const CudaTarget &target) {
  return std::string(spec.choice == Choice::Greedy ? "greedy" : "random") +
         "_n" + std::to_string(spec.vocabulary) + "_m" +
         std::to_string(spec.tokens) + "_" + std::string(target.name) + "_b" +
         std::to_string(spec.blocks) + "_w" + std::to_string(spec.warps) +
         (spec.advance ? "_next" : "") + (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generateChooseToken(const ChooseToken &spec,
                                       const CudaTarget &target,
                                       std::string_view intrinsics) {
  const std::string where =
      "a kernel for " + std::string(target.name) + " that chooses a token ";
  const bool greedy = spec.choice == Choice::Greedy;
  if (spec.vocabulary < 1 || spec.vocabulary > 1U << 24 || spec.tokens < 1 ||
      spec.tokens > 8 || spec.blocks < 1 || spec.blocks > (greedy ? 1024 : 1) ||
      spec.warps < 1 || spec.warps > (greedy ? 32 : 16)) {
    return unsupportedError(
        where +
        "cannot be made because one of these numbers is out of range: a "
        "vocabulary of " +
        std::to_string(spec.vocabulary) + " tokens (1 to 2^24), a batch of " +
        std::to_string(spec.tokens) + " tokens (1 to 8), " +
        std::to_string(spec.blocks) + " blocks per token (1 to " +
        (greedy ? "1024" : "1") + "), " + std::to_string(spec.warps) +
        " warps per block (1 to " + (greedy ? "32)" : "16)"));
  }
  if (spec.dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError(
        where +
        "cannot use dependent launches: the target does not support them");
  }
  CudaKernel kernel;
  kernel.name = chooseTokenName(spec, target);
  kernel.threads = spec.warps * 32;
  if (greedy) {
    kernel.gridX = spec.blocks;
    kernel.gridY = spec.tokens;
    kernel.sharedBytes = spec.warps * 8;
    kernel.partialBytes = uint64_t{8} * spec.tokens * spec.blocks;
    kernel.counterBytes = uint64_t{4} * spec.tokens;
    kernel.bindings = {"logits", "token_ids", "partials", "counters"};
  } else {
    kernel.gridX = spec.tokens;
    kernel.sharedBytes = (258 + spec.warps) * 8;
    kernel.bindings = {"logits", "token_ids", "sampling"};
  }
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
          std::string(intrinsics) + kCommon + (greedy ? kGreedy : kRandom);
  return kernel;
}

} // namespace air::codegen::cuda
