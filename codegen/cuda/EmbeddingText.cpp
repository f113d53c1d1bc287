//===- EmbeddingText.cpp - elements of GGUF's blocks as CUDA text ---------===//
#include "codegen/cuda/EmbeddingText.h"

#include "codegen/cuda/Literals.h"
#include "formats/dtype/IqGrids.h"
#include "formats/dtype/ValueTables.h"

#include <algorithm>
#include <vector>

namespace air::codegen::cuda {
namespace {

constexpr const char *kBits = R"(
AP_DEVICE u32 bitsAt(const u8 *p) { return p[0] | p[1] << 8; }
AP_DEVICE u32 wordAt(const u8 *p) { return bitsAt(p) | bitsAt(p + 2) << 16; }
AP_DEVICE float halfAt(const u8 *p) { return ap_float_of_half(bitsAt(p)); }
)";

/// Returns the text of an array of integers below 2^16.
std::string arrayText(const char *name, std::span<const uint32_t> values) {
  std::string text = std::string("AP_TABLE u16 ") + name + "[] = {";
  for (const uint32_t value : values) {
    text += std::to_string(value) + ",";
  }
  return text + "};\n";
}

/// Returns the text of `elementIn`, which returns element j of an entry of a
/// codebook. `values` are all values that the elements can have, in ascending
/// order.
template <typename Entry>
std::string codebookText(std::span<const Entry> grid,
                         std::span<const int> values) {
  constexpr uint32_t kElements = sizeof(Entry);
  constexpr uint32_t kWidth = 16 / kElements;
  std::vector<uint32_t> packed;
  for (const Entry entry : grid) {
    uint32_t bits = 0;
    for (uint32_t j = 0; j < kElements; ++j) {
      const int value = static_cast<int8_t>(entry >> (8 * j));
      const auto rank = static_cast<uint32_t>(std::ranges::find(values, value) -
                                              values.begin());
      bits |= rank << (kWidth * j);
    }
    packed.push_back(bits);
  }
  std::vector<uint32_t> shifted;
  for (const int value : values) {
    shifted.push_back(static_cast<uint32_t>(value + 1));
  }
  std::string text = arrayText("kEntries", packed) +
                     "// The values of elements, plus 1.\n" +
                     arrayText("kValues", shifted);
  literal(text, "kWidth", kWidth);
  return text + R"(
AP_DEVICE float elementIn(u32 index, u32 j) {
  const u32 rank = kEntries[index] >> kWidth * j & ((1u << kWidth) - 1);
  return (float)((int)kValues[rank] - 1);
}
)";
}

// Some dtypes store only 7 signs for every 8 elements. The sign of the eighth
// element makes the number of negative elements even.
constexpr const char *kSigns = R"(
AP_DEVICE u32 signOf(u32 seven, u32 j) {
  u32 parity = seven ^ seven >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return j == 7 ? parity & 1 : seven >> j & 1;
}
)";

constexpr const char *kIQ2_XXS = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u8 *part = block + 2 + i / 32 * 8;
  const u32 eight = i / 8 % 4;
  const u32 rest = wordAt(part + 4);
  const float scale = halfAt(block) * (0.5f + (float)(rest >> 28)) * 0.25f;
  const float value = scale * elementIn(part[eight], i % 8);
  return signOf(rest >> eight * 7 & 127, i % 8) != 0 ? -value : value;
}
)";

constexpr const char *kIQ2_XS = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = bitsAt(block + 2 + i / 8 * 2);
  const u32 s = block[66 + i / 32] >> i / 16 % 2 * 4 & 15;
  const float scale = halfAt(block) * (0.5f + (float)s) * 0.25f;
  const float value = scale * elementIn(code & 511, i % 8);
  return signOf(code >> 9, i % 8) != 0 ? -value : value;
}
)";

constexpr const char *kIQ2_S = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 eight = i / 8;
  const u32 index = block[2 + eight] | (block[66 + eight / 4] >> eight % 4 * 2 & 3) << 8;
  const u32 s = block[74 + i / 32] >> i / 16 % 2 * 4 & 15;
  const float scale = halfAt(block) * (0.5f + (float)s) * 0.25f;
  const float value = scale * elementIn(index, i % 8);
  return (block[34 + eight] >> i % 8 & 1) != 0 ? -value : value;
}
)";

