//===- DecodeIndexUnits.cpp - units with indices of a codebook ------------===//
//
// A kernel that reads layout t16i (formats/plan/T16Indices.h) has the codebook
// in shared memory. An entry there is a word with a code of four bits for each
// of its 8 elements, or 4 elements in IQ3. Random words of a codebook are
// fetched for 32 lanes in 2.3 to 3.5 cycles (WeightForm.cpp), because lanes
// that read different words of the same bank wait for each other. Entries of 8
// bytes would take 6 cycles, and entries of 8 float16 10 cycles. The signs of 8
// elements are combined with their codes by one shift and one logical
// operation. From there on, operands are those of layout t16, and so are the
// activations and their sums.
//
// An index has as many bits as the codebook needs, so whatever a unit contains,
// no look-up reads outside of the codebook.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/Literals.h"
#include "formats/dtype/IqGrids.h"

#include <cstdio>
#include <vector>

namespace air::codegen::cuda {
namespace {

/// Returns a word for each entry of a codebook, with the codes of the entry's
/// elements in its nibbles. `codeOf` turns an element into its code, and the
/// code of element j goes to nibble nibbles[j].
template <typename Entry>
std::vector<uint32_t> wordsOf(std::span<const Entry> grid, auto codeOf,
                              std::initializer_list<uint32_t> nibbles) {
  std::vector<uint32_t> words;
  for (const Entry entry : grid) {
    uint32_t word = 0;
    for (uint32_t j = 0; j < sizeof(Entry); ++j) {
      word |= codeOf(static_cast<uint8_t>(entry >> (8 * j)))
              << (4 * nibbles.begin()[j]);
    }
    words.push_back(word);
  }
  return words;
}

/// Returns the codebook of a dtype. If the dtype has signs, the codes in a word
/// have the same order of nibbles as the signs in a unit (T16Indices.h).
std::vector<uint32_t> codebookOf(DType dtype) {
  const auto iq2 = [](uint32_t value) { return value / 17; };
  switch (dtype) {
  case DType::IQ2_XXS:
    return wordsOf(iq2xxsGrid(), iq2, {0, 2, 1, 3, 4, 6, 5, 7});
  case DType::IQ2_XS:
    return wordsOf(iq2xsGrid(), iq2, {0, 2, 1, 3, 4, 6, 5, 7});
  case DType::IQ2_S:
    return wordsOf(iq2sGrid(), iq2, {0, 2, 1, 3, 4, 6, 5, 7});
  case DType::IQ3_XXS:
    return wordsOf(iq3xxsGrid(), [](uint32_t value) { return value / 8; },
                   {0, 2, 1, 3});
  case DType::IQ3_S:
    return wordsOf(iq3sGrid(), [](uint32_t value) { return 8 + value / 2; },
                   {0, 4, 1, 5});
  default: // IQ1_S and IQ1_M
    return wordsOf(iq1sGrid(),
                   [](uint32_t value) { return ((value + 1) & 3) * 4; },
                   {0, 4, 1, 5, 2, 6, 3, 7});
  }
}

constexpr const char *kCodebook = R"(
AP_DEVICE void copyCodebook(u32 thread) {
  u32 *to = (u32 *)(ap_shared() + kCodebookOffset);
  for (u32 i = thread; i < kCodebookEntries; i += kThreads) {
    to[i] = kCodebook[i];
  }
}
AP_DEVICE u32 entryOf(u32 index) {
  return ((const u32 *)(ap_shared() + kCodebookOffset))[index];
}
)";

constexpr const char *kNoCodebook = R"(
AP_DEVICE void copyCodebook(u32) {}
)";

constexpr const char *kParts = R"(
// The words that a lane reads from `count` parts of a unit: four contiguous
// words from each part. The parts are `stride` bytes apart.
template <u32 count, u32 stride> struct HeldParts {
  u32 words[4 * count];
  AP_MEMBER void load(const u8 *p) {
#pragma unroll
    for (u32 i = 0; i < count; ++i) {
      const Word4 v = take16(p + i * stride);
      words[4 * i] = v.x;
      words[4 * i + 1] = v.y;
      words[4 * i + 2] = v.z;
      words[4 * i + 3] = v.w;
    }
  }
  AP_MEMBER u32 operator[](u32 i) const { return words[i]; }
};
template <u32 stride> struct LazyParts {
  const u8 *from;
  AP_MEMBER void load(const u8 *p) { from = p; }
  AP_MEMBER u32 operator[](u32 i) const { return take4(from + i / 4 * stride + i % 4 * 4); }
};
template <u32 count, u32 stride>
using Parts = typename Choose<kLazy, HeldParts<count, stride>, LazyParts<stride>>::Type;

