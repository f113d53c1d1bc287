//===- Finite.cpp - NaN and infinity in weights ---------------------------===//
#include "formats/dtype/Finite.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace air {
namespace {

/// Masks of the exponent fields of F64, F32, F16 and BF16. A number whose
/// exponent bits are all set is NaN or infinite.
constexpr uint64_t kExponent64 = 0x7ff0000000000000;
constexpr uint32_t kExponent32 = 0x7f800000;
constexpr uint16_t kExponent16 = 0x7c00;
constexpr uint16_t kExponentBf16 = 0x7f80;

/// The number of blocks that are examined between two checks for an early exit.
/// The loop over these blocks has no exit, so that the compiler can vectorise
/// it.
constexpr uint64_t kBlocksTogether = 1024;

/// Returns the index of the first block for which `isBad` is true. `isBad` is
/// called with the start of each block, and must not branch, so that the loop
/// can be vectorised.
template <typename IsBad>
std::optional<uint64_t> firstBad(std::span<const uint8_t> bytes,
                                 uint64_t blockBytes, IsBad isBad) {
  const uint64_t blocks = bytes.size() / blockBytes;
  for (uint64_t begin = 0; begin < blocks; begin += kBlocksTogether) {
    const uint64_t end = std::min(blocks, begin + kBlocksTogether);
    const uint8_t *first = bytes.data() + begin * blockBytes;
    unsigned anyBad = 0;
    for (uint64_t i = 0; i < end - begin; ++i) {
      anyBad |= static_cast<unsigned>(isBad(first + i * blockBytes));
    }
    if (anyBad != 0) {
      for (uint64_t i = begin; i < end; ++i) {
        if (isBad(bytes.data() + i * blockBytes)) {
          return i;
        }
      }
    }
  }
  return std::nullopt;
}

template <typename Bits> Bits bitsAt(const uint8_t *place) {
  Bits bits = 0;
  std::memcpy(&bits, place, sizeof(bits));
  return bits;
}

template <typename Bits, Bits kExponent>
std::optional<uint64_t> firstBadFloat(std::span<const uint8_t> bytes) {
  return firstBad(bytes, sizeof(Bits), [](const uint8_t *place) {
    return (bitsAt<Bits>(place) & kExponent) == kExponent;
  });
}

bool isBadHalf(uint16_t bits) { return (bits & kExponent16) == kExponent16; }

/// Implements firstNotFinite() for dtypes whose scale, and minimum if there is
/// one, are F16 fields.
std::optional<uint64_t> firstBadHalfScale(const DTypeInfo &type,
                                          std::span<const uint8_t> bytes) {
  std::array<size_t, 2> at = {};
  size_t count = 0;
  for (const BlockField &field : type.fields) {
    const std::string_view name = field.name;
    if (name == "d" || name == "m" || name == "dmin") {
      at[count++] = field.offset;
    }
  }
  if (count == 1) {
    at[1] = at[0];
  }
  return firstBad(bytes, type.blockBytes, [at](const uint8_t *block) {
    bool isBad = false;
    for (size_t place : at) {
      isBad |= isBadHalf(bitsAt<uint16_t>(block + place));
    }
    return isBad;
  });
}

/// Returns whether the scale of an IQ1_M block is NaN or infinite. The four
/// nibbles of this F16 number are the upper four bits of four 16-bit words.
bool isBadIq1m(const uint8_t *block) {
  constexpr size_t kScales = 48;
  uint16_t scale = 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto word = bitsAt<uint16_t>(block + kScales + 2 * i);
    scale = static_cast<uint16_t>(scale | (word & 0xf000) >> (12 - 4 * i));
  }
  return isBadHalf(scale);
}

bool isBadMxfp4(const uint8_t *block) { return block[0] == 0xff; }

bool isBadNvfp4(const uint8_t *block) {
  bool isBad = false;
  for (size_t i = 0; i < 4; ++i) {
    isBad |= (block[i] & 0x7f) == 0x7f;
  }
  return isBad;
}

} // namespace

std::optional<uint64_t> firstNotFinite(DType dtype,
                                       std::span<const uint8_t> blocks) {
  const DTypeInfo &type = info(dtype);
  switch (dtype) {
  case DType::F64:
    return firstBadFloat<uint64_t, kExponent64>(blocks);
  case DType::F32:
    return firstBadFloat<uint32_t, kExponent32>(blocks);
  case DType::F16:
    return firstBadFloat<uint16_t, kExponent16>(blocks);
  case DType::BF16:
    return firstBadFloat<uint16_t, kExponentBf16>(blocks);
  case DType::I8:
  case DType::I16:
  case DType::I32:
  case DType::I64:
    return std::nullopt;
  case DType::IQ1_M:
    return firstBad(blocks, type.blockBytes, isBadIq1m);
  case DType::MXFP4:
    return firstBad(blocks, type.blockBytes, isBadMxfp4);
  case DType::NVFP4:
    return firstBad(blocks, type.blockBytes, isBadNvfp4);
  case DType::Q8_K: // its scale is a float32
    return firstBad(blocks, type.blockBytes, [](const uint8_t *block) {
      return (bitsAt<uint32_t>(block) & kExponent32) == kExponent32;
    });
  default:
    return firstBadHalfScale(type, blocks);
  }
}

} // namespace air
