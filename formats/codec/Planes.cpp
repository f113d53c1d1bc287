//===- Planes.cpp - bfloat16 numbers with short exponents -----------------===//
#include "formats/codec/Planes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace air::codec {
namespace {

// A coded chunk consists of
//   - the header: the 7 exponents with codes 0 to 6, a zero byte, the number of
//     escapes as a little-endian word of 32 bits, and four zero bytes
//   - for each value, one byte with its sign and significand
//   - for each block of 128 values, 3 x 16 bytes with the bits of their codes
//   - the escapes: the exponents of values with code 7, one byte each
//   - the last byte of the chunk, if the chunk has an odd number of bytes
// Value number 16 g + i of a block has bit k of its code in bit g of byte i of
// the block's k-th 16 bytes. So 16 neighbours are decoded with the same shift.
constexpr size_t kHeaderBytes = 16;
constexpr size_t kCodes = 7; ///< and also the code of an escape
constexpr size_t kLanes = 16;
constexpr size_t kGroups = 8;
constexpr size_t kBlock = kLanes * kGroups;
constexpr size_t kBlockCodeBytes = 3 * kLanes;

size_t blocksOf(size_t values) { return (values + kBlock - 1) / kBlock; }

uint8_t exponentOf(uint16_t value) { return static_cast<uint8_t>(value >> 7U); }

uint16_t valueAt(const uint8_t *bytes, size_t index) {
  return static_cast<uint16_t>(bytes[2 * index] | (bytes[2 * index + 1] << 8U));
}

/// The most frequent exponents; of equally frequent ones, the smaller first.
std::array<uint8_t, kCodes> frequentExponents(std::span<const uint8_t> raw) {
  std::array<uint64_t, 256> counts{};
  for (size_t i = 0; i < raw.size() / 2; ++i) {
    ++counts[exponentOf(valueAt(raw.data(), i))];
  }
  std::array<uint16_t, 256> order{};
  for (uint16_t i = 0; i < 256; ++i) {
    order[i] = i;
  }
  std::sort(order.begin(), order.end(), [&](uint16_t a, uint16_t b) {
    return counts[a] != counts[b] ? counts[a] > counts[b] : a < b;
  });
  std::array<uint8_t, kCodes> best{};
  for (size_t i = 0; i < kCodes; ++i) {
    best[i] = static_cast<uint8_t>(order[i]);
  }
  return best;
}

/// An exponent as a function of the three bits of its code. Any such function
/// is an exclusive-or of products of the bits (its algebraic normal form), and
/// in this form whole vectors of codes are looked up without a table.
struct Lookup {
  explicit Lookup(const uint8_t *exponents) {
    std::copy_n(exponents, kCodes, factors.begin());
    for (size_t bit = 1; bit <= kCodes; bit *= 2) {
      for (size_t i = 0; i < factors.size(); ++i) {
        if ((i & bit) != 0) {
          factors[i] ^= factors[i ^ bit];
        }
      }
    }
  }
  /// Element i belongs to the product of the bits that are set in i.
  std::array<uint8_t, kCodes + 1> factors{};
};

/// Decodes a block of values, except that those with code 7 get a wrong
/// exponent. `signs` are the bytes with sign and significand.
[[gnu::always_inline]] inline void decodeBlock(const uint8_t *__restrict codes,
                                               const uint8_t *__restrict signs,
                                               const Lookup &lookup,
                                               uint16_t *__restrict to) {
  const auto &f = lookup.factors;
  for (size_t g = 0; g < kGroups; ++g) {
    for (size_t i = 0; i < kLanes; ++i) {
      // Each of these is 0 or 255.
      const auto a = static_cast<uint8_t>(-((codes[i] >> g) & 1));
      const auto b = static_cast<uint8_t>(-((codes[kLanes + i] >> g) & 1));
      const auto c = static_cast<uint8_t>(-((codes[2 * kLanes + i] >> g) & 1));
      const auto ab = static_cast<uint8_t>(a & b);
      const auto exponent = static_cast<uint8_t>(
          f[0] ^ (f[1] & a) ^ (f[2] & b) ^ (f[3] & ab) ^ (f[4] & c) ^
          (f[5] & a & c) ^ (f[6] & b & c) ^ (f[7] & ab & c));
      const uint8_t sign = signs[g * kLanes + i];
      to[g * kLanes + i] = static_cast<uint16_t>(
          ((sign & 0x80U) << 8U) | (exponent << 7U) | (sign & 0x7fU));
    }
  }
}

/// The lanes of a block, 8 at a time, whose values have code 7: bit 8 i + g
/// belongs to value 16 g + i of the lanes.
uint64_t escapesIn(const uint8_t *codes, size_t lane) {
  uint64_t bits = ~uint64_t{0};
  for (size_t plane = 0; plane < 3; ++plane) {
    uint64_t word = 0;
    for (size_t i = 0; i < 8; ++i) {
      word |= uint64_t{codes[plane * kLanes + lane + i]} << (8 * i);
    }
    bits &= word;
  }
  return bits;
}

size_t valueOfEscape(size_t lane, int bit) {
  const auto at = static_cast<size_t>(bit);
  return at % 8 * kLanes + lane + at / 8;
}

Status corrupt(const std::string &why) {
  return corruptError("a chunk coded as planes is damaged: " + why);
}

} // namespace

