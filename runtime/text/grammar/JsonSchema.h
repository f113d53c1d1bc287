//===- JsonSchema.h - a grammar of the JSON that a schema allows *- C++ -*-===//
//
// Makes a grammar from a JSON schema (draft 2020-12). docs/grammars.md lists
// the keywords, and says where a grammar allows fewer texts than the schema.
// Every other keyword that could restrict values is refused, so that a text of
// the grammar is always valid.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_JSONSCHEMA_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_JSONSCHEMA_H

#include "formats/support/Status.h"
#include "runtime/text/grammar/Grammar.h"

#include <memory>
#include <string_view>

namespace air::rt {

/// Errors, with the JSON pointer of the keyword: Corrupt if `text` is not a
/// JSON schema, or allows no value; Unsupported for a keyword that is not
/// supported, and for a schema that is too large.
Result<std::shared_ptr<const Grammar>> grammarOfSchema(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_JSONSCHEMA_H
