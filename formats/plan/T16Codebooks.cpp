//===- T16Codebooks.cpp - blocks with a codebook --------------------------===//
//
// The blocks of IQ1, IQ2 and IQ3 hold indices into a codebook, whose entries
// have 8 or 4 elements each. In IQ2 and IQ3, they also hold the signs of the
// elements. Layout t16i keeps both, so a kernel has to look entries up. Layout
// t16 has a code for each element instead, which takes more bytes and fewer
// instructions. An entry's elements determine its index, so nothing is lost.
//
//===----------------------------------------------------------------------===//
#include "formats/dtype/IqGrids.h"
#include "formats/plan/T16Blocks.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

namespace air {
namespace {

uint32_t loadWord(const uint8_t *bytes) {
  return loadHalf(bytes) | uint32_t{loadHalf(bytes + 2)} << 16;
}

void putWord(uint8_t *bytes, uint32_t value) {
  putHalf(bytes, value);
  putHalf(bytes + 2, value >> 16);
}

/// A codebook in terms of the elements' codes instead of their values.
struct Codebook {
  /// For each entry, the ranks of its elements among the codebook's values, 4
  /// bits each.
  std::vector<uint32_t> entries;
  std::map<uint32_t, uint32_t> indices; ///< the inverse of `entries`
};

template <typename Entry>
Codebook codebookOf(std::span<const Entry> grid, auto rankOf) {
  Codebook book;
  for (const Entry entry : grid) {
    uint32_t ranks = 0;
    for (uint32_t j = 0; j < sizeof(Entry); ++j) {
      ranks |= rankOf(static_cast<uint8_t>(entry >> (8 * j))) << (4 * j);
    }
    book.indices[ranks] = static_cast<uint32_t>(book.entries.size());
    book.entries.push_back(ranks);
  }
  return book;
}

/// The codebooks' values are 8, 25 and 43 in IQ2; 4, 12, 20, 28, 36, 44, 52 and
/// 62 in IQ3_XXS; 1, 3, ..., 15 in IQ3_S; and -1, 0 and 1 in IQ1.
const Codebook &codebook(DType dtype) {
  const auto iq2 = [](uint32_t value) { return value / 17; };
  const auto iq3xxs = [](uint32_t value) { return value / 8; };
  const auto iq3s = [](uint32_t value) { return value / 2; };
  const auto iq1 = [](uint32_t value) { return (value + 1) & 3; };
  static const Codebook kIq2xxs = codebookOf(iq2xxsGrid(), iq2);
  static const Codebook kIq2xs = codebookOf(iq2xsGrid(), iq2);
  static const Codebook kIq2s = codebookOf(iq2sGrid(), iq2);
  static const Codebook kIq3xxs = codebookOf(iq3xxsGrid(), iq3xxs);
  static const Codebook kIq3s = codebookOf(iq3sGrid(), iq3s);
  static const Codebook kIq1 = codebookOf(iq1sGrid(), iq1);
  switch (dtype) {
  case DType::IQ2_XXS:
    return kIq2xxs;
  case DType::IQ2_XS:
    return kIq2xs;
  case DType::IQ2_S:
    return kIq2s;
  case DType::IQ3_XXS:
    return kIq3xxs;
  case DType::IQ3_S:
    return kIq3s;
  default: // IQ1_S and IQ1_M
    return kIq1;
  }
}

bool isIq1(DType dtype) {
  return dtype == DType::IQ1_S || dtype == DType::IQ1_M;
}
bool isIq3(DType dtype) {
  return dtype == DType::IQ3_XXS || dtype == DType::IQ3_S;
}

void codesOf(DType dtype, const T16Eight &eight, uint16_t *codes) {
  const Codebook &book = codebook(dtype);
  const uint32_t values = isIq3(dtype) ? 8 : 3;
  uint32_t ranks = book.entries[eight.index[0]];
  if (isIq3(dtype)) {
    ranks |= book.entries[eight.index[1]] << 16;
  }
  for (uint32_t j = 0; j < 8; ++j) {
    const uint32_t rank = ranks >> (4 * j) & 15;
    codes[j] =
        static_cast<uint16_t>(isIq1(dtype)                  ? rank
                              : (eight.signs >> j & 1) != 0 ? values - 1 - rank
                                                            : values + rank);
  }
}

/// The inverse of codesOf. Codes that codesOf never returns, which only damaged
/// plans have, result in index 0.
T16Eight eightOf(DType dtype, const uint16_t *codes) {
  const Codebook &book = codebook(dtype);
  const uint32_t values = isIq3(dtype) ? 8 : 3;
  uint32_t ranks = 0;
  T16Eight eight = {};
  for (uint32_t j = 0; j < 8; ++j) {
    const bool negative = !isIq1(dtype) && codes[j] < values;
    const uint32_t rank = isIq1(dtype) ? codes[j]
                          : negative   ? values - 1 - codes[j]
                                       : codes[j] - values;
    eight.signs |= (negative ? 1U : 0U) << j;
    ranks |= rank << (4 * j);
  }
  const auto indexOf = [&](uint32_t entry) {
    const auto at = book.indices.find(entry);
    return at == book.indices.end() ? 0 : at->second;
  };
  if (isIq3(dtype)) {
    eight.index[0] = indexOf(ranks & 0xffff);
    eight.index[1] = indexOf(ranks >> 16);
  } else {
    eight.index[0] = indexOf(ranks);
  }
  return eight;
}

} // namespace

uint32_t t16ScaleCount(DType dtype) {
  return dtype == DType::IQ1_M || dtype == DType::IQ2_XS ||
                 dtype == DType::IQ2_S
             ? 16
             : 8;
}

void readIndexBlock(DType dtype, const uint8_t *block, T16IndexParts &parts) {
  parts.d = loadHalf(block);
  if (dtype == DType::IQ1_M) {
    // The upper 4 bits of each of the four words of scales are a nibble of the
    // float16 d.
    parts.d = 0;
    for (uint32_t w = 0; w < 4; ++w) {
      parts.d |= static_cast<uint16_t>((block[49 + 2 * w] >> 4) << (4 * w));
    }
  }
  for (uint32_t k = 0; k < 32; ++k) {
    T16Eight &eight = parts.eights[k];
    switch (dtype) {
    case DType::IQ2_XXS: {
      const uint32_t rest = loadWord(block + 6 + k / 4 * 8);
      eight.index[0] = block[2 + k / 4 * 8 + k % 4];
      eight.signs = iqSigns(rest >> (k % 4 * 7) & 127);
      parts.scales[k / 4] = static_cast<uint8_t>(rest >> 28);
      break;
    }
    case DType::IQ2_XS: {
      const uint32_t q = loadHalf(block + 2 + 2 * k);
      eight.index[0] = q & 511;
      eight.signs = iqSigns(q >> 9);
      parts.scales[k / 2] = block[66 + k / 4] >> (k / 2 % 2 * 4) & 15;
      break;
    }
    case DType::IQ2_S:
      eight.index[0] = block[2 + k] | (block[66 + k / 4] >> (k % 4 * 2) & 3U)
                                          << 8;
      eight.signs = block[34 + k];
      parts.scales[k / 2] = block[74 + k / 4] >> (k / 2 % 2 * 4) & 15;
      break;
    case DType::IQ3_XXS: {
      const uint32_t rest = loadWord(block + 66 + k / 4 * 4);
      eight.index[0] = block[2 + 2 * k];
      eight.index[1] = block[3 + 2 * k];
      eight.signs = iqSigns(rest >> (k % 4 * 7) & 127);
      parts.scales[k / 4] = static_cast<uint8_t>(rest >> 28);
      break;
    }
    case DType::IQ3_S:
      for (uint32_t j = 0; j < 2; ++j) {
        eight.index[j] = block[2 + 2 * k + j] |
                         (block[66 + k / 4] >> (k % 4 * 2 + j) & 1U) << 8;
      }
      eight.signs = block[74 + k];
      parts.scales[k / 4] = block[106 + k / 8] >> (k / 4 % 2 * 4) & 15;
      break;
    case DType::IQ1_S: {
      const uint32_t qh = loadHalf(block + 34 + k / 4 * 2);
      eight.index[0] = block[2 + k] | (qh >> (k % 4 * 3) & 7) << 8;
      // The top bit of qh is set if the offset is negative.
      parts.scales[k / 4] = static_cast<uint8_t>(qh >> 12 ^ 8);
      break;
    }
    default: { // IQ1_M
      const uint32_t nibble = block[32 + k / 2] >> (k % 2 * 4) & 15U;
      eight.index[0] = block[k] | (nibble & 7) << 8;
      parts.offsets[k] = static_cast<uint8_t>(nibble >> 3 ^ 1);
      parts.scales[k / 2] =
          loadHalf(block + 48 + k / 8 * 2) >> (k / 2 % 4 * 3) & 7;
      break;
    }
    }
  }
}

void writeIndexBlock(DType dtype, const T16IndexParts &parts, uint8_t *block) {
  std::memset(block, 0, info(dtype).blockBytes);
  if (dtype != DType::IQ1_M) {
    putHalf(block, parts.d);
  } else {
    for (uint32_t w = 0; w < 4; ++w) {
      block[49 + 2 * w] |= static_cast<uint8_t>((parts.d >> (4 * w) & 15) << 4);
    }
  }
  const auto addBits = [&](uint32_t at, uint32_t bits, uint32_t shift) {
    block[at] |= static_cast<uint8_t>(bits << shift);
  };
  const auto addToHalf = [&](uint32_t at, uint32_t bits, uint32_t shift) {
    putHalf(block + at, loadHalf(block + at) | bits << shift);
  };
  const auto addToWord = [&](uint32_t at, uint32_t bits, uint32_t shift) {
    putWord(block + at, loadWord(block + at) | bits << shift);
  };
  for (uint32_t k = 0; k < 32; ++k) {
    const T16Eight &eight = parts.eights[k];
    const uint32_t index = eight.index[0];
    switch (dtype) {
    case DType::IQ2_XXS:
      addBits(2 + k / 4 * 8 + k % 4, index, 0);
      addToWord(6 + k / 4 * 8, eight.signs & 127, k % 4 * 7);
      if (k % 4 == 0) {
        addToWord(6 + k / 4 * 8, parts.scales[k / 4], 28);
      }
      break;
    case DType::IQ2_XS:
      putHalf(block + 2 + 2 * k, index | (eight.signs & 127) << 9);
      addBits(66 + k / 4, k % 2 == 0 ? parts.scales[k / 2] : 0, k / 2 % 2 * 4);
      break;
    case DType::IQ2_S:
      addBits(2 + k, index, 0);
      addBits(66 + k / 4, index >> 8, k % 4 * 2);
      addBits(34 + k, eight.signs, 0);
      addBits(74 + k / 4, k % 2 == 0 ? parts.scales[k / 2] : 0, k / 2 % 2 * 4);
      break;
    case DType::IQ3_XXS:
      addBits(2 + 2 * k, index, 0);
      addBits(3 + 2 * k, eight.index[1], 0);
      addToWord(66 + k / 4 * 4, eight.signs & 127, k % 4 * 7);
      if (k % 4 == 0) {
        addToWord(66 + k / 4 * 4, parts.scales[k / 4], 28);
      }
      break;
    case DType::IQ3_S:
      for (uint32_t j = 0; j < 2; ++j) {
        addBits(2 + 2 * k + j, eight.index[j], 0);
        addBits(66 + k / 4, eight.index[j] >> 8, k % 4 * 2 + j);
      }
      addBits(74 + k, eight.signs, 0);
      addBits(106 + k / 8, k % 4 == 0 ? parts.scales[k / 4] : 0, k / 4 % 2 * 4);
      break;
    case DType::IQ1_S:
      addBits(2 + k, index, 0);
      addToHalf(34 + k / 4 * 2, index >> 8, k % 4 * 3);
      addToHalf(34 + k / 4 * 2, k % 4 == 0 ? parts.scales[k / 4] ^ 8U : 0, 12);
      break;
    default: // IQ1_M
      addBits(k, index, 0);
      addBits(32 + k / 2, index >> 8 | (parts.offsets[k] ^ 1U) << 3, k % 2 * 4);
      addToHalf(48 + k / 8 * 2, k % 2 == 0 ? parts.scales[k / 2] & 7U : 0,
                k / 2 % 4 * 3);
      break;
    }
  }
}

void readCodebookBlock(DType dtype, const uint8_t *block, T16Parts &parts) {
  T16IndexParts read;
  readIndexBlock(dtype, block, read);
  parts.d[0] = read.d;
  std::memcpy(parts.scales, read.scales, sizeof parts.scales);
  std::memcpy(parts.offsets, read.offsets, sizeof parts.offsets);
  for (uint32_t k = 0; k < 32; ++k) {
    codesOf(dtype, read.eights[k], parts.codes + 8 * k);
  }
}

void writeCodebookBlock(DType dtype, const T16Parts &parts, uint8_t *block) {
  T16IndexParts written;
  written.d = parts.d[0];
  std::memcpy(written.scales, parts.scales, sizeof parts.scales);
  std::memcpy(written.offsets, parts.offsets, sizeof parts.offsets);
  for (uint32_t k = 0; k < 32; ++k) {
    written.eights[k] = eightOf(dtype, parts.codes + 8 * k);
  }
  writeIndexBlock(dtype, written, block);
}

} // namespace air
