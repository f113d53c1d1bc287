//===- DequantLegacy.cpp - decoders of the dtypes Q4_0 to Q8_1 ------------===//
//
// A block has 32 elements. In Q4_0, Q4_1, Q5_0 and Q5_1, byte j of qs (0 to 15)
// has the low four bits of two elements: element j in its low nibble, and
// element j + 16 in its high nibble.
//
//===----------------------------------------------------------------------===//
#include "formats/dtype/Dequantize.h"

namespace air::dequant {

void q4x0(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 18, values += 32) {
    const float d = loadHalf(blocks);
    const uint8_t *qs = blocks + 2;
    for (int j = 0; j < 16; ++j) {
      values[j] = d * static_cast<float>((qs[j] & 15) - 8);
      values[j + 16] = d * static_cast<float>((qs[j] >> 4) - 8);
    }
  }
}

void q4x1(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 20, values += 32) {
    const float d = loadHalf(blocks);
    const float m = loadHalf(blocks + 2);
    const uint8_t *qs = blocks + 4;
    for (int j = 0; j < 16; ++j) {
      values[j] = d * static_cast<float>(qs[j] & 15) + m;
      values[j + 16] = d * static_cast<float>(qs[j] >> 4) + m;
    }
  }
}

void q5x0(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 22, values += 32) {
    const float d = loadHalf(blocks);
    const uint32_t high = load<uint32_t>(blocks + 2);
    const uint8_t *qs = blocks + 6;
    for (int j = 0; j < 16; ++j) {
      int low = (qs[j] & 15) | static_cast<int>((high >> j) & 1) << 4;
      int top = (qs[j] >> 4) | static_cast<int>((high >> (j + 16)) & 1) << 4;
      values[j] = d * static_cast<float>(low - 16);
      values[j + 16] = d * static_cast<float>(top - 16);
    }
  }
}

void q5x1(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 24, values += 32) {
    const float d = loadHalf(blocks);
    const float m = loadHalf(blocks + 2);
    const uint32_t high = load<uint32_t>(blocks + 4);
    const uint8_t *qs = blocks + 8;
    for (int j = 0; j < 16; ++j) {
      int low = (qs[j] & 15) | static_cast<int>((high >> j) & 1) << 4;
      int top = (qs[j] >> 4) | static_cast<int>((high >> (j + 16)) & 1) << 4;
      values[j] = d * static_cast<float>(low) + m;
      values[j + 16] = d * static_cast<float>(top) + m;
    }
  }
}

void q8x0(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 34, values += 32) {
    const float d = loadHalf(blocks);
    for (int j = 0; j < 32; ++j) {
      values[j] = static_cast<float>(load<int8_t>(blocks + 2 + j)) * d;
    }
  }
}

void q8x1(const uint8_t *blocks, float *values, uint64_t count) {
  // The second F16 field is the sum of the block's elements, which
  // dequantisation does not need.
  for (; count > 0; --count, blocks += 36, values += 32) {
    const float d = loadHalf(blocks);
    for (int j = 0; j < 32; ++j) {
      values[j] = static_cast<float>(load<int8_t>(blocks + 4 + j)) * d;
    }
  }
}

} // namespace air::dequant
