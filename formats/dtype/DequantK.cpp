//===- DequantK.cpp - blocks of 256 with quantised scales -----------------===//
#include "formats/dtype/Dequantize.h"

namespace air::dequant {

namespace {

struct ScaleMin {
  int scale;
  int min;
};

/// Scale and minimum `j` (0-7) of the 12 bytes that Q4_K and Q5_K share: six
/// bits each; those of 4-7 have their two high bits in bytes 0-7.
ScaleMin scaleMin(const uint8_t *packed, int j) {
  if (j < 4) {
    return {packed[j] & 63, packed[j + 4] & 63};
  }
  return {(packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4,
          (packed[j + 4] >> 4) | (packed[j] >> 6) << 4};
}

/// Scale `j` (0-15) of Q3_K's 12 bytes, six bits less 32: low nibbles in bytes
/// 0-7, two high bits in bytes 8-11.
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
      // The mask's bit is set where nothing is subtracted.
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
      // A half of 128: quarters 0 and 1 are the low nibbles of its 64 bytes,
      // 2 and 3 the high ones; qh gives each quarter two bits.
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
