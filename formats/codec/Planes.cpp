//===- Planes.cpp - bfloat16 numbers with short exponents -----------------===//
#include "formats/codec/Planes.h"

#include "formats/codec/PlaneDecode.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

namespace air::codec {
namespace {

// A coded chunk consists of
//   - the header: the 7 exponents with codes 0 to 6, a zero byte, the number of
//     escapes as a little-endian word of 32 bits, and four zero bytes
//   - for each value in a whole block, one byte with its sign and significand
//   - for each block of 64 values, bits 0, bits 1 and bits 2 of their codes,
//     each as a little-endian word of 64 bits, with the first value in its
//     lowest bit
//   - the escapes: the exponents of values with code 7, one byte each, in the
//     order of the values
//   - the bytes of the chunk after its last whole block, as they are
constexpr size_t kHeaderBytes = 16;
constexpr uint32_t kEscape = 7; ///< code of an escape, after codes 0 to 6
constexpr size_t kBlockValues = 64;
constexpr size_t kBlockBytes = 2 * kBlockValues;
constexpr size_t kBlockCodeBytes = 3 * sizeof(uint64_t);

uint8_t exponentOf(uint16_t value) { return static_cast<uint8_t>(value >> 7U); }

uint16_t valueAt(const uint8_t *bytes, size_t index) {
  return static_cast<uint16_t>(bytes[2 * index] | (bytes[2 * index + 1] << 8U));
}

uint64_t loadWord(const uint8_t *from, size_t bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes; ++i) {
    word |= uint64_t{from[i]} << (8 * i);
  }
  return word;
}

void storeWord(uint8_t *to, uint64_t word, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    to[i] = static_cast<uint8_t>(word >> (8 * i));
  }
}

/// Returns bits 0, 1 and 2 of a block's codes, one word for each bit.
std::array<uint64_t, 3> codeWords(const uint8_t *codes, size_t block) {
  const uint8_t *words = codes + block * kBlockCodeBytes;
  return {loadWord(words, 8), loadWord(words + 8, 8), loadWord(words + 16, 8)};
}

/// The seven most frequent exponents. Of equally frequent ones, the smaller one
/// comes first.
std::array<uint8_t, kEscape>
frequentExponents(std::span<const uint8_t> blocks) {
  std::array<uint64_t, 256> counts{};
  for (size_t i = 0; i < blocks.size() / 2; ++i) {
    ++counts[exponentOf(valueAt(blocks.data(), i))];
  }
  std::array<uint16_t, 256> order{};
  for (uint16_t i = 0; i < 256; ++i) {
    order[i] = i;
  }
  std::sort(order.begin(), order.end(), [&](uint16_t a, uint16_t b) {
    return counts[a] != counts[b] ? counts[a] > counts[b] : a < b;
  });
  std::array<uint8_t, kEscape> best{};
  for (size_t i = 0; i < kEscape; ++i) {
    best[i] = static_cast<uint8_t>(order[i]);
  }
  return best;
}

Status corrupt(const std::string &why) {
  return corruptError("a chunk coded as planes is damaged: " + why);
}

} // namespace

