//===- SchemaFormats.h - the formats of strings in schemas ------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMAFORMATS_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMAFORMATS_H

#include <string>
#include <string_view>

namespace air::rt {

/// Whether `name` is a `format` for which there is an expression.
bool isKnownFormat(std::string_view name);

/// A regular expression of ECMA-262 that matches exactly the strings of a known
/// `format`. It follows the grammar of the RFC that JSON Schema names for the
/// format (section 7.3 of its validation vocabulary, draft 2020-12).
std::string patternOfFormat(std::string_view name);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMAFORMATS_H
