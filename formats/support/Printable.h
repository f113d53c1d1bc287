//===- Printable.h - makes text from files safe for terminals ---*- C++ -*-===//
//
// Names and texts of a model may contain anything: line breaks, terminal escape
// sequences, characters that reorder the text around them, megabytes of text.
// Every text from a file passes through these functions before it is shown.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_PRINTABLE_H
#define AIRPACK_FORMATS_SUPPORT_PRINTABLE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace air {

/// The maximum number of bytes of a name or a text that messages show.
inline constexpr size_t kShownBytes = 80;

/// Returns false for values above U+10FFFF and for these characters of Unicode
/// 15: control characters, characters that change the direction of text
/// (Bidi_Control), line and paragraph separators, the zero width space,
/// invisible formatting characters (U+2060 to U+206F), the byte order mark,
/// interlinear annotation characters, and tag characters (U+E0000 to U+E007F).
bool isPrintable(uint32_t codePoint);

/// Returns `text` as one line of valid UTF-8. Unprintable characters, bytes
/// that are not UTF-8, and the ASCII characters in `also` become \xNN, byte by
/// byte. A text of more than `most` bytes is truncated after the last whole
/// character within this limit, and "..." is appended.
std::string printable(std::string_view text, size_t most = SIZE_MAX,
                      std::string_view also = {});

/// Returns printable(text, kShownBytes) in single quotes, for a message. Single
/// quotes and backslashes in `text` become \xNN as well.
std::string inQuotes(std::string_view text);

/// Returns `json`, which must be valid JSON, with \uNNNN in place of each
/// unprintable character in its strings. Line breaks between values stay.
std::string printableJson(std::string_view json);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_PRINTABLE_H
