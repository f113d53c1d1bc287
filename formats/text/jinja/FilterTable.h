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

std::span<const FilterRow> textFilters();     ///< of texts and numbers
std::span<const FilterRow> sequenceFilters(); ///< of sequences

/// The attribute of a value at a path such as "function.name" or "0", as the
/// argument `attribute` of filters gives it.
Value atPath(Interpreter &in, const Value &value, const Value &path);

/// A text that is equal for texts that differ only in case.
Value foldCase(const Value &value);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_FILTERTABLE_H
