//===- Utf8.h - one character at a time -------------------------*- C++ -*-===//
//
// decodeUtf8() accepts well-formed UTF-8 as defined in table 3-7 of Unicode 15:
// no overlong forms, no surrogates, nothing above U+10FFFF. appendUtf8()
// encodes one character.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_UTF8_H
#define AIRPACK_FORMATS_SUPPORT_UTF8_H

#include <cstdint>
#include <string>
#include <string_view>

namespace air {

inline constexpr std::string_view kReplacement = "\xef\xbf\xbd"; ///< U+FFFD

struct Utf8Step {
  enum Kind : uint8_t {
    Whole,      ///< a complete character
    Ill,        ///< bytes that do not begin a character
    Unfinished, ///< the text ends inside a character
  };
  Kind kind;
  /// The number of bytes of the character or, for Ill and Unfinished, of the
  /// maximal subpart of an ill-formed sequence (Unicode 15, section 3.9).
  uint8_t length;
  uint32_t codePoint;
};

/// Decodes the character at the start of `text`, which must not be empty.
inline Utf8Step decodeUtf8(std::string_view text) {
  auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t lead = at(0);
  if (lead < 0x80) {
    return {Utf8Step::Whole, 1, lead};
  }
  if (lead < 0xc2 || lead > 0xf4) {
    return {Utf8Step::Ill, 1, 0};
  }
  // The range of the second byte excludes overlong forms, surrogates and code
  // points above U+10FFFF.
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  uint8_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t codePoint = lead & (0xffU >> (length + 1));
  for (uint8_t i = 1; i < length; ++i) {
    if (i == text.size()) {
      return {Utf8Step::Unfinished, i, 0};
    }
    if (at(i) < low || at(i) > high) {
      return {Utf8Step::Ill, i, 0};
    }
    codePoint = (codePoint << 6) | (at(i) & 0x3fU);
    low = 0x80;
    high = 0xbf;
  }
  return {Utf8Step::Whole, length, codePoint};
}

/// Whether all of `text` is well-formed.
inline bool isWellFormed(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = decodeUtf8(text);
    if (step.kind != Utf8Step::Whole) {
      return false;
    }
    text.remove_prefix(step.length);
  }
  return true;
}

/// Appends the character `c`, which must be at most U+10FFFF.
inline void appendUtf8(uint32_t c, std::string &out) {
  auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | (c >> 6));
    byte(0x80 | (c & 63));
  } else if (c < 0x10000) {
    byte(0xe0 | (c >> 12));
    byte(0x80 | ((c >> 6) & 63));
    byte(0x80 | (c & 63));
  } else {
    byte(0xf0 | (c >> 18));
    byte(0x80 | ((c >> 12) & 63));
    byte(0x80 | ((c >> 6) & 63));
    byte(0x80 | (c & 63));
  }
}

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_UTF8_H
