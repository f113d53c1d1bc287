//===- HeadText.cpp - the heads of q, k and v in a kernel's text ----------===//
#include "codegen/cuda/HeadText.h"

#include "codegen/cuda/Literals.h"

#include <bit>

namespace air::codegen::cuda {

uint32_t headCount(const HeadRows &heads) {
  return heads.queryHeads + heads.keyHeads + heads.valueHeads;
}

Status checkHeads(const HeadRows &heads, const std::string &where) {
  const KvPages &pages = heads.pages;
  const uint32_t dim = pages.headDim;
  if (dim < 1 || dim > kMaxHeadDim || headCount(heads) < 1 ||
      headCount(heads) > 1U << 16) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(headCount(heads)) + " heads (1 to 2^16), " +
        std::to_string(dim) + " elements per head (1 to " +
        std::to_string(kMaxHeadDim) + ")");
  }
  if ((heads.rope == RopeKind::None) != (heads.ropeDim == 0) ||
      heads.ropeDim % 2 != 0 || heads.ropeDim > dim) {
    return unsupportedError(
        where + " does not support RoPE on " + std::to_string(heads.ropeDim) +
        " of the " + std::to_string(dim) +
        " elements of a head; the number must be even, 2 to " +
        std::to_string(dim) + " with RoPE and 0 without");
  }
  if ((heads.keyHeads != 0 && heads.keyHeads != pages.kvHeads) ||
      (heads.valueHeads != 0 && heads.valueHeads != pages.kvHeads) ||
      pages.pageBytes % 16 != 0 || pages.pageBytes < kvLayerBytes(pages) ||
      pages.tablePages < 1) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(pages.pageBytes) +
        " bytes from one KV page to the next (a multiple of 16, at least " +
        std::to_string(kvLayerBytes(pages)) + "), " +
        std::to_string(pages.tablePages) +
        " KV pages per sequence (1 or more), " +
        std::to_string(heads.keyHeads) + " heads of keys and " +
        std::to_string(heads.valueHeads) + " heads of values (each 0 or " +
        std::to_string(pages.kvHeads) + ")");
  }
  return Status::ok();
}

std::string headName(const HeadRows &heads) {
  std::string name = std::to_string(heads.queryHeads);
  auto add = [&](const char *prefix, uint64_t value) {
    name += std::string("_") + prefix + std::to_string(value);
  };
  add("", heads.keyHeads);
  add("", heads.valueHeads);
  add("of", heads.pages.headDim);
  if (heads.qkNorm) {
    add("e", std::bit_cast<uint32_t>(heads.qkEpsilon));
  }
  if (heads.rope != RopeKind::None) {
    add(heads.rope == RopeKind::Norm ? "norm" : "neox", heads.ropeDim);
  }
  add("kv", heads.pages.kvHeads);
  add("x", heads.pages.tablePages);
  add("y", heads.pages.pageBytes);
  return name;
}

std::string headLiterals(const HeadRows &heads) {
  std::string text;
  literal(text, "kQueryHeads", heads.queryHeads);
  literal(text, "kKeyHeads", heads.keyHeads);
  literal(text, "kHeadDim", heads.pages.headDim);
  literal(text, "kPaddedDim", paddedHeadDim(heads.pages.headDim));
  literal(text, "kQkNorm", heads.qkNorm);
  literal(text, "kQkEpsilon", heads.qkEpsilon);
  literal(text, "kNeox", heads.rope == RopeKind::Neox);
  literal(text, "kRopeDim", heads.ropeDim);
  literal(text, "kTablePages", heads.pages.tablePages);
  literal(text, "kPageBytes", heads.pages.pageBytes);
  return text;
}

std::vector<Binding> headBindings(const HeadRows &heads) {
  return {
      {"angles", "const float *", "angles", heads.rope != RopeKind::None},
      {"q_norm", "const float *", "qNorm",
       heads.qkNorm && heads.queryHeads != 0},
      {"k_norm", "const float *", "kNorm", heads.qkNorm && heads.keyHeads != 0},
      {"positions", "const u32 *", "positions", true},
      {"block_tables", "const u32 *", "blockTables", true},
      {"kv_cache", "u8 *", "kvCache", true},
  };
}

