//===- FilterTable.h - what the files with filters share --------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_FILTERTABLE_H
#define AIRPACK_FORMATS_TEXT_JINJA_FILTERTABLE_H

#include "formats/text/jinja/Interpreter.h"

#include <span>

namespace air::jinja {

using FilterFunction = Value (*)(Interpreter &in, const Value &value,
                                 const Arguments &arguments);

struct FilterRow {
  std::string_view name;
  FilterFunction apply;
};

std::span<const FilterRow> textFilters();     ///< filters for texts and numbers
std::span<const FilterRow> sequenceFilters(); ///< filters for sequences

/// Returns the part of a value that a path such as "function.name" or "0"
/// names. The argument `attribute` of filters is such a path.
Value atPath(Interpreter &in, const Value &value, const Value &path);

/// Returns a text in lower case, and other values unchanged.
Value foldCase(const Value &value);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_FILTERTABLE_H