constexpr const char *kIQ3_XXS = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 rest = wordAt(block + 66 + i / 32 * 4);
  const float scale = halfAt(block) * (0.5f + (float)(rest >> 28)) * 0.5f;
  const float value = scale * elementIn(block[2 + i / 4], i % 4);
  return signOf(rest >> i / 8 % 4 * 7 & 127, i % 8) != 0 ? -value : value;
}
)";

constexpr const char *kIQ3_S = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 four = i / 4;
  const u32 index = block[2 + four] | (block[66 + four / 8] >> four % 8 & 1) << 8;
  const u32 s = block[106 + i / 64] >> i / 32 % 2 * 4 & 15;
  const float value = halfAt(block) * (float)(1 + 2 * s) * elementIn(index, i % 4);
  return (block[74 + i / 8] >> i % 8 & 1) != 0 ? -value : value;
}
)";

constexpr const char *kIQ1_S = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 eight = i / 8;
  const u32 high = bitsAt(block + 34 + i / 32 * 2);
  const u32 index = block[2 + eight] | (high >> eight % 4 * 3 & 7) << 8;
  const float scale = halfAt(block) * (float)(2 * (high >> 12 & 7) + 1);
  return scale * (elementIn(index, i % 8) + ((high & 0x8000) != 0 ? -0.125f : 0.125f));
}
)";

constexpr const char *kIQ1_M = R"(
// The block's float16 scale is stored in four nibbles: the upper four bits of
// each of the four 16-bit words that hold the 3-bit scales.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u8 *words = block + 48;
  const u32 d = words[1] >> 4 | (words[3] >> 4) << 4 | (words[5] >> 4) << 8 | (words[7] >> 4) << 12;
  const u32 eight = i / 8;
  const u32 nibble = block[32 + eight / 2] >> eight % 2 * 4;
  const u32 index = block[eight] | (nibble & 7) << 8;
  const u32 s = bitsAt(words + i / 64 * 2) >> i / 16 % 4 * 3 & 7;
  const float scale = ap_float_of_half(d) * (float)(2 * s + 1);
  return scale * (elementIn(index, i % 8) + ((nibble & 8) != 0 ? -0.125f : 0.125f));
}
)";

constexpr const char *kIQ4_NL = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = block[2 + i % 16] >> i / 16 * 4 & 15;
  return halfAt(block) * (float)((int)kTable[code] - 128);
}
)";

constexpr const char *kIQ4_XS = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 part = i / 32;
  const u32 code = block[8 + part * 16 + i % 16] >> i / 16 % 2 * 4 & 15;
  const u32 low = block[4 + part / 2] >> part % 2 * 4 & 15;
  const u32 high = bitsAt(block + 2) >> part * 2 & 3;
  const float scale = halfAt(block) * (float)((int)(low | high << 4) - 32);
  return scale * (float)((int)kTable[code] - 128);
}
)";

constexpr const char *kTQ1_0 = R"(
// A block has 48 bytes that hold five base-3 digits each, and then 4 bytes that
// hold four digits each. Written in base 3, the fraction byte / 256 begins with
// the digits of the byte. Multiplying the byte by 3 moves the first digit to
// bits 8 and 9, and leaves the rest of the fraction in bits 0 to 7.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 at = i < 160 ? i % 32 : i < 240 ? 32 + i % 16 : 48 + i % 4;
  const u32 digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
  u32 fraction = block[at];
  for (u32 n = 0; n < digit; ++n) {
    fraction = fraction * 3 & 255;
  }
  return halfAt(block + 52) * (float)((int)(fraction * 3 >> 8) - 1);
}
)";

constexpr const char *kTQ2_0 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = block[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
  return halfAt(block + 64) * (float)((int)code - 1);
}
)";

constexpr const char *kQ1_0 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const float d = halfAt(block);
  return (block[2 + i / 8] >> i % 8 & 1) != 0 ? d : -d;
}
)";

constexpr const char *kQ2_0 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = block[2 + i / 4] >> i % 4 * 2 & 3;
  return halfAt(block) * (float)((int)code - 1);
}
)";

