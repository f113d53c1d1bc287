//===- BertCharacters.cpp - what BERT removes and splits at ---------------===//
#include "runtime/text/BertCharacters.h"

#include "formats/text/unicode/Unicode.h"

namespace air::rt {
namespace {

CodePointSet setOf(std::initializer_list<std::string_view> properties) {
  CodePointSet set;
  for (std::string_view property : properties) {
    set.add(*codePointsWith(property));
  }
  return set;
}

} // namespace

bool isBertRemoved(uint32_t c) {
  static const CodePointSet set = setOf({"Cc", "Cf", "Co"});
  if (c < 0x7f) {
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r';
  }
  return c == 0xfffd || set.contains(c);
}

bool isBertAccent(uint32_t c) {
  static const CodePointSet set = setOf({"Mn"});
  return c >= 0x300 && set.contains(c);
}

bool isBertSpace(uint32_t c) {
  if (c < 0x80) {
    return c == ' ' || (c >= '\t' && c <= '\r');
  }
  return whiteSpace().contains(c);
}

bool isBertIdeograph(uint32_t c) {
  static const CodePointSet ideographs({{0x3400, 0x4dbf},
                                        {0x4e00, 0x9fff},
                                        {0xf900, 0xfaff},
                                        {0x20000, 0x2a6df},
                                        {0x2a700, 0x2b81f},
                                        {0x2b920, 0x2ceaf},
                                        {0x2f800, 0x2fa1f}});
  return c >= 0x3400 && ideographs.contains(c);
}

bool isBertPunctuation(uint32_t c) {
  static const CodePointSet punctuation = setOf({"P"});
  if (c < 0x80) {
    return (c > 0x20 && c < '0') || (c > '9' && c < 'A') ||
           (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7f);
  }
  return punctuation.contains(c);
}

} // namespace air::rt
