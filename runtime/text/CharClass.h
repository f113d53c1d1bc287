//===- CharClass.h - character classes for pre-tokenisers -------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_CHARCLASS_H
#define AIRPACK_RUNTIME_TEXT_CHARCLASS_H

#include <cstdint>

namespace air::rt {

enum CharClass : uint8_t {
  kLetter = 1,      ///< \p{L}
  kNumber = 2,      ///< \p{N}
  kSpace = 4,       ///< \s: the property White_Space
  kLineEnd = 8,     ///< \r or \n
  kPunctuation = 16 ///< \p{P}
};

/// The CharClass bits of a code point. The general category of a code point is
/// taken from utf8proc.
uint8_t classOf(uint32_t codePoint);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_CHARCLASS_H