std::vector<uint8_t> encodePlanes(std::span<const uint8_t> raw) {
  const size_t blocks = raw.size() / kBlockBytes;
  const size_t values = blocks * kBlockValues;
  const std::array<uint8_t, kEscape> exponents =
      frequentExponents(raw.first(blocks * kBlockBytes));
  std::array<uint8_t, 256> codeOf{};
  codeOf.fill(kEscape);
  for (size_t i = 0; i < kEscape; ++i) {
    codeOf[exponents[i]] = static_cast<uint8_t>(i);
  }
  std::vector<uint8_t> coded(kHeaderBytes + values + blocks * kBlockCodeBytes);
  std::copy(exponents.begin(), exponents.end(), coded.begin());
  uint8_t *signs = coded.data() + kHeaderBytes;
  uint8_t *codes = signs + values;
  std::vector<uint8_t> escapes;
  for (size_t block = 0; block < blocks; ++block) {
    std::array<uint64_t, 3> words{};
    for (size_t i = 0; i < kBlockValues; ++i) {
      const size_t v = block * kBlockValues + i;
      const uint16_t value = valueAt(raw.data(), v);
      signs[v] =
          static_cast<uint8_t>(((value >> 8U) & 0x80U) | (value & 0x7fU));
      const uint64_t code = codeOf[exponentOf(value)];
      for (size_t bit = 0; bit < words.size(); ++bit) {
        words[bit] |= (code >> bit & 1U) << i;
      }
      if (code == kEscape) {
        escapes.push_back(exponentOf(value));
      }
    }
    for (size_t bit = 0; bit < words.size(); ++bit) {
      storeWord(codes + block * kBlockCodeBytes + bit * sizeof(uint64_t),
                words[bit], sizeof(uint64_t));
    }
  }
  storeWord(&coded[kEscape + 1], escapes.size(), 4);
  coded.insert(coded.end(), escapes.begin(), escapes.end());
  const std::span<const uint8_t> rest = raw.subspan(blocks * kBlockBytes);
  coded.insert(coded.end(), rest.begin(), rest.end());
  return coded;
}

Status decodePlanes(std::span<const uint8_t> stored, std::span<uint8_t> raw) {
  const size_t blocks = raw.size() / kBlockBytes;
  const size_t values = blocks * kBlockValues;
  const size_t rest = raw.size() % kBlockBytes;
  const size_t fixed = kHeaderBytes + values + blocks * kBlockCodeBytes;
  if (stored.size() < fixed) {
    return corrupt("it has " + std::to_string(stored.size()) +
                   " bytes, but needs at least " + std::to_string(fixed));
  }
  const uint64_t count = loadWord(&stored[kEscape + 1], 4);
  if (count > stored.size() - fixed || rest > stored.size() - fixed - count) {
    return corrupt("it has " + std::to_string(stored.size()) +
                   " bytes, which are too few for the " +
                   countOf(count, "escaped exponent") +
                   " that its header states");
  }
  Planes planes;
  planes.exponents = stored.data();
  planes.fractions = planes.exponents + kHeaderBytes;
  planes.codes = planes.fractions + values;
  planes.escapes = planes.codes + blocks * kBlockCodeBytes;
  planes.blocks = blocks;
  // The decoders read one escape for each code 7 without a bounds check, so the
  // header must state exactly as many escapes as there are codes 7.
  uint64_t found = 0;
  for (size_t block = 0; block < blocks; ++block) {
    const auto [low, middle, high] = codeWords(planes.codes, block);
    found += static_cast<uint64_t>(std::popcount(low & middle & high));
  }
  if (found != count) {
    return corrupt("its header states " + countOf(count, "escaped exponent") +
                   ", but its codes refer to " + std::to_string(found));
  }
  static const DecodePlanesFn decode = fastestPlaneDecoder();
  decode(planes, raw.data());
  std::copy_n(planes.escapes + count, rest,
              raw.begin() + static_cast<ptrdiff_t>(blocks * kBlockBytes));
  return Status::ok();
}

void decodePlanesPlain(const Planes &planes, uint8_t *values) {
  const uint8_t *escape = planes.escapes;
  for (size_t block = 0; block < planes.blocks; ++block) {
    const auto [low, middle, high] = codeWords(planes.codes, block);
    for (size_t i = 0; i < kBlockValues; ++i) {
      const size_t v = block * kBlockValues + i;
      const uint64_t code =
          (low >> i & 1U) | (middle >> i & 1U) << 1U | (high >> i & 1U) << 2U;
      const uint32_t exponent =
          code == kEscape ? *escape++ : planes.exponents[code];
      const uint32_t sign = planes.fractions[v];
      storeWord(values + 2 * v,
                (sign & 0x80U) << 8U | exponent << 7U | (sign & 0x7fU), 2);
    }
  }
}

DecodePlanesFn fastestPlaneDecoder() {
  if (DecodePlanesFn wide = planeDecoderAvx512()) {
    return wide;
  }
  if (DecodePlanesFn wide = planeDecoderAvx2()) {
    return wide;
  }
  return decodePlanesPlain;
}

} // namespace air::codec
