//===- SpaceMark.h - U+2581, which stands for a space -----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_SPACEMARK_H
#define AIRPACK_RUNTIME_TEXT_SPACEMARK_H

#include "formats/model/TokenizerData.h"
#include "runtime/text/Encoder.h"

#include <string>
#include <string_view>

namespace air::rt {

/// U+2581, which vocabularies of sentencepiece have in place of a space.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

/// Appends `text` to `out`, with a space in place of every U+2581.
void appendWithSpaces(std::string_view text, std::string &out);
/// Returns `text` with a space in place of every U+2581.
std::string withSpaces(std::string_view text);

/// Replaces every U+2581 in `text` with a space.
void replaceMarks(std::string &text);

/// Makes each run of spaces between two words one space, and drops spaces
/// before the first and after the last word. With `startsWithSpace`, one space
/// is put before the first word.
void collapseSpaces(std::string &text, bool startsWithSpace);

/// True if `piece` has a space after a character other than a space.
bool hasInnerSpace(std::string_view piece);

/// True if a space must be put before `text`, in which U+2581 has been replaced
/// with a space.
bool needsSpace(SpacePrefix prefix, Place place, std::string_view text);

/// Skips the spaces at the start of `text`, and returns where the word after
/// them ends. If there is no such word, returns the size of `text`.
size_t firstWordEnd(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SPACEMARK_H
