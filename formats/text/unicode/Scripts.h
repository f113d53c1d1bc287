//===- Scripts.h - scripts by which text is split ---------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_UNICODE_SCRIPTS_H
#define AIRPACK_FORMATS_TEXT_UNICODE_SCRIPTS_H

#include <cstdint>

namespace air {

inline constexpr uint8_t kNoScript = 0;

/// The script of a character for the pre-tokenizer UnicodeScripts of Hugging
/// Face's `tokenizers` library, as a number that is only good for comparisons.
/// Hiragana and Katakana count as Han. The space and the characters that the
/// library does not know have kNoScript. Thread-safe.
uint8_t splittingScript(uint32_t codePoint);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_UNICODE_SCRIPTS_H
