//===- AttentionCases.cpp - rope, the KV append and attention -------------===//
#include "test/codegen/cpu/KernelCases.h"

#include "formats/dtype/Half.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

namespace air::codegen::test {
// ---- rope and the cache -----------------------------------------------------

void addRopeAngles(std::vector<KernelCase> &cases, Random &random) {
  for (const uint64_t ropeDim : {2, 8, 26, 64, 128, 96}) {
    KernelCase test;
    test.spec.op = KernelOp::RopeAngles;
    test.spec.ropeDim = ropeDim;
    // If YaRN extends the context by a factor of 4, it multiplies the cosines
    // and sines by 0.1 * ln(4) + 1 = 1.1386294.
    test.spec.scale = ropeDim == 96 ? 1.1386294F : 1.0F;
    test.batch = makeBatch(random, BatchKind::Decode, 21, 1U << 20);
    const uint32_t marked[] = {0, 1, 1U << 20, (1U << 20) - 1, 1U << 31, ~0U};
    std::copy(std::begin(marked), std::end(marked),
              test.batch.ropePositions.begin());
    test.label = labelOf(test.spec, 21);
    Doubles frequency;
    for (uint64_t i = 0; i < ropeDim / 2; ++i) {
      frequency.push_back(std::pow(1e4, -2.0 * double(i) / double(ropeDim)));
    }
    if (ropeDim == 26) {
      // The largest frequency, once in a vector and once in a single element.
      frequency.front() = 0x1p19;
      frequency.back() = 0x1p19;
    }
    Bytes table(frequency.size() * 8);
    std::memcpy(table.data(), frequency.data(), table.size());
    test.reads(table);
    test.writesRows(randomFloats(random, 21 * ropeDim), ropeDim);
    const Doubles want = reference::ropeAngles(
        frequency, test.batch.ropePositions, double(test.spec.scale));
    test.check = [want](const std::vector<Bytes> &after) {
      // The bound covers one rounding to float32 of a number below 2, and 1e-9
      // for the error of the sine or cosine itself.
      return compare("angles", floatsOf(after[1]), want,
                     Doubles(want.size(), 2 * kEpsilon + 1e-9));
    };
    cases.push_back(std::move(test));
  }
}

namespace {

// Describes where the elements of one cache lie in the pages of its group. A
// page is larger than this cache needs.
struct Cache {
  const KernelSpec &spec;
  Bytes bytes;

