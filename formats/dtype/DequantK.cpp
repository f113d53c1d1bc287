//===- DequantK.cpp - decoders of the K-quants ----------------------------===//
#include "formats/dtype/Dequantize.h"

namespace air::dequant {

namespace {

struct ScaleMin {
  int scale;
  int min;
};

/// Returns the 6-bit scale and the 6-bit minimum of group `j` (0 to 7) from the
/// 12 bytes in which Q4_K and Q5_K pack them. For `j` from 4 to 7, the two high
/// bits of both are in the upper bits of bytes 0 to 7.
ScaleMin scaleMin(const uint8_t *packed, int j) {
  if (j < 4) {
    return {packed[j] & 63, packed[j + 4] & 63};
  }
  return {(packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4,
          (packed[j + 4] >> 4) | (packed[j] >> 6) << 4};
}

/// Returns scale `j` (0 to 15) from the 12 bytes in which Q3_K packs its
/// scales. A scale is a 6-bit number minus 32. Its low four bits are in bytes 0
/// to 7, and its high two bits are in bytes 8 to 11.
int q3Scale(const uint8_t *packed, int j) {
  int low = (packed[j % 8] >> (j / 8 * 4)) & 15;
  int high = (packed[8 + j % 4] >> (j / 4 * 2)) & 3;
  return (low | high << 4) - 32;
}

} // namespace

void q2k(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 84, values += 256) {
    const uint8_t *scales = blocks;
    const uint8_t *qs = blocks + 16;
    const float d = loadHalf(blocks + 80);
    const float dmin = loadHalf(blocks + 82);
    for (int i = 0; i < 256; ++i) {
      const uint8_t packed = scales[i / 16];
      const float scale = d * static_cast<float>(packed & 15);
      const float min = dmin * static_cast<float>(packed >> 4);
      int q = (qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      values[i] = scale * static_cast<float>(q) - min;
    }
  }
}

void q3k(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 110, values += 256) {
    const uint8_t *hmask = blocks;
    const uint8_t *qs = blocks + 32;
    const uint8_t *scales = blocks + 96;
    const float d = loadHalf(blocks + 108);
    for (int i = 0; i < 256; ++i) {
      const float scale = d * static_cast<float>(q3Scale(scales, i / 16));
      int q = (qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      // Every element has a bit in hmask. If the bit is clear, 4 is subtracted
      // from the element's 2-bit value.
      int high = (hmask[i % 32] >> (i / 32)) & 1;
      values[i] = scale * static_cast<float>(q - (high ? 0 : 4));
    }
  }
}

void q4k(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 144, values += 256) {
    const float d = loadHalf(blocks);
    const float dmin = loadHalf(blocks + 2);
    const uint8_t *qs = blocks + 16;
    for (int j = 0; j < 8; ++j) {
      const ScaleMin packed = scaleMin(blocks + 4, j);
      const float scale = d * static_cast<float>(packed.scale);
      const float min = dmin * static_cast<float>(packed.min);
      for (int l = 0; l < 32; ++l) {
        int q = (qs[j / 2 * 32 + l] >> (j % 2 * 4)) & 15;
        values[j * 32 + l] = scale * static_cast<float>(q) - min;
      }
    }
  }
}

void q5k(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 176, values += 256) {
    const float d = loadHalf(blocks);
    const float dmin = loadHalf(blocks + 2);
    const uint8_t *qh = blocks + 16;
    const uint8_t *qs = blocks + 48;
    for (int j = 0; j < 8; ++j) {
      const ScaleMin packed = scaleMin(blocks + 4, j);
      const float scale = d * static_cast<float>(packed.scale);
      const float min = dmin * static_cast<float>(packed.min);
      for (int l = 0; l < 32; ++l) {
        int q = ((qs[j / 2 * 32 + l] >> (j % 2 * 4)) & 15) | ((qh[l] >> j) & 1)
                                                                 << 4;
        values[j * 32 + l] = scale * static_cast<float>(q) - min;
      }
    }
  }
}

void q6k(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 210, values += 256) {
    const uint8_t *ql = blocks;
    const uint8_t *qh = blocks + 128;
    const uint8_t *scales = blocks + 192;
    const float d = loadHalf(blocks + 208);
    for (int i = 0; i < 256; ++i) {
      // Each half of the block has 128 elements, in four quarters of 32. Each
      // of its 64 bytes of ql has the low four bits of two elements: one of
      // quarter 0 or 1 in its low nibble, and one of quarter 2 or 3 in its high
      // nibble. qh has the two high bits of every element.
      int half = i / 128;
      int quarter = i % 128 / 32;
      int low = (ql[half * 64 + i % 64] >> (quarter / 2 * 4)) & 15;
      int high = (qh[half * 32 + i % 32] >> (quarter * 2)) & 3;
      const float scale = d * static_cast<float>(load<int8_t>(scales + i / 16));
      values[i] = scale * static_cast<float>((low | high << 4) - 32);
    }
  }
}

void q8k(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 292, values += 256) {
    const float d = load<float>(blocks);
    for (int i = 0; i < 256; ++i) {
      values[i] = d * static_cast<float>(load<int8_t>(blocks + 4 + i));
    }
  }
}

} // namespace air::dequant
