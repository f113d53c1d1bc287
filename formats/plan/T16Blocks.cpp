//===- T16Blocks.cpp - GGUF blocks as codes and scales --------------------===//
#include "formats/plan/T16Blocks.h"

#include <cstring>

namespace air {
namespace {

/// Reads the eight 6-bit scales and eight 6-bit minima that twelve bytes of a
/// Q4_K or Q5_K block hold.
void readScales(const uint8_t *b, T16Parts &parts) {
  for (int j = 0; j < 4; ++j) {
    parts.scales[j] = b[j] & 63;
    parts.minima[j] = b[j + 4] & 63;
    parts.scales[j + 4] =
        static_cast<uint8_t>((b[j + 8] & 15) | (b[j] >> 6) << 4);
    parts.minima[j + 4] =
        static_cast<uint8_t>((b[j + 8] >> 4) | (b[j + 4] >> 6) << 4);
  }
}

void writeScales(const T16Parts &parts, uint8_t *b) {
  for (int j = 0; j < 4; ++j) {
    b[j] = static_cast<uint8_t>((parts.scales[j] & 63) |
                                (parts.scales[j + 4] >> 4 & 3) << 6);
    b[j + 4] = static_cast<uint8_t>((parts.minima[j] & 63) |
                                    (parts.minima[j + 4] >> 4 & 3) << 6);
    b[j + 8] = static_cast<uint8_t>((parts.scales[j + 4] & 15) |
                                    (parts.minima[j + 4] & 15) << 4);
  }
}

/// Reads a block of 32 codes: the low nibbles of 16 bytes, then the high ones.
void readShortNibbles(const uint8_t *qs, uint16_t *codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = qs[i] & 15;
    codes[i + 16] = qs[i] >> 4;
  }
}

void writeShortNibbles(const uint16_t *codes, uint8_t *qs) {
  for (int i = 0; i < 16; ++i) {
    qs[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
  }
}

void readFifthBits(const uint8_t *qh, uint16_t *codes) {
  for (int i = 0; i < 32; ++i) {
    codes[i] |= (qh[i / 8] >> (i % 8) & 1) << 4;
  }
}

void writeFifthBits(const uint16_t *codes, uint8_t *qh) {
  std::memset(qh, 0, 4);
  for (int i = 0; i < 32; ++i) {
    qh[i / 8] |= static_cast<uint8_t>((codes[i] >> 4 & 1) << (i % 8));
  }
}

/// Reads four runs of 64 codes. A run takes 32 bytes: its first 32 codes are
/// the low nibbles of these bytes, and its last 32 codes are the high nibbles.
void readNibbles(const uint8_t *qs, uint16_t *codes) {
  for (int i = 0; i < 128; ++i) {
    codes[i / 32 * 64 + i % 32] = qs[i] & 15;
    codes[i / 32 * 64 + i % 32 + 32] = qs[i] >> 4;
  }
}

void writeNibbles(const uint16_t *codes, uint8_t *qs) {
  for (int i = 0; i < 128; ++i) {
    qs[i] = static_cast<uint8_t>((codes[i / 32 * 64 + i % 32] & 15) |
                                 (codes[i / 32 * 64 + i % 32 + 32] & 15) << 4);
  }
}

/// Reads two runs of 128 codes of 2 bits. A run takes 32 bytes, and each byte
/// has the codes of four columns that are 32 apart.
void readPairs(const uint8_t *qs, uint16_t *codes) {
  for (int k = 0; k < 256; ++k) {
    codes[k] = qs[k / 128 * 32 + k % 32] >> (k / 32 % 4 * 2) & 3;
  }
}

void writePairs(const uint16_t *codes, uint8_t *qs) {
  std::memset(qs, 0, 64);
  for (int k = 0; k < 256; ++k) {
    qs[k / 128 * 32 + k % 32] |=
        static_cast<uint8_t>((codes[k] & 3) << (k / 32 % 4 * 2));
  }
}

} // namespace

void readT16Block(DType dtype, const uint8_t *block, uint32_t index,
                  T16Parts &parts) {
  // `codes` is used only for dtypes whose blocks have 32 codes; a row of a unit
  // has at most 8 such blocks. Dtypes with smaller blocks, whose indices may be
  // larger, do not use it, but even then it must not point outside the array.
  uint16_t *codes = parts.codes + (index < 8 ? index * 32 : 0);
  switch (dtype) {
  case DType::F16:
  case DType::BF16:
  case DType::F32:
  case DType::F64: {
    const uint32_t halves = info(dtype).blockBytes / 2;
    for (uint32_t half = 0; half < halves; ++half) {
      parts.codes[index * halves + half] = loadHalf(block + 2 * half);
    }
    break;
  }
  case DType::Q4_0:
  case DType::IQ4_NL:
    parts.d[index] = loadHalf(block);
    readShortNibbles(block + 2, codes);
    break;
  case DType::Q4_1:
    parts.d[index] = loadHalf(block);
    parts.m[index] = loadHalf(block + 2);
    readShortNibbles(block + 4, codes);
    break;
  case DType::Q5_0:
    parts.d[index] = loadHalf(block);
    readShortNibbles(block + 6, codes);
    readFifthBits(block + 2, codes);
    break;
  case DType::Q5_1:
    parts.d[index] = loadHalf(block);
    parts.m[index] = loadHalf(block + 2);
    readShortNibbles(block + 8, codes);
    readFifthBits(block + 4, codes);
    break;
  case DType::MXFP4:
    parts.scales[index] = block[0];
    readShortNibbles(block + 1, codes);
    break;
  case DType::IQ4_XS:
    parts.d[0] = loadHalf(block);
    for (int j = 0; j < 8; ++j) {
      const int low = block[4 + j / 2] >> (j % 2 * 4) & 15;
      const int high = loadHalf(block + 2) >> (2 * j) & 3;
      parts.scales[j] = static_cast<uint8_t>(low | high << 4);
      readShortNibbles(block + 8 + j * 16, parts.codes + j * 32);
    }
    break;
  case DType::Q8_0:
    parts.d[index] = loadHalf(block);
    for (int i = 0; i < 32; ++i) {
      parts.codes[index * 32 + i] = block[2 + i] ^ 0x80;
    }
    break;
  case DType::Q4_K:
  case DType::Q5_K: {
    parts.d[0] = loadHalf(block);
    parts.dmin = loadHalf(block + 2);
    readScales(block + 4, parts);
    readNibbles(block + (dtype == DType::Q5_K ? 48 : 16), parts.codes);
    if (dtype == DType::Q5_K) {
      for (int k = 0; k < 256; ++k) {
        parts.codes[k] |= (block[16 + k % 32] >> (k / 32) & 1) << 4;
      }
    }
    break;
  }
  case DType::Q2_K:
    std::memcpy(parts.scales, block, 16);
    readPairs(block + 16, parts.codes);
    parts.d[0] = loadHalf(block + 80);
    parts.dmin = loadHalf(block + 82);
    break;
  case DType::Q3_K:
    readPairs(block + 32, parts.codes);
    for (int k = 0; k < 256; ++k) {
      parts.codes[k] |= (block[k % 32] >> (k / 32) & 1) << 2;
    }
    for (int j = 0; j < 16; ++j) {
      const int low = block[96 + j % 8] >> (j / 8 * 4) & 15;
      const int high = block[104 + j % 4] >> (j / 4 * 2) & 3;
      parts.scales[j] = static_cast<uint8_t>(low | high << 4);
    }
    parts.d[0] = loadHalf(block + 108);
    break;
  case DType::Q6_K:
    for (int k = 0; k < 256; ++k) {
      // A Q6_K block has two halves of 128 codes. Each half consists of four
      // runs of 32 codes: two of low nibbles, followed by two of high nibbles.
      const int h = k / 128;
      const int run = k / 32 % 4;
      const int i = k % 32;
      const int low = block[h * 64 + run % 2 * 32 + i] >> (run / 2 * 4) & 15;
      const int high = block[128 + h * 32 + i] >> (run * 2) & 3;
      parts.codes[k] = static_cast<uint16_t>(low | high << 4);
    }
    for (int j = 0; j < 16; ++j) {
      parts.scales[j] = block[192 + j] ^ 0x80;
    }
    parts.d[0] = loadHalf(block + 208);
    break;
  case DType::TQ1_0:
  case DType::TQ2_0:
  case DType::Q1_0:
  case DType::Q2_0:
  case DType::NVFP4:
    readSmallBlock(dtype, block, index, parts);
    break;
  default: // IQ1, IQ2 and IQ3, which have a codebook
    readCodebookBlock(dtype, block, parts);
    break;
  }
}

void writeT16Block(DType dtype, const T16Parts &parts, uint32_t index,
                   uint8_t *block) {
  const uint16_t *codes = parts.codes + (index < 8 ? index * 32 : 0);
  switch (dtype) {
  case DType::F16:
  case DType::BF16:
  case DType::F32:
  case DType::F64: {
    const uint32_t halves = info(dtype).blockBytes / 2;
    for (uint32_t half = 0; half < halves; ++half) {
      putHalf(block + 2 * half, parts.codes[index * halves + half]);
    }
    break;
  }
  case DType::Q4_0:
  case DType::IQ4_NL:
    putHalf(block, parts.d[index]);
    writeShortNibbles(codes, block + 2);
    break;
  case DType::Q4_1:
    putHalf(block, parts.d[index]);
    putHalf(block + 2, parts.m[index]);
    writeShortNibbles(codes, block + 4);
    break;
  case DType::Q5_0:
    putHalf(block, parts.d[index]);
    writeFifthBits(codes, block + 2);
    writeShortNibbles(codes, block + 6);
    break;
  case DType::Q5_1:
    putHalf(block, parts.d[index]);
    putHalf(block + 2, parts.m[index]);
    writeFifthBits(codes, block + 4);
    writeShortNibbles(codes, block + 8);
    break;
  case DType::MXFP4:
    block[0] = parts.scales[index];
    writeShortNibbles(codes, block + 1);
    break;
  case DType::IQ4_XS: {
    putHalf(block, parts.d[0]);
    uint16_t high = 0;
    std::memset(block + 4, 0, 4);
    for (int j = 0; j < 8; ++j) {
      high |= static_cast<uint16_t>((parts.scales[j] >> 4 & 3) << (2 * j));
      block[4 + j / 2] |=
          static_cast<uint8_t>((parts.scales[j] & 15) << (j % 2 * 4));
      writeShortNibbles(parts.codes + j * 32, block + 8 + j * 16);
    }
    putHalf(block + 2, high);
    break;
  }
  case DType::Q8_0:
    putHalf(block, parts.d[index]);
    for (int i = 0; i < 32; ++i) {
      block[2 + i] = static_cast<uint8_t>(parts.codes[index * 32 + i] ^ 0x80);
    }
    break;
  case DType::Q4_K:
  case DType::Q5_K:
    putHalf(block, parts.d[0]);
    putHalf(block + 2, parts.dmin);
    writeScales(parts, block + 4);
    writeNibbles(parts.codes, block + (dtype == DType::Q5_K ? 48 : 16));
    if (dtype == DType::Q5_K) {
      std::memset(block + 16, 0, 32);
      for (int k = 0; k < 256; ++k) {
        block[16 + k % 32] |=
            static_cast<uint8_t>((parts.codes[k] >> 4 & 1) << (k / 32));
      }
    }
    break;
  case DType::Q2_K:
    std::memcpy(block, parts.scales, 16);
    writePairs(parts.codes, block + 16);
    putHalf(block + 80, parts.d[0]);
    putHalf(block + 82, parts.dmin);
    break;
  case DType::Q3_K:
    std::memset(block, 0, 32);
    writePairs(parts.codes, block + 32);
    for (int k = 0; k < 256; ++k) {
      block[k % 32] |=
          static_cast<uint8_t>((parts.codes[k] >> 2 & 1) << (k / 32));
    }
    std::memset(block + 96, 0, 12);
    for (int j = 0; j < 16; ++j) {
      block[96 + j % 8] |=
          static_cast<uint8_t>((parts.scales[j] & 15) << (j / 8 * 4));
      block[104 + j % 4] |=
          static_cast<uint8_t>((parts.scales[j] >> 4 & 3) << (j / 4 * 2));
    }
    putHalf(block + 108, parts.d[0]);
    break;
  case DType::Q6_K:
    std::memset(block, 0, 192);
    for (int k = 0; k < 256; ++k) {
      const int h = k / 128;
      const int run = k / 32 % 4;
      const int i = k % 32;
      block[h * 64 + run % 2 * 32 + i] |=
          static_cast<uint8_t>((parts.codes[k] & 15) << (run / 2 * 4));
      block[128 + h * 32 + i] |=
          static_cast<uint8_t>((parts.codes[k] >> 4) << (run * 2));
    }
    for (int j = 0; j < 16; ++j) {
      block[192 + j] = parts.scales[j] ^ 0x80;
    }
    putHalf(block + 208, parts.d[0]);
    break;
  case DType::TQ1_0:
  case DType::TQ2_0:
  case DType::Q1_0:
  case DType::Q2_0:
  case DType::NVFP4:
    writeSmallBlock(dtype, parts, index, block);
    break;
  default:
    writeCodebookBlock(dtype, parts, block);
    break;
  }
}

} // namespace air
