//===- SchemaFormats.h - the formats of strings in schemas ------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMAFORMATS_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMAFORMATS_H

#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

/// Whether `name` is a `format` for which there is an expression.
bool isKnownFormat(std::string_view name);

/// Returns regular expressions of ECMA-262 for a known `format`. A string has
/// the format if and only if one of them matches it. They follow the grammar of
/// the RFC that JSON Schema names for the format (section 7.3 of its validation
/// vocabulary, draft 2020-12). None of them is too long for parseEcmaPattern().
std::vector<std::string> patternsOfFormat(std::string_view name);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMAFORMATS_H