AP_DEVICE u32 byteOf(u32 word, u32 byte) { return word >> 8 * byte & 0xff; }
// Moves bit `from` of each nibble to bit `to`.
AP_DEVICE u32 moveBit(u32 word, u32 from, u32 to) {
  return from < to ? word << (to - from) : word >> (from - to);
}
)";

constexpr const char *kIQ2_XXSLoad = R"(
struct Unit { Parts<1, 512> indices, signs; Words<2> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.indices.load(p + lane * 16);
  unit.signs.load(p + 512 + lane * 16);
  unit.scales.load(p + 1024 + lane / 4 * 8);
  unit.super = take4(p + 1088 + lane / 4 * 4);
}
)";

// The text of elementsOf for IQ2_XXS, IQ2_XS and IQ2_S.
constexpr const char *kIQ2Values = R"(
// The code of an element is the index of its magnitude in the list 8, 25, 43,
// plus 4 if it is negative. A byte permutation looks up four elements at a
// time. 43 is added to each of them, so that none is negative.
AP_DEVICE u32 elementsOf(u32 codes) {
  return ap_permute(ap_in_register(0x00564433), 0x00001223, codes);
}
)";

constexpr const char *kIQ2_XXS = R"(
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  Block block = {{}, scaleOf(unit, 0, i), scaleOf(unit, 1, i)};
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 at = i % 2 * 2 + row;
    const u32 codes = entryOf(byteOf(unit.indices[i / 2], at)) |
                      (moveBit(unit.signs[i / 2], at, 2) & 0x44444444);
#pragma unroll
    for (u32 f = 0; f < 2; ++f) {
      const u32 values = elementsOf(codes >> 16 * f);
      block.a[4 * f + row] = values & 0x00ff00ff;
      block.a[4 * f + row + 2] = ap_permute(values, 0, 0x4341);
    }
  }
  return block;
}
)";

constexpr const char *kIQ2_XSLoad = R"(
struct Unit { Parts<2, 256> indices; Parts<1, 512> signs; u32 upper; Words<4> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.indices.load(p + lane / 2 * 16);
  unit.signs.load(p + 512 + lane * 16);
  unit.upper = take4(p + 1024 + lane / 2 * 4);
  unit.scales.load(p + 1088 + lane / 4 * 16);
  unit.super = take4(p + 1216 + lane / 4 * 4);
}
AP_DEVICE u32 upperOf(const Unit &unit, u32 i, u32 at) {
  return (unit.upper >> (i * 4 + at) & 1) << 8;
}
)";

constexpr const char *kIQ2_SLoad = R"(
struct Unit { Parts<2, 256> indices; Parts<1, 512> signs; Words<2> upper; Words<4> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.indices.load(p + lane / 2 * 16);
  unit.signs.load(p + 512 + lane * 16);
  unit.upper.load(p + 1024 + lane / 2 * 8);
  unit.scales.load(p + 1152 + lane / 4 * 16);
  unit.super = take4(p + 1280 + lane / 4 * 4);
}
AP_DEVICE u32 upperOf(const Unit &unit, u32 i, u32 at) {
  return (unit.upper[i / 4] >> (i % 4 * 8 + at * 2) & 3) << 8;
}
)";

constexpr const char *kIQ2_S = R"(
// Two lanes share the entries of 8 columns. The even lane takes the lower half
// of each entry, and the odd lane takes the upper half.
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
  u32 halves[2];
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 at = 2 * f + row;
    const u32 index = byteOf(unit.indices[i], at) | upperOf(unit, i, at);
    halves[row] = ((const u16 *)(ap_shared() + kCodebookOffset))[index * 2 + ap_thread() % 2];
  }
  const u32 codes = (halves[0] | halves[1] << 16) |
                    (moveBit(unit.signs[i / 2], i % 2 * 2 + f, 2) & 0x44444444);
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 values = elementsOf(codes >> 16 * row);
    a[row] = values & 0x00ff00ff;
    a[row + 2] = ap_permute(values, 0, 0x4341);
  }
}
)";