  uint64_t elementBytes() const { return spec.kvDtype == DType::F16 ? 2 : 4; }
  uint64_t headBytes() const {
    return 2 * spec.headDim * AIR_KV_PAGE_TOKENS * elementBytes();
  }
  uint64_t headAt(uint64_t page, uint64_t head) const {
    return page * spec.kvPageBytes + head * headBytes();
  }
  uint64_t keyAt(uint64_t page, uint64_t head, uint64_t slot,
                 uint64_t i) const {
    return headAt(page, head) +
           (i * AIR_KV_PAGE_TOKENS + slot) * elementBytes();
  }
  uint64_t valueAt(uint64_t page, uint64_t head, uint64_t slot,
                   uint64_t i) const {
    return headAt(page, head) + headBytes() / 2 +
           (slot * spec.headDim + i) * elementBytes();
  }
};

float elementAt(const Bytes &bytes, uint64_t at, DType dtype) {
  if (dtype == DType::F16) {
    uint16_t half = 0;
    std::memcpy(&half, bytes.data() + at, 2);
    return halfToFloat(half);
  }
  float value = 0;
  std::memcpy(&value, bytes.data() + at, 4);
  return value;
}

void setElement(Bytes &bytes, uint64_t at, DType dtype, float value) {
  const uint16_t half = floatToHalf(value);
  if (dtype == DType::F16) {
    std::memcpy(bytes.data() + at, &half, 2);
  } else {
    std::memcpy(bytes.data() + at, &value, 4);
  }
}

struct HeadShape {
  uint64_t heads;
  uint64_t kvHeads;
  uint64_t headDim;
};

void setHeads(KernelSpec &spec, const HeadShape &shape, DType kvDtype) {
  spec.heads = shape.heads;
  spec.kvHeads = shape.kvHeads;
  spec.headDim = shape.headDim;
  spec.kvDtype = kvDtype;
  const Cache cache{spec, {}};
  // Each page is larger than this cache needs, as if another cache followed in
  // it. Caches with an odd number of KV heads are in the second cache group.
  spec.kvPageBytes = spec.kvHeads * cache.headBytes() + 192;
  spec.cacheGroup = shape.kvHeads % 2;
}

std::string checkAppended(const KernelSpec &spec, const Batch &batch,
                          const Bytes &before, const Bytes &after,
                          const reference::QkvRows &want,
                          const Doubles &bounds) {
  const Cache cache{spec, {}};
  Bytes untouched = after;
  const double half = spec.kvDtype == DType::F16 ? 0x1p-11 : 0;
  for (uint64_t m = 0; m < batch.tokens(); ++m) {
    const uint32_t page = batch.pageOf(batch.sequences[m], batch.positions[m]);
    const uint64_t slot = batch.positions[m] % AIR_KV_PAGE_TOKENS;
    for (uint64_t head = 0; head < spec.kvHeads; ++head) {
      for (uint64_t i = 0; i < spec.headDim; ++i) {
        const uint64_t at = (m * spec.kvHeads + head) * spec.headDim + i;
        for (const bool isKey : {true, false}) {
          const uint64_t place = isKey ? cache.keyAt(page, head, slot, i)
                                       : cache.valueAt(page, head, slot, i);
          const double expected = isKey ? want.k[at] : want.v[at];
          const double bound = (isKey ? bounds[m] : 0.0) +
                               half * std::abs(expected) + half * 0x1p-13;
          const std::string wrong = compare(
              std::string(isKey ? "key" : "value") + " of token " +
                  std::to_string(m) + " element " + std::to_string(i),
              {elementAt(after, place, spec.kvDtype)}, {expected}, {bound});
          if (!wrong.empty()) {
            return wrong;
          }
          std::copy_n(before.begin() + static_cast<ptrdiff_t>(place),
                      cache.elementBytes(),
                      untouched.begin() + static_cast<ptrdiff_t>(place));
        }
      }
    }
  }
  return untouched == before ? "" : "changed KV of other tokens or layers";
}

void addRopeAppend(std::vector<KernelCase> &cases, const HeadShape &shape,
                   uint64_t ropeDim, RopeKind kind, bool qkNorm, DType kvDtype,
                   Random &random) {
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.op = KernelOp::RopeAppend;
  setHeads(spec, shape, kvDtype);
  spec.rope = kind;
  spec.ropeDim = ropeDim;
  spec.qkNorm = qkNorm;
  spec.epsilon = qkNorm ? 0.125F : 0.0F;
  const uint64_t tokens = 1 + random() % 40;
  test.batch = makeBatch(random, kKinds[random() % 4], tokens, 300);
  test.label = labelOf(spec, tokens);
  const uint64_t width = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
  const Floats qkv = randomFloats(random, tokens * width, 2.0F);
  Doubles frequency;
  for (uint64_t i = 0; i < ropeDim / 2; ++i) {
    frequency.push_back(std::pow(1e4, -2.0 * double(i) / double(ropeDim)));
  }
  const Doubles exact = reference::ropeAngles(frequency, test.batch.positions);
  const Floats angles(exact.begin(), exact.end());
  const Floats qNorm = randomFloats(random, shape.headDim);
  const Floats kNorm = randomFloats(random, shape.headDim);
  test.writesRows(qkv, width);
  if (ropeDim == 0) {
    test.reads({});
  } else {
    test.readsRows(angles, ropeDim);
  }
  if (qkNorm) {
    test.reads(bytesOf(qNorm));
    test.reads(bytesOf(kNorm));
  }
  const Bytes before(test.batch.pages * spec.kvPageBytes, 0x3C);
  test.writes(before);
  const reference::QkvRows want = reference::ropeAppend(
      spec, widened(qkv), widened(angles), widened(qNorm), widened(kNorm));
  // The bounds are relative to the row's largest element, since a rotation
  // mixes two elements.
  Doubles bounds;
  const auto largestOf = [](const Doubles &rows, uint64_t m, uint64_t size) {
    double largest = 0;
    for (uint64_t i = m * size; i < (m + 1) * size; ++i) {
      largest = std::max(largest, std::abs(rows[i]));
    }
    return largest;
  };
  const uint64_t qWidth = shape.heads * shape.headDim;
  const uint64_t kWidth = shape.kvHeads * shape.headDim;
  for (uint64_t m = 0; m < tokens; ++m) {
    bounds.push_back(
        16 * kEpsilon *
        std::max(largestOf(want.q, m, qWidth), largestOf(want.k, m, kWidth)));
  }
  test.check = [=](const std::vector<Bytes> &after) -> std::string {
    const Floats rows = floatsOf(after[0]);
    for (uint64_t m = 0; m < tokens; ++m) {
      const auto row = rows.begin() + static_cast<ptrdiff_t>(m * width);
      const auto query = want.q.begin() + static_cast<ptrdiff_t>(m * qWidth);
      std::string wrong =
          compare("q of token " + std::to_string(m),
                  Floats(row, row + static_cast<ptrdiff_t>(qWidth)),
                  Doubles(query, query + static_cast<ptrdiff_t>(qWidth)),
                  Doubles(qWidth, bounds[m]));
      if (!wrong.empty()) {
        return wrong;
      }
    }
    return checkAppended(spec, test.batch, before, after.back(), want, bounds);
  };
  cases.push_back(std::move(test));
}

// An element that overflows the dtype of the cache must be stored as NaN. The
// largest float16 is 65504, and numbers of 65520 and more overflow. With a
// float32 cache, the test appends infinities instead.
void addAppendOverflow(std::vector<KernelCase> &cases, DType kvDtype,
                       Random &random) {
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.op = KernelOp::RopeAppend;
  setHeads(spec, {1, 1, 10}, kvDtype);
  test.batch = makeBatch(random, BatchKind::Decode, 1, 9);
  test.label = labelOf(spec, 1) + " of large numbers";
  const float infinity = std::numeric_limits<float>::infinity();
  const bool isHalf = kvDtype == DType::F16;
  // The kernel stores element 0 in its loop over eight elements at a time, and
  // element 9 in its loop over single elements.
  const Floats key = {
      isHalf ? -65520.0F : -infinity, 65504, -65504, 1, 2, 3, 4, 5, 6,
      isHalf ? 1e9F : infinity};
  Floats qkv(10, 1.0F);
  qkv.insert(qkv.end(), key.begin(), key.end());
  qkv.insert(qkv.end(), key.begin(), key.end());
  test.writesRows(qkv, qkv.size());
  test.reads({});
  test.writes(Bytes(test.batch.pages * spec.kvPageBytes, 0x3C));
  test.check = [=, spec = test.spec,
                batch = test.batch](const std::vector<Bytes> &after) {
    const Cache cache{spec, {}};
    const uint32_t page = batch.pageOf(batch.sequences[0], batch.positions[0]);
    const uint64_t slot = batch.positions[0] % AIR_KV_PAGE_TOKENS;
    for (uint64_t i = 0; i < key.size(); ++i) {
      for (const uint64_t place :
           {cache.keyAt(page, 0, slot, i), cache.valueAt(page, 0, slot, i)}) {
        const float got = elementAt(after.back(), place, kvDtype);
        if (i == 0 || i == 9 ? !std::isnan(got) : got != key[i]) {
          return "element " + std::to_string(i) + " is " + std::to_string(got);
        }
      }
    }
    return std::string();
  };
  cases.push_back(std::move(test));
}

} // namespace

void addRopeAppends(std::vector<KernelCase> &cases, Random &random) {
  struct Row {
    HeadShape shape;
    uint64_t ropeDim;
    RopeKind kind;
    bool qkNorm;
  };
  const Row rows[] = {
      {{4, 4, 16}, 16, RopeKind::Norm, false},
      {{4, 2, 32}, 32, RopeKind::Neox, false},
      {{6, 2, 64}, 64, RopeKind::Neox, true},
      {{2, 1, 80}, 80, RopeKind::Neox, false},
      {{2, 1, 80}, 20, RopeKind::Norm, true},
      {{3, 3, 8}, 6, RopeKind::Neox, true},
      {{8, 1, 128}, 128, RopeKind::Neox, true},
      {{8, 2, 128}, 128, RopeKind::Norm, false},
      {{2, 2, 256}, 64, RopeKind::Neox, false},
      {{2, 1, 256}, 256, RopeKind::Norm, true},
      {{5, 1, 24}, 0, RopeKind::None, true},
      {{4, 2, 40}, 0, RopeKind::None, false},
      // These head sizes are not multiples of the vector width. OpenLLaMA-3B
      // has heads of 100 elements; the other sizes are arbitrary.
      {{4, 2, 100}, 100, RopeKind::Norm, false},
      {{3, 3, 1}, 0, RopeKind::None, false},
      {{2, 1, 6}, 6, RopeKind::Norm, true},
      {{3, 1, 27}, 14, RopeKind::Neox, false},
      {{2, 1, 1022}, 64, RopeKind::Neox, true},
  };
  addAppendOverflow(cases, DType::F16, random);
  addAppendOverflow(cases, DType::F32, random);
  for (const Row &row : rows) {
    for (const DType kvDtype : {DType::F16, DType::F32}) {
      addRopeAppend(cases, row.shape, row.ropeDim, row.kind, row.qkNorm,
                    kvDtype, random);
    }
  }
}

// ---- attention --------------------------------------------------------------

namespace {

// Slots up to each sequence's last position hold numbers. All other slots hold
// a NaN pattern.
Bytes filledCache(const KernelSpec &spec, const Batch &batch, float keyScale,
                  Random &random) {
  Cache cache{spec, Bytes(batch.pages * spec.kvPageBytes, 0xFF)};
  std::normal_distribution<float> normal;
  std::vector<uint32_t> lengths(batch.blockTables.size() /
                                batch.blockTableStride);
  for (uint64_t m = 0; m < batch.tokens(); ++m) {
    uint32_t &length = lengths[batch.sequences[m]];
    length = std::max(length, batch.positions[m] + 1);
  }
  for (uint64_t s = 0; s < lengths.size(); ++s) {
    for (uint32_t p = 0; p < lengths[s]; ++p) {
      const uint32_t page = batch.pageOf(s, p);
      const uint64_t slot = p % AIR_KV_PAGE_TOKENS;
      for (uint64_t head = 0; head < spec.kvHeads; ++head) {
        for (uint64_t i = 0; i < spec.headDim; ++i) {
          setElement(cache.bytes, cache.keyAt(page, head, slot, i),
                     spec.kvDtype, keyScale * normal(random));
          setElement(cache.bytes, cache.valueAt(page, head, slot, i),
                     spec.kvDtype, normal(random));
        }
      }
    }
  }
  return cache.bytes;
}

// Copies the history of token m from the cache to plain arrays of the shape
// [length][kvHeads * headDim].
void readHistory(const KernelSpec &spec, const Batch &batch, uint64_t m,
                 const Bytes &bytes, Doubles &keys, Doubles &values) {
  const Cache cache{spec, {}};
  for (uint32_t p = 0; p <= batch.positions[m]; ++p) {
    const uint32_t page = batch.pageOf(batch.sequences[m], p);
    const uint64_t slot = p % AIR_KV_PAGE_TOKENS;
    for (uint64_t head = 0; head < spec.kvHeads; ++head) {
      for (uint64_t i = 0; i < spec.headDim; ++i) {
        keys.push_back(
            elementAt(bytes, cache.keyAt(page, head, slot, i), spec.kvDtype));
        values.push_back(
            elementAt(bytes, cache.valueAt(page, head, slot, i), spec.kvDtype));
      }
    }
  }
}

void addAttention(std::vector<KernelCase> &cases, const HeadShape &shape,
                  DType kvDtype, MClass mClass, BatchKind kind, uint64_t tokens,
                  float keyScale, Random &random, uint32_t history = 200,
                  uint64_t ranges = 1) {
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.op = KernelOp::Attention;
  spec.mClass = mClass;
  spec.ranges = ranges;
  setHeads(spec, shape, kvDtype);
  spec.scale = 1.0F / std::sqrt(static_cast<float>(shape.headDim));
  test.batch = makeBatch(random, kind, tokens, history);
  test.label = labelOf(spec, tokens) + " of batch kind " +
               std::to_string(static_cast<int>(kind)) + " with " +
               std::to_string(test.batch.positions.back() + 1) + " positions";
  const uint64_t width = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
  const uint64_t outWidth = shape.heads * shape.headDim;
  const Floats qkv = randomFloats(random, tokens * width);
  const Bytes kv = filledCache(spec, test.batch, keyScale, random);
  test.readsRows(qkv, width);
  test.reads(kv);
  const uint64_t resultWidth =
      ranges == 1 ? outWidth : attentionStateFloats(spec);
  test.writesRows(randomFloats(random, tokens * resultWidth), resultWidth);
  Doubles want;
  for (uint64_t m = 0; m < tokens; ++m) {
    Doubles keys;
    Doubles values;
    readHistory(spec, test.batch, m, kv, keys, values);
    const auto row = qkv.begin() + static_cast<ptrdiff_t>(m * width);
    const Doubles q(row, row + static_cast<ptrdiff_t>(outWidth));
    const Doubles out = reference::attention(spec, q, keys, values,
                                             test.batch.positions[m] + 1);
    want.insert(want.end(), out.begin(), out.end());
  }
  // An error of d in a score causes a relative error of d in its softmax
  // weight, e^score. The weights multiply values of a magnitude of up to about
  // 4. A score is `scale` times a sum of headDim products of magnitude
  // keyScale.
  const double bound =
      4 * kEpsilon * (32 + 4 * keyScale * std::sqrt(double(shape.headDim)));
  test.check = [=, spec = test.spec](const std::vector<Bytes> &after) {
    Floats out = floatsOf(after[2]);
    if (ranges != 1) {
      out.resize(tokens * attentionStateFloats(spec));
      const Doubles merged = reference::attentionMerge(spec, widened(out));
      out.assign(merged.begin(), merged.end());
    }
    return compare("out", out, want, Doubles(want.size(), bound));
  };
  cases.push_back(std::move(test));
}

// The key at position 0 has a score of 0, and all other keys have a score of
// -130 ln 2, so their weights would be the subnormal number 2^-130. Such
// weights must count as 0 (KernelSpec.h); otherwise the very large values at
// these positions would change the result.
void addSubnormalWeights(std::vector<KernelCase> &cases, MClass mClass,
                         Random &random) {
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.op = KernelOp::Attention;
  spec.mClass = mClass;
  const HeadShape shape = {4, 2, 16};
  setHeads(spec, shape, DType::F32);
  spec.scale = 1;
  const uint64_t tokens = tokenCounts(mClass).front();
  test.batch = makeBatch(random, BatchKind::Prefill, tokens, 200);
  test.label = labelOf(spec, tokens) + " with subnormal weights";
  const uint64_t width = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
  const uint64_t outWidth = shape.heads * shape.headDim;
  Cache cache{spec, Bytes(test.batch.pages * spec.kvPageBytes, 0xFF)};
  for (uint32_t p = 0; p <= test.batch.positions.back(); ++p) {
    const uint32_t page = test.batch.pageOf(test.batch.sequences[0], p);
    const uint64_t slot = p % AIR_KV_PAGE_TOKENS;
    for (uint64_t head = 0; head < spec.kvHeads; ++head) {
      for (uint64_t i = 0; i < spec.headDim; ++i) {
        const bool isFirst = p == 0;
        setElement(cache.bytes, cache.keyAt(page, head, slot, i), spec.kvDtype,
                   isFirst || i != 0 ? 0 : -130 * std::numbers::ln2_v<float>);
        setElement(cache.bytes, cache.valueAt(page, head, slot, i),
                   spec.kvDtype, isFirst ? 0 : 0x1p100F);
      }
    }
  }
  test.readsRows(Floats(tokens * width, 1.0F), width);
  test.reads(cache.bytes);
  test.writesRows(randomFloats(random, tokens * outWidth), outWidth);
  test.check = [=](const std::vector<Bytes> &after) {
    const Doubles zeros(tokens * outWidth, 0.0);
    return compare("out", floatsOf(after[2]), zeros, zeros);
  };
  cases.push_back(std::move(test));
}

} // namespace

void addAttentionMerges(std::vector<KernelCase> &cases, Random &random) {
  struct Row {
    HeadShape shape;
    uint64_t ranges;
  };
  const Row rows[] = {{{8, 2, 64}, 4},   {{5, 5, 27}, 3}, {{6, 1, 128}, 64},
                      {{3, 1, 1022}, 2}, {{4, 4, 8}, 1},  {{33, 3, 40}, 7}};
  for (const auto &[shape, ranges] : rows) {
    KernelCase test;
    KernelSpec &spec = test.spec;
    spec.op = KernelOp::AttentionMerge;
    spec.heads = shape.heads;
    spec.kvHeads = shape.kvHeads;
    spec.headDim = shape.headDim;
    spec.ranges = ranges;
    const uint64_t tokens = 1 + random() % 3;
    test.batch = makeBatch(random, BatchKind::Decode, tokens, 9);
    test.label = labelOf(spec, tokens);
    const uint64_t width = attentionStateFloats(spec);
    const uint64_t outWidth = shape.heads * shape.headDim;
    Floats states = randomFloats(random, tokens * width, 9.0F);
    const uint64_t ends = ranges * outWidth;
    for (uint64_t m = 0; m < tokens; ++m) {
      for (uint64_t i = 0; i < ranges * shape.heads; ++i) {
        float &largest = states[m * width + ends + i * 2];
        float &sum = states[m * width + ends + i * 2 + 1];
        sum = 1 + std::abs(sum);
        // Some ranges of positions are empty for a head, but never range 0. `i`
        // counts all heads of range 0, then all heads of range 1, and so on.
        if (i >= shape.heads && random() % 3 == 0) {
          largest = -std::numeric_limits<float>::max();
          sum = 0;
          const auto values =
              states.begin() +
              static_cast<ptrdiff_t>(m * width + i * shape.headDim);
          std::fill_n(values, shape.headDim, 0.0F);
        }
      }
    }
    test.readsRows(states, width);
    test.writesRows(randomFloats(random, tokens * outWidth), outWidth);
    const Doubles want = reference::attentionMerge(spec, widened(states));
    // To compute a result, the kernel multiplies one value per range by a
    // factor, adds up these products, and divides the sum by a number that is
    // at least 1. The factors are at most 1. The values have a standard
    // deviation of 9, so hardly any product has a magnitude above 45. The bound
    // is the error of 64 roundings of numbers of magnitude 45, since there are
    // at most 64 ranges. There may be more roundings than that, but most
    // products are far smaller.
    test.check = [=](const std::vector<Bytes> &after) {
      return compare("out", floatsOf(after[1]), want,
                     Doubles(want.size(), 45 * kEpsilon * 64));
    };
    cases.push_back(std::move(test));
  }
}

void addAttentions(std::vector<KernelCase> &cases, MClass mClass,
                   Random &random) {
  const HeadShape shapes[] = {{4, 4, 16},  {6, 3, 32}, {9, 3, 64},  {4, 1, 64},
                              {5, 1, 80},  {6, 1, 24}, {14, 2, 64}, {8, 1, 128},
                              {2, 1, 256}, {3, 3, 8},  {33, 3, 40}};
  // These are head sizes that are not multiples of the vector width, and shapes
  // in which many heads share one KV head.
  const HeadShape oddShapes[] = {{4, 2, 100}, {64, 1, 32}, {3, 3, 1},
                                 {71, 1, 4},  {6, 3, 27},  {2, 1, 1022}};
  addSubnormalWeights(cases, mClass, random);
  int turn = 0;
  int kernel = static_cast<int>(mClass);
  if (mClass == MClass::One) {
    // Contexts have a random length of up to `history` + 1 positions, which are
    // divided into `ranges` ranges. Most contexts are long. If `history` is
    // 100, they have at most two pages, so most of their 8 ranges are empty.
    struct Long {
      HeadShape shape;
      uint32_t history;
      uint64_t ranges;
    };
    const Long longs[] = {
        {{4, 1, 64}, 9000, 1}, {{4, 1, 64}, 9000, 8},  {{8, 2, 128}, 5000, 4},
        {{1, 1, 8}, 70000, 1}, {{1, 1, 8}, 70000, 64}, {{5, 1, 27}, 3000, 3},
        {{6, 2, 64}, 100, 8},  {{9, 1, 80}, 2500, 2},
    };
    for (const auto &[shape, history, ranges] : longs) {
      const DType kvDtype = kernel++ % 2 == 0 ? DType::F16 : DType::F32;
      addAttention(cases, shape, kvDtype, mClass, BatchKind::Decode, 2, 1.0F,
                   random, history, ranges);
    }
  }
  if (mClass == MClass::Large) {
    // A kernel processes tokens in blocks. These cases have complete and
    // incomplete blocks, of one sequence and of several.
    const HeadShape shape = {8, 2, 64};
    addAttention(cases, shape, DType::F16, mClass, BatchKind::Prefill, 150,
                 1.0F, random);
    addAttention(cases, shape, DType::F32, mClass, BatchKind::Mixed, 150, 12.0F,
                 random);
  }
  // The classes Small and Large share their code, so fewer shapes suffice for
  // Small.
  const size_t count = mClass == MClass::Small ? 6 : std::size(shapes);
  for (const HeadShape &shape : std::span(shapes).first(count)) {
    const DType kvDtype = kernel++ % 2 == 0 ? DType::F16 : DType::F32;
    for (const uint64_t tokens : tokenCounts(mClass)) {
      for (int i = 0; i < 2; ++i) {
        const BatchKind kind = kKinds[turn++ % 4];
        // Keys are either small, or so large that one of them gets all of the
        // softmax weight.
        const float keyScale = turn % 3 == 0 ? 12.0F : 1.0F;
        addAttention(cases, shape, kvDtype, mClass, kind, tokens, keyScale,
                     random);
      }
    }
  }
  if (mClass == MClass::Small) {
    return;
  }
  for (const HeadShape &shape : oddShapes) {
    const DType kvDtype = kernel++ % 2 == 0 ? DType::F16 : DType::F32;
    for (const uint64_t tokens : tokenCounts(mClass)) {
      addAttention(cases, shape, kvDtype, mClass, kKinds[turn++ % 4], tokens,
                   1.0F, random);
    }
  }
}

} // namespace air::codegen::test
