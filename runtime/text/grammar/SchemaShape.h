//===- SchemaShape.h - what a schema says about a value ---------*- C++ -*-===//
//
// If a value must satisfy all schemas of a list, the list is replaced by a list
// of shapes, and the value must satisfy at least one of these. A shape is a set
// of keywords, all of which the value must satisfy. anyOf and oneOf become
// several shapes, and $ref and allOf are resolved. The schemas of properties
// and items stay references, so that recursive schemas are finite.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASHAPE_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASHAPE_H

#include "runtime/text/grammar/SchemaDocument.h"
#include "runtime/text/grammar/SchemaNumbers.h"

#include <optional>
#include <string>
#include <vector>

namespace air::rt {

using SchemaList = std::vector<const SchemaJson *>;

struct SchemaShape {
  enum Type : uint8_t {
    Null = 1,
    Boolean = 2,
    Number = 4,
    String = 8,
    Array = 16,
    Object = 32,
  };
  static constexpr uint32_t kUnlimited = GrammarBuilder::kUnlimited;

  /// The values of prefixItems and items in one schema. A keyword that the
  /// schema does not have is null, and restricts nothing.
  struct Items {
    const SchemaJson *prefix = nullptr;
    const SchemaJson *rest = nullptr;
  };
  /// One schema's properties and additionalProperties.
  struct Properties {
    const SchemaJson *named = nullptr;
    const SchemaJson *others = nullptr;
  };

  uint8_t types = Null | Boolean | Number | String | Array | Object;
  bool integers = false; ///< whether numbers must be integers
  /// If set, the only values of this shape. Each of them satisfies all other
  /// keywords.
  std::optional<SchemaList> values;
  std::optional<NumberBound> least;
  std::optional<NumberBound> most;
  uint32_t minLength = 0;
  uint32_t maxLength = kUnlimited;
  SchemaList patterns; ///< the values of `pattern` and `format`
  uint32_t minItems = 0;
  uint32_t maxItems = kUnlimited;
  std::vector<Items> items;
  std::vector<Properties> properties;
  std::vector<std::string> required;
};

/// How much work it has taken to prove that the schemas of a oneOf exclude each
/// other. This work is limited, because a hostile schema could otherwise take
/// hours. The limit is for all calls of shapesOf() for a document together, so
/// these calls share one object.
struct ProofCount {
  uint64_t steps = 0;
};

/// Returns the shapes of the values that satisfy all of `schemas`. A shape
/// whose keywords are found to exclude all values is left out, and
/// `contradiction` is set to the reason, unless it is set already. Errors: as
/// for grammarOfSchema().
Result<std::vector<SchemaShape>> shapesOf(const SchemaDocument &document,
                                          const SchemaList &schemas,
                                          std::string &contradiction,
                                          ProofCount &proofs);

/// The schemas that apply to the item at `index`.
SchemaList schemasOfItem(const SchemaShape &shape, size_t index);
/// The schemas that apply to the property `name`. Null stands for a property
/// that the schemas do not name.
SchemaList schemasOfProperty(const SchemaShape &shape, const std::string *name);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASHAPE_H
