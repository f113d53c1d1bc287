//===- T16SmallBlocks.cpp - blocks of 1-bit, ternary and NVFP4 codes ------===//
#include "formats/plan/T16Blocks.h"

#include <cstring>

namespace air {
namespace {

/// `size` bytes of a TQ1_0 block. Each byte holds `digits` elements as base-3
/// digits, and the elements of a byte are `size` apart.
struct Run {
  uint32_t at, size, digits;
};
constexpr Run kRuns[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};

/// Reads base-3 digits as in formats/dtype/DequantSmall.cpp. A byte b stands
/// for b / 256, and multiplying it by 3 moves the first digit into the bits
/// above the byte.
void readDigits(const uint8_t *block, uint16_t *codes) {
  for (const Run &run : kRuns) {
    for (uint32_t j = 0; j < run.size; ++j) {
      uint32_t fraction = block[run.at + j];
      for (uint32_t n = 0; n < run.digits; ++n) {
        fraction *= 3;
        codes[n * run.size + j] = static_cast<uint16_t>(fraction >> 8);
        fraction &= 255;
      }
    }
    codes += run.size * run.digits;
  }
}

/// The inverse of readDigits. A byte stands for five digits. Of several bytes
/// that stand for the same digits, the smallest is written. If a byte holds
/// only four elements, its fifth digit is 0.
void writeDigits(const uint16_t *codes, uint8_t *block) {
  for (const Run &run : kRuns) {
    for (uint32_t j = 0; j < run.size; ++j) {
      uint32_t number = 0;
      for (uint32_t n = 0; n < 5; ++n) {
        number = number * 3 + (n < run.digits ? codes[n * run.size + j] : 0);
      }
      block[run.at + j] = static_cast<uint8_t>((number * 256 + 242) / 243);
    }
    codes += run.size * run.digits;
  }
}

} // namespace

void readSmallBlock(DType dtype, const uint8_t *block, uint32_t index,
                    T16Parts &parts) {
  const uint32_t elements = info(dtype).blockElements;
  uint16_t *codes = parts.codes + index * elements;
  uint16_t *d = parts.d + index * elements / 64;
  if (dtype == DType::NVFP4) {
    // Every 16 elements have a scale and 8 bytes of codes.
    for (uint32_t i = 0; i < elements; ++i) {
      const uint8_t byte = block[4 + i / 16 * 8 + i % 8];
      codes[i] = byte >> (i / 8 % 2 * 4) & 15;
    }
    std::memcpy(parts.scales + index * 4, block, 4);
    return;
  }
  uint32_t scale = 0;
  switch (dtype) {
  case DType::TQ1_0:
    readDigits(block, codes);
    scale = 52;
    break;
  case DType::TQ2_0:
    for (uint32_t i = 0; i < elements; ++i) {
      codes[i] = block[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
    }
    scale = 64;
    break;
  case DType::Q1_0:
    for (uint32_t i = 0; i < elements; ++i) {
      codes[i] = static_cast<uint16_t>((block[2 + i / 8] >> (i % 8) & 1) * 2);
    }
    break;
  default: // Q2_0
    for (uint32_t i = 0; i < elements; ++i) {
      codes[i] = block[2 + i / 4] >> (i % 4 * 2) & 3;
    }
    break;
  }
  for (uint32_t i = 0; i < elements / 64; ++i) {
    d[i] = loadHalf(block + scale);
  }
}

void writeSmallBlock(DType dtype, const T16Parts &parts, uint32_t index,
                     uint8_t *block) {
  const DTypeInfo &type = info(dtype);
  const uint32_t elements = type.blockElements;
  const uint16_t *codes = parts.codes + index * elements;
  const uint16_t d = parts.d[index * elements / 64];
  std::memset(block, 0, type.blockBytes);
  const auto put = [&](uint32_t at, uint32_t code, uint32_t shift) {
    block[at] |= static_cast<uint8_t>(code << shift);
  };
  switch (dtype) {
  case DType::NVFP4:
    for (uint32_t i = 0; i < elements; ++i) {
      put(4 + i / 16 * 8 + i % 8, codes[i], i / 8 % 2 * 4);
    }
    std::memcpy(block, parts.scales + index * 4, 4);
    break;
  case DType::TQ1_0:
    writeDigits(codes, block);
    putHalf(block + 52, d);
    break;
  case DType::TQ2_0:
    for (uint32_t i = 0; i < elements; ++i) {
      put(i / 128 * 32 + i % 32, codes[i], i / 32 % 4 * 2);
    }
    putHalf(block + 64, d);
    break;
  case DType::Q1_0:
    for (uint32_t i = 0; i < elements; ++i) {
      put(2 + i / 8, codes[i] / 2U, i % 8);
    }
    putHalf(block, d);
    break;
  default: // Q2_0
    for (uint32_t i = 0; i < elements; ++i) {
      put(2 + i / 4, codes[i], i % 4 * 2);
    }
    putHalf(block, d);
    break;
  }
}

} // namespace air