constexpr const char *kIQ3_XXSLoad = R"(
struct Unit { Parts<2, 512> indices; Parts<1, 512> signs; Words<2> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.indices.load(p + lane * 16);
  unit.signs.load(p + 1024 + lane * 16);
  unit.scales.load(p + 1536 + lane / 4 * 8);
  unit.super = take4(p + 1600 + lane / 4 * 4);
}
)";

constexpr const char *kIQ3_XXS = R"(
// The code of an element is the index of its magnitude in this table, plus 8 if
// the element is negative. The table has half of each magnitude. If a nibble of
// the selector is 8 or more, ap_permute fills the byte of the result with
// copies of the top bit of the byte that it selects. All top bits in this table
// are 0. So a permutation by the codes returns the positive elements, and 0 in
// place of the negative ones. A permutation by the codes with their top bits
// inverted returns the magnitudes of the negative elements, and 0 in place of
// the positive ones.
constexpr u32 kMagnitudes0 = 0x0e0a0602, kMagnitudes1 = 0x1f1a1612;
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  Block block = {{}, scaleOf(unit, 0, i), scaleOf(unit, 1, i)};
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 word = unit.indices[i];
    const u32 entries = entryOf(byteOf(word, 2 * row)) | entryOf(byteOf(word, 2 * row + 1)) << 16;
    const u32 codes =
        entries | (moveBit(unit.signs[i / 2], i % 2 * 2 + row, 3) & 0x88888888);
    const u32 inverted = ap_opaque(codes ^ 0x88888888);
#pragma unroll
    for (u32 f = 0; f < 2; ++f) {
      const u32 positive = ap_permute(ap_in_register(kMagnitudes0), kMagnitudes1, codes >> 16 * f);
      const u32 negative =
          ap_permute(ap_in_register(kMagnitudes0), kMagnitudes1, inverted >> 16 * f);
      const u32 values = ap_opaque(0x80808080 + positive - negative);
      block.a[4 * f + row] = values & 0x00ff00ff;
      block.a[4 * f + row + 2] = ap_permute(values, 0, 0x4341);
    }
  }
  return block;
}
)";

constexpr const char *kIQ3_SLoad = R"(
struct Unit { Parts<2, 512> indices; Parts<1, 512> signs; u32 upper; Words<2> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.indices.load(p + lane * 16);
  unit.signs.load(p + 1024 + lane * 16);
  unit.upper = take4(p + 1536 + lane * 4);
  unit.scales.load(p + 1664 + lane / 4 * 8);
  unit.super = take4(p + 1728 + lane / 4 * 4);
}
)";

constexpr const char *kIQ3_S = R"(
// In the codebook, a code is 8 plus the index of the magnitude. Inverting its
// four bits changes the sign of the element, which is 2 * (code - 7.5).
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  Block block = {{}, scaleOf(unit, 0, i), scaleOf(unit, 1, i)};
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    u32 entries[2];
#pragma unroll
    for (u32 j = 0; j < 2; ++j) {
      const u32 at = 2 * row + j;
      entries[j] =
          entryOf(byteOf(unit.indices[i], at) | (unit.upper >> (i * 4 + at) & 1) << 8);
    }
    const u32 negative = unit.signs[i / 2] >> (i % 2 * 2 + row) & 0x11111111;
    const u32 codes = (entries[0] | entries[1] << 8) ^ negative * 15;
#pragma unroll
    for (u32 pair = 0; pair < 4; ++pair) {
      block.a[pair / 2 * 4 + pair % 2 * 2 + row] = (codes >> 4 * pair & 0x000f000f) << i % 2 * 4;
    }
  }
  return block;
}
)";

constexpr const char *kIQ1_SLoad = R"(
struct Unit { Parts<1, 512> indices; Words<2> upper; Words<2> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.indices.load(p + lane * 16);
  unit.upper.load(p + 512 + lane * 8);
  unit.scales.load(p + 768 + lane / 4 * 8);
  unit.super = take4(p + 832 + lane / 4 * 4);
}
)";

