//===- CharClass.cpp - Unicode categories as bits ---------------*- C++ -*-===//
#include "runtime/text/CharClass.h"

#include <array>
#include <utf8proc.h>

namespace air::rt {
namespace {

/// True for a code point outside ASCII that has the property White_Space
/// (PropList.txt of Unicode).
bool isWideSpace(uint32_t c) {
  return c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

uint8_t lookUp(uint32_t codePoint) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(codePoint))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
    return kLetter;
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return kNumber;
  case UTF8PROC_CATEGORY_PC:
  case UTF8PROC_CATEGORY_PD:
  case UTF8PROC_CATEGORY_PS:
  case UTF8PROC_CATEGORY_PE:
  case UTF8PROC_CATEGORY_PI:
  case UTF8PROC_CATEGORY_PF:
  case UTF8PROC_CATEGORY_PO:
    return kPunctuation;
  default:
    return isWideSpace(codePoint) ? kSpace : 0;
  }
}

constexpr std::array<uint8_t, 128> makeAscii() {
  std::array<uint8_t, 128> table{};
  for (uint8_t c = 0; c < 128; ++c) {
    bool symbol = c == '$' || c == '+' || c == '<' || c == '=' || c == '>' ||
                  c == '^' || c == '`' || c == '|' || c == '~';
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      table[c] = kLetter;
    } else if (c >= '0' && c <= '9') {
      table[c] = kNumber;
    } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
      table[c] = c == '\n' || c == '\r' ? kSpace | kLineEnd : kSpace;
    } else if (c > ' ' && c < 0x7f && !symbol) {
      table[c] = kPunctuation;
    }
  }
  return table;
}

constexpr std::array<uint8_t, 128> kAscii = makeAscii();

} // namespace

uint8_t classOf(uint32_t codePoint) {
  return codePoint < kAscii.size() ? kAscii[codePoint] : lookUp(codePoint);
}

} // namespace air::rt