constexpr const char *kE2m1 = R"(
// An e2m1 code has a sign bit, two exponent bits and one mantissa bit. This
// returns twice its value: 0, 1, 2, 3, 4, 6, 8 or 12, or the negative of these.
AP_DEVICE float twiceE2m1(u32 code) {
  const u32 exponent = code >> 1 & 3;
  const u32 halves = exponent == 0 ? code & 1 : (2 | (code & 1)) << (exponent - 1);
  return (code & 8) != 0 ? -(float)halves : (float)halves;
}
)";

constexpr const char *kMXFP4 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  // `half` is half of the block's scale 2^(e - 127), that is, 2^(e - 128). This
  // is a subnormal number if e < 2.
  const u32 e = block[0];
  const float half = ap_float_of_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  return twiceE2m1(block[1 + i % 16] >> i / 16 * 4 & 15) * half;
}
)";

constexpr const char *kNVFP4 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  // Every 16 elements have an e4m3 scale. A float16 with the same exponent and
  // mantissa bits has 2^-8 times the scale's value. As in ggml, the byte 0x7f
  // means 0, and the top bit is ignored.
  const u32 scale = block[i / 16];
  const float half = scale == 0x7f ? 0 : ap_float_of_half((scale & 0x7f) << 7) * 128.0f;
  return twiceE2m1(block[4 + i / 16 * 8 + i % 8] >> i / 8 % 2 * 4 & 15) * half;
}
)";

constexpr const char *kQ4_1 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = block[4 + i % 16] >> i / 16 * 4 & 15;
  return (float)code * halfAt(block) + halfAt(block + 2);
}
)";

constexpr const char *kQ5_0 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 fifth = wordAt(block + 2) >> i & 1;
  const u32 code = (block[6 + i % 16] >> i / 16 * 4 & 15) | fifth << 4;
  return (float)((int)code - 16) * halfAt(block);
}
)";

constexpr const char *kQ5_1 = R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 fifth = wordAt(block + 4) >> i & 1;
  const u32 code = (block[8 + i % 16] >> i / 16 * 4 & 15) | fifth << 4;
  return (float)code * halfAt(block) + halfAt(block + 2);
}
)";

constexpr const char *kF64 = R"(
AP_DEVICE float elementOf(const u8 *block, u32) { return (float)*(const double *)block; }
)";

/// The text of elementOf, which must come after the text of partsText().
const char *bodyText(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32) {
  return ap_float_of_bits(bitsAt(block) | bitsAt(block + 2) << 16);
}
)";
  case DType::F16:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32) { return halfAt(block); }
)";
  case DType::BF16:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32) { return ap_float_of_bits(bitsAt(block) << 16); }
)";
  case DType::Q4_0:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = block[2 + i % 16] >> i / 16 * 4 & 15;
  return (float)((int)code - 8) * halfAt(block);
}
)";
  case DType::Q8_0:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  return (float)(signed char)block[2 + i] * halfAt(block);
}
)";
  case DType::Q2_K:
    return R"(
// A block begins with a byte for each group of 16 elements: the lower 4 bits
// are the scale, and the upper 4 bits are the minimum.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 scale = block[i / 16];
  const u32 code = block[16 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
  const float d = halfAt(block + 80) * (scale & 15);
  return d * code - halfAt(block + 82) * (scale >> 4);
}
)";
  case DType::Q3_K:
    return R"(
// The 6-bit scales have their lower 4 bits in 8 bytes, two in each, and their
// upper 2 bits in the 4 bytes after them.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 part = i / 16;
  const u32 low = block[96 + part % 8] >> part / 8 * 4 & 15;
  const u32 high = block[104 + part % 4] >> part / 4 * 2 & 3;
  const u32 code = (block[32 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3) |
                   (block[i % 32] >> i / 32 & 1) << 2;
  const float d = halfAt(block + 108) * ((int)(low | high << 4) - 32);
  return d * ((int)code - 4);
}
)";
  case DType::Q4_K:
  case DType::Q5_K:
    return R"(
