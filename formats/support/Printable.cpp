//===- Printable.cpp - makes text from files safe for terminals -----------===//
#include "formats/support/Printable.h"

#include "formats/support/Utf8.h"

namespace air {

namespace {

constexpr char kDigits[] = "0123456789abcdef";

struct Range {
  uint32_t first;
  uint32_t last;
};

constexpr Range kUnprintable[] = {
    {0x00, 0x1f},       {0x7f, 0x9f},    // control characters
    {0x61c, 0x61c},                      // Arabic letter mark
    {0x200b, 0x200b},                    // zero width space
    {0x200e, 0x200f},                    // left-to-right, right-to-left mark
    {0x2028, 0x202e},                    // separators, bidirectional controls
    {0x2060, 0x206f},                    // invisible formatting characters
    {0xfeff, 0xfeff},                    // byte order mark
    {0xfff9, 0xfffb},                    // interlinear annotation
    {0xe0000, 0xe007f}, {0x110000, ~0U}, // tag characters; above U+10FFFF
};

void appendUtf16(uint32_t unit, std::string &out) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    out += kDigits[(unit >> shift) & 15];
  }
}

} // namespace

bool isPrintable(uint32_t codePoint) {
  for (const Range &range : kUnprintable) {
    if (codePoint >= range.first && codePoint <= range.last) {
      return false;
    }
  }
  return true;
}

std::string printable(std::string_view text, size_t most,
                      std::string_view also) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    Utf8Step step = decodeUtf8(text.substr(at));
    if (at + step.length > most) {
      return out + "...";
    }
    std::string_view character = text.substr(at, step.length);
    if (step.kind == Utf8Step::Whole && isPrintable(step.codePoint) &&
        also.find(character) == std::string_view::npos) {
      out += character;
    } else {
      for (char c : character) {
        auto byte = static_cast<uint8_t>(c);
        out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      }
    }
    at += step.length;
  }
  return out;
}

std::string inQuotes(std::string_view text) {
  return "'" + printable(text, kShownBytes, "'\\") + "'";
}

std::string printableJson(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    Utf8Step step = decodeUtf8(json.substr(at));
    // Characters below U+0020 are copied, because valid JSON has them only
    // between values, as white space.
    if (step.kind != Utf8Step::Whole || step.codePoint < 0x20 ||
        isPrintable(step.codePoint)) {
      out += json.substr(at, step.length);
    } else if (step.codePoint < 0x10000) {
      appendUtf16(step.codePoint, out);
    } else {
      // A character above U+FFFF is written as a pair of surrogates (RFC 8259,
      // section 7).
      appendUtf16(0xd7c0 + (step.codePoint >> 10), out);
      appendUtf16(0xdc00 + (step.codePoint & 0x3ff), out);
    }
    at += step.length;
  }
  return out;
}

} // namespace air
