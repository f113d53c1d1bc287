//===- ByteLevel.cpp - GPT-2's printable spelling of bytes ------*- C++ -*-===//
#include "formats/model/ByteLevel.h"

#include "formats/support/Utf8.h"

#include <array>
#include <cstdint>

namespace air {
namespace {

/// One more than the largest code point that stands for a byte.
constexpr uint32_t kEnd = 0x144;

constexpr bool isPrintable(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         (byte >= 0xae && byte <= 0xff);
}

constexpr std::array<int16_t, kEnd> makeTable() {
  std::array<int16_t, kEnd> table{};
  table.fill(-1);
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    table[isPrintable(byte) ? byte : next++] = static_cast<int16_t>(byte);
  }
  return table;
}

constexpr std::array<int16_t, kEnd> kByteOf = makeTable();
static_assert(kByteOf[0x120] == ' ' && kByteOf[0x143] == 0xad);

} // namespace

bool bytesOfSpelling(std::string_view spelling, std::string &bytes) {
  bytes.clear();
  for (size_t i = 0; i < spelling.size(); ++i) {
    auto c = static_cast<uint8_t>(spelling[i]);
    uint32_t codePoint = c;
    if (c >= 0x80) {
      // The code points of all spellings lie below U+0800, so their UTF-8
      // encodings have at most two bytes.
      if (c < 0xc2 || c > 0xdf || i + 1 == spelling.size()) {
        return false;
      }
      auto next = static_cast<uint8_t>(spelling[++i]);
      if ((next & 0xc0) != 0x80) {
        return false;
      }
      codePoint = ((c & 0x1fU) << 6) | (next & 0x3fU);
    }
    if (codePoint >= kEnd || kByteOf[codePoint] < 0) {
      return false;
    }
    bytes += static_cast<char>(kByteOf[codePoint]);
  }
  return true;
}

/// The code points that spell the bytes 0 to 255.
static const std::array<uint32_t, 256> &spellings() {
  static const std::array<uint32_t, 256> codePoints = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t codePoint = 0; codePoint < kEnd; ++codePoint) {
      if (kByteOf[codePoint] >= 0) {
        table[static_cast<size_t>(kByteOf[codePoint])] = codePoint;
      }
    }
    return table;
  }();
  return codePoints;
}

void appendSpelling(std::string_view bytes, std::string &spelling) {
  const std::array<uint32_t, 256> &codePoints = spellings();
  for (const char c : bytes) {
    appendUtf8(codePoints[static_cast<uint8_t>(c)], spelling);
  }
}

size_t spelledBytes(std::string_view bytes) {
  const std::array<uint32_t, 256> &codePoints = spellings();
  size_t count = 0;
  for (const char c : bytes) {
    count += codePoints[static_cast<uint8_t>(c)] < 0x80 ? 1 : 2;
  }
  return count;
}

} // namespace air
