//===- Printable.h - a file's text on a terminal ----------------*- C++ -*-===//
//
// Names and texts of a model may hold anything: line ends, terminal commands,
// characters that reorder what is around them, megabytes. Whatever comes from a
// file goes through here before a person sees it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_PRINTABLE_H
#define AIRPACK_FORMATS_SUPPORT_PRINTABLE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace air {

/// Bytes of a name that are shown.
inline constexpr size_t kShownBytes = 80;

/// False for control characters, for those that are invisible or change the
/// direction of text (Unicode 15: Bidi_Control, line and paragraph separator,
/// interlinear annotation, tags), and beyond U+10FFFF.
bool isPrintable(uint32_t codePoint);

/// `text` on one line of valid UTF-8: characters that are not printable, bytes
/// that are no UTF-8, and the ASCII characters `also` become \xNN a byte. Of
/// more than `most` bytes, whole characters within `most` are kept and "..."
/// follows.
std::string printable(std::string_view text, size_t most = SIZE_MAX,
                      std::string_view also = {});

/// The start of `text` in single quotes, for a message; quotes and backslashes
/// in it are escaped too.
std::string inQuotes(std::string_view text);

/// JSON text whose strings hold no unprintable characters: in place of each
/// stands its \uNNNN. `json` is valid JSON; line ends between its values stay.
std::string printableJson(std::string_view json);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_PRINTABLE_H
