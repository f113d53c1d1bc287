//===- BertCharacters.h - what BERT removes and splits at -------*- C++ -*-===//
//
// The sets of characters of BertNormalizer and BertPreTokenizer in Hugging
// Face's `tokenizers` library, but with the properties of Unicode 16. All
// functions are thread-safe.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_BERTCHARACTERS_H
#define AIRPACK_RUNTIME_TEXT_BERTCHARACTERS_H

#include <cstdint>

namespace air::rt {

/// Characters that are left out: control characters except tab, line feed and
/// carriage return, format characters, those for private use, and U+FFFD.
/// Unassigned code points stay.
bool isBertRemoved(uint32_t c);

/// Marks of the category Mn.
bool isBertAccent(uint32_t c);

/// Characters with the property White_Space, which separate words.
bool isBertSpace(uint32_t c);

/// Ideographs, each of which is a word of its own. The ranges are those of the
/// tokenizers library, in which one range begins at U+2B920, although its
/// Unicode block begins at U+2B820.
bool isBertIdeograph(uint32_t c);

/// Punctuation marks, each of which is a word of its own: the ASCII symbols,
/// and the category P.
bool isBertPunctuation(uint32_t c);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BERTCHARACTERS_H