constexpr const char *kIQ1_S = R"(
// An element is a digit -1, 0 or 1, plus or minus 1/8. The operand is 4 *
// element + 4.5 = 4 * (digit + 1) + o, where o is 1 for plus and 0 for minus.
// The nibbles of the codebook are 4 * (digit + 1).
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  Block block = {{}, scaleOf(unit, 0, i), scaleOf(unit, 1, i)};
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 index = byteOf(unit.indices[i / 2], i % 2 * 2 + row) |
                      (unit.upper[i / 4] >> (i % 4 * 8 + row * 4) & 7) << 8;
    const u32 codes = entryOf(index) | (offsetOf(unit, row, i, 0) & 0x11111111);
#pragma unroll
    for (u32 pair = 0; pair < 4; ++pair) {
      block.a[pair / 2 * 4 + pair % 2 * 2 + row] =
          (codes >> 4 * pair & 0x000f000f) << i % 4 * 2;
    }
  }
  return block;
}
)";

constexpr const char *kIQ1_MLoad = R"(
struct Unit { Parts<2, 256> indices; Words<4> upper; Words<4> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.indices.load(p + lane / 2 * 16);
  unit.upper.load(p + 512 + lane / 2 * 16);
  unit.scales.load(p + 768 + lane / 4 * 16);
  unit.super = take4(p + 896 + lane / 4 * 4);
}
)";

constexpr const char *kIQ1_M = R"(
// The operand is 4 * element + 4.5, as in IQ1_S. A nibble of `upper` belongs to
// an entry: its lower three bits are the upper bits of the entry's index, and
// its top bit is set if the entry's elements are digits plus 1/8, and clear if
// they are digits minus 1/8. Two lanes share an entry: the even lane takes the
// first four of its 8 columns, and the odd lane takes the other four.
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 at = 2 * f + row;
    const u32 upper = unit.upper[i / 2] >> (i % 2 * 16 + at * 4);
    const u32 entry = entryOf(byteOf(unit.indices[i], at) | (upper & 7) << 8);
    const u32 codes = entry >> ap_thread() % 2 * 8 | (upper >> 3 & 1) * 0x00110011;
    a[row] = (codes & 0x000f000f) << i % 4 * 2;
    a[row + 2] = (codes >> 4 & 0x000f000f) << i % 4 * 2;
  }
}
)";

} // namespace

uint32_t codebookBytes(DType dtype, Layout layout) {
  return layout == Layout::T16Indices
             ? static_cast<uint32_t>(codebookOf(dtype).size() * 4)
             : 0;
}

std::string codebookText(DType dtype, Layout layout, uint32_t offset) {
  if (layout != Layout::T16Indices) {
    return kNoCodebook;
  }
  const std::vector<uint32_t> words = codebookOf(dtype);
  std::string text;
  literal(text, "kCodebookOffset", offset);
  literal(text, "kCodebookEntries", static_cast<uint32_t>(words.size()));
  text += "AP_TABLE u32 kCodebook[] = {";
  for (const uint32_t word : words) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "0x%x,", word);
    text += digits;
  }
  return text + "};\n" + kCodebook;
}

IndexUnitText indexUnitText(DType dtype) {
  const std::string parts = kParts;
  switch (dtype) {
  case DType::IQ1_S:
    return {parts + kIQ1_SLoad + std::string(offsetText()), kIQ1_S};
  case DType::IQ1_M:
    return {parts + kIQ1_MLoad, kIQ1_M};
  case DType::IQ2_XXS:
    return {parts + kIQ2_XXSLoad + kIQ2Values, kIQ2_XXS};
  case DType::IQ2_XS:
    return {parts + kIQ2_XSLoad + kIQ2Values, kIQ2_S};
  case DType::IQ2_S:
    return {parts + kIQ2_SLoad + kIQ2Values, kIQ2_S};
  case DType::IQ3_XXS:
    return {parts + kIQ3_XXSLoad, kIQ3_XXS};
  default: // IQ3_S
    return {parts + kIQ3_SLoad, kIQ3_S};
  }
}

} // namespace air::codegen::cuda