std::string_view headText() {
  return R"(
AP_DEVICE u16 cachedHalf(float value) {
  const u32 bits = ap_half_of_float(value);
  return (u16)((bits & 0x7fff) >= 0x7c00 ? 0x7fff : bits);
}

// A warp normalises, rotates and stores one head of a token. `row` points at
// the head's elements.
AP_DEVICE void finishHead(u32 head, u32 token, float *row, u32 lane, const More &more) {
  const bool isQuery = head < kQueryHeads;
  const bool isKey = !isQuery && head < kQueryHeads + kKeyHeads;
  const float *weight = isQuery ? more.qNorm : more.kNorm;
  const bool normalised = kQkNorm && (isQuery || isKey);
  float factor = 1;
  if (normalised) {
    float squares = 0;
    for (u32 i = lane; i < kHeadDim; i += 32) {
      const float value = ap_load_coherent(row + i);
      squares = ap_fma(value, value, squares);
    }
#pragma unroll
    for (u32 mask = 16; mask != 0; mask /= 2) {
      squares += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(squares), mask));
    }
    // With rotation, a lane writes elements that other lanes have read above,
    // and a shuffle does not order accesses to memory.
    ap_warp_barrier();
    factor = 1 / ap_sqrt(squares / kHeadDim + kQkEpsilon);
    if (ap_bits_of_float(squares) >= 0x7f800000) {
      factor = ap_float_of_bits(0x7fffffff); // NaN
    }
  }
  const u32 position = more.positions[token];
  const u32 page = more.blockTables[sequenceOf(more, token) * kTablePages + position / 64];
  const u32 at = position % 64;
  const u32 kvHead = isKey ? head - kQueryHeads : head - kQueryHeads - kKeyHeads;
  u8 *cache = isQuery ? nullptr
                      : more.kvCache + (u64)page * kPageBytes + (u64)kvHead * 256 * kPaddedDim;
  auto get = [&](u32 i) {
    const float value = ap_load_coherent(row + i);
    return normalised ? value * factor * weight[i] : value;
  };
  auto put = [&](u32 i, float value) {
    if (isQuery) {
      row[i] = value;
    } else if (isKey) {
      const u32 tile = at / 16 * (kPaddedDim / 16) + i / 16;
      const u32 to = tile * 512 + (at % 8 * 4 + i % 16 / 4) * 16 + at % 16 / 8 * 8 + i % 4 * 2;
      *(u16 *)(cache + to) = cachedHalf(value);
    } else {
      const u32 tile = at / 16 * (kPaddedDim / 16) + i / 16;
      const u32 to = tile * 512 + (i % 8 * 4 + at % 8 / 2) * 16 + i % 16 / 8 * 8 +
                     at % 16 / 8 * 4 + at % 2 * 2;
      *(u16 *)(cache + 128 * kPaddedDim + to) = cachedHalf(value);
    }
  };
  constexpr u32 kPairs = kRopeDim / 2;
  const u32 rotated = isQuery || isKey ? kRopeDim : 0;
  for (u32 i = lane; i < rotated / 2; i += 32) {
    const float cosine = more.angles[token * kRopeDim + i];
    const float sine = more.angles[token * kRopeDim + kPairs + i];
    const u32 first = kNeox ? i : 2 * i;
    const u32 second = kNeox ? i + kPairs : 2 * i + 1;
    const float a = get(first), b = get(second);
    put(first, a * cosine - b * sine);
    put(second, a * sine + b * cosine);
  }
  for (u32 i = rotated + lane; i < kHeadDim; i += 32) {
    put(i, get(i));
  }
  // Attention multiplies keys up to the padded size, so the padding must be 0.
  for (u32 i = kHeadDim + lane; isKey && i < kPaddedDim; i += 32) {
    put(i, 0);
  }
}
)";
}

} // namespace air::codegen::cuda