// The 6-bit scales and minima of sub-blocks 4 to 7 have their upper 2 bits in
// the bytes of sub-blocks 0 to 3.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u8 *packed = block + 4;
  const u32 part = i / 32;
  u32 scale, minimum;
  if (part < 4) {
    scale = packed[part] & 63;
    minimum = packed[part + 4] & 63;
  } else {
    scale = (packed[part + 4] & 15) | packed[part - 4] >> 6 << 4;
    minimum = packed[part + 4] >> 4 | packed[part] >> 6 << 4;
  }
  u32 code = block[kNibbleOffset + i / 64 * 32 + i % 32] >> part % 2 * 4 & 15;
  if (kFifthBit) {
    code |= (block[16 + i % 32] >> part & 1) << 4;
  }
  const float d = halfAt(block) * scale;
  return d * code - halfAt(block + 2) * minimum;
}
)";
  case DType::Q6_K:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 half = i / 128, part = i % 128 / 32, at = i % 32;
  const u32 low = block[half * 64 + part % 2 * 32 + at] >> part / 2 * 4 & 15;
  const u32 high = block[128 + half * 32 + at] >> part * 2 & 3;
  const int code = (int)(low | high << 4) - 32;
  const int scale = (signed char)block[192 + i / 16];
  return halfAt(block + 208) * (float)scale * (float)code;
}
)";
  case DType::Q4_1:
    return kQ4_1;
  case DType::Q5_0:
    return kQ5_0;
  case DType::Q5_1:
    return kQ5_1;
  case DType::IQ2_XXS:
    return kIQ2_XXS;
  case DType::IQ2_XS:
    return kIQ2_XS;
  case DType::IQ2_S:
    return kIQ2_S;
  case DType::IQ3_XXS:
    return kIQ3_XXS;
  case DType::IQ3_S:
    return kIQ3_S;
  case DType::IQ1_S:
    return kIQ1_S;
  case DType::IQ1_M:
    return kIQ1_M;
  case DType::IQ4_NL:
    return kIQ4_NL;
  case DType::IQ4_XS:
    return kIQ4_XS;
  case DType::TQ1_0:
    return kTQ1_0;
  case DType::TQ2_0:
    return kTQ2_0;
  case DType::Q1_0:
    return kQ1_0;
  case DType::Q2_0:
    return kQ2_0;
  case DType::MXFP4:
    return kMXFP4;
  case DType::NVFP4:
    return kNVFP4;
  default: // the only other dtype of weights is F64
    return kF64;
  }
}

/// The text of the tables and functions that elementOf uses.
std::string partsText(DType dtype) {
  constexpr int kIq2Values[] = {8, 25, 43};
  constexpr int kIq3xxsValues[] = {4, 12, 20, 28, 36, 44, 52, 62};
  constexpr int kIq3sValues[] = {1, 3, 5, 7, 9, 11, 13, 15};
  constexpr int kIq1Values[] = {-1, 0, 1};
  switch (dtype) {
  case DType::Q4_K:
  case DType::Q5_K: {
    std::string text;
    literal(text, "kFifthBit", dtype == DType::Q5_K);
    literal(text, "kNibbleOffset", dtype == DType::Q5_K ? 48U : 16U);
    return text;
  }
  case DType::IQ2_XXS:
    return kSigns + codebookText(iq2xxsGrid(), kIq2Values);
  case DType::IQ2_XS:
    return kSigns + codebookText(iq2xsGrid(), kIq2Values);
  case DType::IQ2_S:
    return codebookText(iq2sGrid(), kIq2Values);
  case DType::IQ3_XXS:
    return kSigns + codebookText(iq3xxsGrid(), kIq3xxsValues);
  case DType::IQ3_S:
    return codebookText(iq3sGrid(), kIq3sValues);
  case DType::IQ1_S:
  case DType::IQ1_M:
    return codebookText(iq1sGrid(), kIq1Values);
  case DType::IQ4_NL:
  case DType::IQ4_XS: {
    std::vector<uint32_t> table;
    for (const int value : kIq4Values) {
      table.push_back(static_cast<uint32_t>(value + 128));
    }
    return "// The table of IQ4_NL, plus 128.\n" + arrayText("kTable", table);
  }
  case DType::MXFP4:
  case DType::NVFP4:
    return kE2m1;
  default:
    return {};
  }
}

} // namespace

std::string elementText(DType dtype) {
  return kBits + partsText(dtype) + bodyText(dtype);
}

} // namespace air::codegen::cuda
