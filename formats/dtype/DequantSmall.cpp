//===- DequantSmall.cpp - decoders of 1-bit, 2-bit, ternary, FP4 dtypes ---===//
#include "formats/dtype/Dequantize.h"
#include "formats/dtype/ValueTables.h"

namespace air::dequant {

void q1x0(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 18, values += 128) {
    const float d = loadHalf(blocks);
    for (int j = 0; j < 128; ++j) {
      values[j] = (blocks[2 + j / 8] >> (j % 8)) & 1 ? d : -d;
    }
  }
}

void q2x0(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 18, values += 64) {
    const float d = loadHalf(blocks);
    for (int j = 0; j < 64; ++j) {
      int q = (blocks[2 + j / 4] >> (j % 4 * 2)) & 3;
      values[j] = static_cast<float>(q - 1) * d;
    }
  }
}

void tq1x0(const uint8_t *blocks, float *values, uint64_t count) {
  // A byte b stands for the fraction b / 256. Each of the first five (in qh:
  // four) base-3 digits of this fraction is an element plus 1. The first digit
  // is digit 0. Multiplying b by 3^n modulo 256 removes the digits before digit
  // n. Multiplying the result by 3 moves digit n into the bits above the byte.
  static constexpr uint8_t kPowers[] = {1, 3, 9, 27, 81};
  for (; count > 0; --count, blocks += 54, values += 256) {
    const float d = loadHalf(blocks + 52);
    float *out = values;
    auto digits = [&](const uint8_t *bytes, int size, int perByte) {
      for (int n = 0; n < perByte; ++n) {
        for (int j = 0; j < size; ++j) {
          uint8_t fraction = static_cast<uint8_t>(bytes[j] * kPowers[n]);
          *out++ = d * static_cast<float>((fraction * 3 >> 8) - 1);
        }
      }
    };
    digits(blocks, 32, 5);
    digits(blocks + 32, 16, 5);
    digits(blocks + 48, 4, 4);
  }
}

void tq2x0(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 66, values += 256) {
    const float d = loadHalf(blocks + 64);
    for (int i = 0; i < 256; ++i) {
      int q = (blocks[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
      values[i] = d * static_cast<float>(q - 1);
    }
  }
}

void mxfp4(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 17, values += 32) {
    const float d = halfOfE8m0(blocks[0]);
    for (int j = 0; j < 16; ++j) {
      const uint8_t packed = blocks[1 + j];
      values[j] = d * static_cast<float>(kE2m1Doubled[packed & 15]);
      values[j + 16] = d * static_cast<float>(kE2m1Doubled[packed >> 4]);
    }
  }
}

void nvfp4(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 36, values += 64) {
    for (int group = 0; group < 4; ++group) {
      const float d = halfOfUe4m3(blocks[group]);
      for (int j = 0; j < 8; ++j) {
        const uint8_t packed = blocks[4 + group * 8 + j];
        float *out = values + group * 16 + j;
        out[0] = d * static_cast<float>(kE2m1Doubled[packed & 15]);
        out[8] = d * static_cast<float>(kE2m1Doubled[packed >> 4]);
      }
    }
  }
}

} // namespace air::dequant
