//===- SchemaDocument.h - the JSON of a schema, with places -----*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMADOCUMENT_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMADOCUMENT_H

#include "formats/support/Status.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

namespace air::rt {

using SchemaJson = nlohmann::ordered_json;

/// Thread-safety: immutable. References to values are valid while the document
/// exists.
class SchemaDocument {
public:
  /// Errors: Corrupt if jinja::fromJson() does not accept the text, which must
  /// be JSON and must not have too many levels or values, or if an object has
  /// two equal keys.
  static Result<SchemaDocument> parse(std::string_view text);

  const SchemaJson &root() const { return *json; }
  /// Returns "the schema" or "the schema at '/POINTER'", for messages.
  std::string placeOf(const SchemaJson &value) const;

  Status corrupt(const SchemaJson &where, const std::string &what) const {
    return corruptError(placeOf(where) + ": " + what);
  }
  Status unsupported(const SchemaJson &where, const std::string &what) const {
    return unsupportedError(placeOf(where) + ": " + what);
  }

  /// Returns the value to which `reference`, the value of a `$ref`, points.
  /// Errors: Unsupported if `reference` is a string but neither "#" nor begins
  /// with "#/"; Corrupt if it is malformed or points to nothing.
  Result<const SchemaJson *> resolve(const SchemaJson &reference) const;

private:
  std::unique_ptr<SchemaJson> json;
  std::unordered_map<const SchemaJson *, std::string> pointers;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMADOCUMENT_H
