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

/// Writes a value as json.dumps() of Python does. A Corrupt error names the
/// type of a value that JSON does not have.
Result<Text> toJson(const Value &value, const JsonStyle &style);

/// How deeply the lists and objects of JSON may be nested. What goes through a
/// parsed value recurses, so each level takes stack space. Messages and
/// the schemas of tools are nested far less deeply.
inline constexpr int kMostJsonLevels = 200;

/// The largest number of values in JSON, where lists and objects count, too. A
/// value can have two bytes of text, but takes some 150 bytes of memory.
inline constexpr size_t kMostJsonValues = size_t{1} << 18;

/// Reads JSON. Objects keep the order of their keys, and integers are exact. If
/// `tainted` is true, all strings, including keys, are tainted (Text.h). A
/// Corrupt error names the line and column of what is not valid JSON. Nesting
/// beyond kMostJsonLevels and more than kMostJsonValues values are refused.
Result<Value> fromJson(std::string_view text, bool tainted);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_JSON_H