std::vector<uint8_t> encodePlanes(std::span<const uint8_t> raw) {
  const size_t values = raw.size() / 2;
  const std::array<uint8_t, kCodes> exponents = frequentExponents(raw);
  std::array<uint8_t, 256> codeOf{};
  codeOf.fill(kCodes);
  for (size_t i = 0; i < kCodes; ++i) {
    codeOf[exponents[i]] = static_cast<uint8_t>(i);
  }
  std::vector<uint8_t> coded(kHeaderBytes + values +
                             blocksOf(values) * kBlockCodeBytes);
  std::copy(exponents.begin(), exponents.end(), coded.begin());
  uint8_t *signs = coded.data() + kHeaderBytes;
  uint8_t *codes = signs + values;
  for (size_t v = 0; v < values; ++v) {
    const uint16_t value = valueAt(raw.data(), v);
    signs[v] = static_cast<uint8_t>(((value >> 8U) & 0x80U) | (value & 0x7fU));
    const uint8_t code = codeOf[exponentOf(value)];
    uint8_t *block = codes + v / kBlock * kBlockCodeBytes + v % kLanes;
    for (size_t plane = 0; plane < 3; ++plane) {
      block[plane * kLanes] |=
          static_cast<uint8_t>(((code >> plane) & 1) << (v % kBlock / kLanes));
    }
  }
  std::vector<uint8_t> escapes;
  for (size_t block = 0; block < blocksOf(values); ++block) {
    for (size_t lane = 0; lane < kLanes; lane += 8) {
      uint64_t bits = escapesIn(codes + block * kBlockCodeBytes, lane);
      for (; bits != 0; bits &= bits - 1) {
        const size_t v =
            block * kBlock + valueOfEscape(lane, std::countr_zero(bits));
        escapes.push_back(exponentOf(valueAt(raw.data(), v)));
      }
    }
  }
  for (size_t i = 0; i < 4; ++i) {
    coded[kCodes + 1 + i] = static_cast<uint8_t>(escapes.size() >> (8 * i));
  }
  coded.insert(coded.end(), escapes.begin(), escapes.end());
  if (raw.size() % 2 != 0) {
    coded.push_back(raw.back());
  }
  return coded;
}

#if defined(__x86_64__) && defined(__ELF__) && !defined(__SANITIZE_ADDRESS__)
// The same code for three vector widths, chosen once when the program starts.
__attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#endif
static void decodeBlocks(const uint8_t *codes, const uint8_t *signs,
                         size_t blocks, const Lookup &lookup, uint8_t *raw);

static void decodeBlocks(const uint8_t *codes, const uint8_t *signs,
                         size_t blocks, const Lookup &lookup, uint8_t *raw) {
  std::array<uint16_t, kBlock> values{};
  for (size_t block = 0; block < blocks; ++block) {
    decodeBlock(codes + block * kBlockCodeBytes, signs + block * kBlock, lookup,
                values.data());
    std::memcpy(raw + 2 * block * kBlock, values.data(), 2 * kBlock);
  }
}

Status decodePlanes(std::span<const uint8_t> stored, std::span<uint8_t> raw) {
  const size_t values = raw.size() / 2;
  const size_t blocks = blocksOf(values);
  const size_t fixed = kHeaderBytes + values + blocks * kBlockCodeBytes;
  if (stored.size() < fixed) {
    return corrupt("it has " + std::to_string(stored.size()) +
                   " bytes, but needs at least " + std::to_string(fixed));
  }
  uint32_t count = 0;
  for (size_t i = 0; i < 4; ++i) {
    count |= uint32_t{stored[kCodes + 1 + i]} << (8 * i);
  }
  if (count > stored.size() - fixed ||
      raw.size() % 2 > stored.size() - fixed - count) {
    return corrupt("it has " + std::to_string(stored.size()) +
                   " bytes, which is too little for " + std::to_string(count) +
                   " escapes");
  }
  const Lookup lookup(stored.data());
  const uint8_t *signs = stored.data() + kHeaderBytes;
  const uint8_t *codes = signs + values;
  const uint8_t *escape = codes + blocks * kBlockCodeBytes;
  decodeBlocks(codes, signs, values / kBlock, lookup, raw.data());
  if (values % kBlock != 0) {
    std::array<uint8_t, kBlock> lastSigns{};
    std::array<uint16_t, kBlock> last{};
    const size_t first = values / kBlock * kBlock;
    std::copy(signs + first, signs + values, lastSigns.begin());
    decodeBlock(codes + (blocks - 1) * kBlockCodeBytes, lastSigns.data(),
                lookup, last.data());
    std::memcpy(raw.data() + 2 * first, last.data(), 2 * (values - first));
  }
  uint32_t used = 0;
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t lane = 0; lane < kLanes; lane += 8) {
      uint64_t bits = escapesIn(codes + block * kBlockCodeBytes, lane);
      for (; bits != 0; bits &= bits - 1) {
        const size_t v =
            block * kBlock + valueOfEscape(lane, std::countr_zero(bits));
        if (used == count || v >= values) {
          return corrupt("it has codes of more than " + std::to_string(count) +
                         " escapes");
        }
        const uint8_t sign = signs[v];
        const uint8_t exponent = escape[used++];
        raw[2 * v] = static_cast<uint8_t>((exponent << 7U) | (sign & 0x7fU));
        raw[2 * v + 1] =
            static_cast<uint8_t>((sign & 0x80U) | (exponent >> 1U));
      }
    }
  }
  if (used != count) {
    return corrupt("it has " + std::to_string(count) +
                   " escapes, but codes of " + std::to_string(used));
  }
  if (raw.size() % 2 != 0) {
    raw.back() = escape[count];
  }
  return Status::ok();
}

} // namespace air::codec
