//===- DequantIq.cpp - decoders of the IQ dtypes --------------------------===//
#include "formats/dtype/Dequantize.h"
#include "formats/dtype/IqGrids.h"
#include "formats/dtype/ValueTables.h"

namespace air::dequant {

namespace {

/// Sets values[j] to scale times byte j of `entry`, and negates it if bit j of
/// `signs` is set.
template <typename Entry>
void signedEntry(float scale, Entry entry, unsigned signs, float *values) {
  for (unsigned j = 0; j < sizeof(Entry); ++j) {
    float magnitude = scale * static_cast<float>((entry >> (8 * j)) & 255);
    values[j] = (signs >> j) & 1 ? -magnitude : magnitude;
  }
}

/// Sets values[j] to scale * (b + delta), where b is byte j of `entry` as a
/// signed number.
void shiftedEntry(float scale, uint64_t entry, float delta, float *values) {
  for (unsigned j = 0; j < 8; ++j) {
    float digit = static_cast<float>(static_cast<int8_t>(entry >> (8 * j)));
    values[j] = scale * (digit + delta);
  }
}

constexpr float kIq1Delta = 0.125F;

} // namespace

void iq2xxs(const uint8_t *blocks, float *values, uint64_t count) {
  const auto grid = iq2xxsGrid();
  for (; count > 0; --count, blocks += 66, values += 256) {
    const float d = loadHalf(blocks);
    for (int group = 0; group < 8; ++group) {
      const uint8_t *qs = blocks + 2 + group * 8;
      const uint32_t rest = load<uint32_t>(qs + 4);
      const float scale = d * (0.5F + static_cast<float>(rest >> 28)) * 0.25F;
      for (int k = 0; k < 4; ++k) {
        signedEntry(scale, grid[qs[k]], iqSigns((rest >> (7 * k)) & 127),
                    values + group * 32 + k * 8);
      }
    }
  }
}

void iq2xs(const uint8_t *blocks, float *values, uint64_t count) {
  const auto grid = iq2xsGrid();
  for (; count > 0; --count, blocks += 74, values += 256) {
    const float d = loadHalf(blocks);
    const uint8_t *scales = blocks + 66;
    for (int k = 0; k < 32; ++k) {
      const uint16_t q = load<uint16_t>(blocks + 2 + k * 2);
      int packed = (scales[k / 4] >> (k / 2 % 2 * 4)) & 15;
      const float scale = d * (0.5F + static_cast<float>(packed)) * 0.25F;
      signedEntry(scale, grid[q & 511], iqSigns(q >> 9), values + k * 8);
    }
  }
}

void iq2s(const uint8_t *blocks, float *values, uint64_t count) {
  const auto grid = iq2sGrid();
  for (; count > 0; --count, blocks += 82, values += 256) {
    const float d = loadHalf(blocks);
    const uint8_t *qs = blocks + 2;
    const uint8_t *signs = blocks + 34;
    const uint8_t *qh = blocks + 66;
    const uint8_t *scales = blocks + 74;
    for (int k = 0; k < 32; ++k) {
      unsigned index = qs[k] | ((qh[k / 4] >> (k % 4 * 2)) & 3U) << 8;
      int packed = (scales[k / 4] >> (k / 2 % 2 * 4)) & 15;
      const float scale = d * (0.5F + static_cast<float>(packed)) * 0.25F;
      signedEntry(scale, grid[index], signs[k], values + k * 8);
    }
  }
}

void iq3xxs(const uint8_t *blocks, float *values, uint64_t count) {
  const auto grid = iq3xxsGrid();
  for (; count > 0; --count, blocks += 98, values += 256) {
    const float d = loadHalf(blocks);
    for (int group = 0; group < 8; ++group) {
      const uint8_t *qs = blocks + 2 + group * 8;
      const uint32_t rest = load<uint32_t>(blocks + 66 + group * 4);
      const float scale = d * (0.5F + static_cast<float>(rest >> 28)) * 0.5F;
      for (int k = 0; k < 8; ++k) {
        unsigned signs = iqSigns((rest >> (k / 2 * 7)) & 127);
        signedEntry(scale, grid[qs[k]], signs >> (k % 2 * 4),
                    values + group * 32 + k * 4);
      }
    }
  }
}

void iq3s(const uint8_t *blocks, float *values, uint64_t count) {
  const auto grid = iq3sGrid();
  for (; count > 0; --count, blocks += 110, values += 256) {
    const float d = loadHalf(blocks);
    const uint8_t *qs = blocks + 2;
    const uint8_t *qh = blocks + 66;
    const uint8_t *signs = blocks + 74;
    const uint8_t *scales = blocks + 106;
    for (int k = 0; k < 64; ++k) {
      unsigned index = qs[k] | ((qh[k / 8] >> (k % 8)) & 1U) << 8;
      int packed = (scales[k / 16] >> (k / 8 % 2 * 4)) & 15;
      const float scale = d * static_cast<float>(1 + 2 * packed);
      signedEntry(scale, grid[index],
                  static_cast<unsigned>(signs[k / 2]) >> (k % 2 * 4),
                  values + k * 4);
    }
  }
}

void iq1s(const uint8_t *blocks, float *values, uint64_t count) {
  const auto grid = iq1sGrid();
  for (; count > 0; --count, blocks += 50, values += 256) {
    const float d = loadHalf(blocks);
    const uint8_t *qs = blocks + 2;
    for (int group = 0; group < 8; ++group) {
      const uint16_t qh = load<uint16_t>(blocks + 34 + group * 2);
      const float scale = d * static_cast<float>(2 * ((qh >> 12) & 7) + 1);
      const float delta = qh & 0x8000 ? -kIq1Delta : kIq1Delta;
      for (int k = 0; k < 4; ++k) {
        unsigned index = qs[group * 4 + k] | ((qh >> (3 * k)) & 7U) << 8;
        shiftedEntry(scale, grid[index], delta, values + group * 32 + k * 8);
      }
    }
  }
}

void iq1m(const uint8_t *blocks, float *values, uint64_t count) {
  const auto grid = iq1sGrid();
  for (; count > 0; --count, blocks += 56, values += 256) {
    const uint8_t *qs = blocks;
    const uint8_t *qh = blocks + 32;
    // The four nibbles of the block's F16 scale are the upper four bits of the
    // four 16-bit scale words.
    uint16_t scales[4];
    unsigned half = 0;
    for (int w = 0; w < 4; ++w) {
      scales[w] = load<uint16_t>(blocks + 48 + w * 2);
      half |= (scales[w] >> 12) << (4 * w);
    }
    const float d = halfToFloat(static_cast<uint16_t>(half));
    for (int k = 0; k < 32; ++k) {
      // qh has one nibble per grid entry: the three high bits of the index, and
      // the sign of the delta. Two consecutive entries share one 3-bit scale.
      unsigned nibble = (qh[k / 2] >> (k % 2 * 4)) & 15U;
      unsigned index = qs[k] | (nibble & 7) << 8;
      int packed = (scales[k / 8] >> (k / 2 % 4 * 3)) & 7;
      const float scale = d * static_cast<float>(2 * packed + 1);
      shiftedEntry(scale, grid[index], nibble & 8 ? -kIq1Delta : kIq1Delta,
                   values + k * 8);
    }
  }
}

void iq4nl(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 18, values += 32) {
    const float d = loadHalf(blocks);
    const uint8_t *qs = blocks + 2;
    for (int j = 0; j < 16; ++j) {
      values[j] = d * static_cast<float>(kIq4Values[qs[j] & 15]);
      values[j + 16] = d * static_cast<float>(kIq4Values[qs[j] >> 4]);
    }
  }
}

void iq4xs(const uint8_t *blocks, float *values, uint64_t count) {
  for (; count > 0; --count, blocks += 136, values += 256) {
    const float d = loadHalf(blocks);
    const uint16_t scalesHigh = load<uint16_t>(blocks + 2);
    const uint8_t *scalesLow = blocks + 4;
    for (int group = 0; group < 8; ++group) {
      int low = (scalesLow[group / 2] >> (group % 2 * 4)) & 15;
      int high = (scalesHigh >> (2 * group)) & 3;
      const float scale = d * static_cast<float>((low | high << 4) - 32);
      const uint8_t *qs = blocks + 8 + group * 16;
      float *out = values + group * 32;
      for (int j = 0; j < 16; ++j) {
        out[j] = scale * static_cast<float>(kIq4Values[qs[j] & 15]);
        out[j + 16] = scale * static_cast<float>(kIq4Values[qs[j] >> 4]);
      }
    }
  }
}

} // namespace air::dequant
