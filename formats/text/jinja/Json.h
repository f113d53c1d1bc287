//===- Json.h - values as JSON and back -------------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_JSON_H
#define AIRPACK_FORMATS_TEXT_JINJA_JSON_H

#include "formats/support/Status.h"
#include "formats/text/jinja/Value.h"

namespace air::jinja {

struct JsonStyle {
  bool ascii = false; ///< write non-ASCII characters as \uXXXX
  /// The indent of each level. If absent, the whole text is on one line.
  std::optional<Text> indent;
  /// If absent, the separator is "," if there is an indent, and otherwise ", ".
  std::optional<Text> itemSeparator;
  Text keySeparator = U": ";
  bool sortKeys = false;
};

/// Writes a value as Python's json.dumps() does.
/// Errors: Corrupt if a value or a key has a type that JSON cannot express (the
/// message names the type), or if the keys of a dictionary cannot be sorted.
Result<Text> toJson(const Value &value, const JsonStyle &style);

/// How deeply lists and objects may be nested in JSON. Functions that process
/// a parsed value are recursive, so each level takes stack space. Chat messages
/// and tool schemas are nested far less deeply.
inline constexpr int kMostJsonLevels = 200;

/// The maximum number of values in a JSON text. Lists and objects count as
/// values, too; keys do not. A value can be as short as two bytes in JSON
/// ("0,"), but takes some 150 bytes of memory.
inline constexpr size_t kMostJsonValues = size_t{1} << 18;

/// Reads JSON. Objects keep the order of their keys, and integers are exact. If
/// `tainted` is true, all strings, including keys, are tainted (Text.h).
/// Errors: Corrupt if the text is not valid JSON or has a number that does not
/// fit in a double (the message names the line and the column), if it is nested
/// deeper than kMostJsonLevels, or if it has more than kMostJsonValues values.
Result<Value> fromJson(std::string_view text, bool tainted);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_JSON_H
