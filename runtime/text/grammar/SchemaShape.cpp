//===- SchemaShape.cpp - what a schema says about a value -------*- C++ -*-===//
#include "runtime/text/grammar/SchemaShape.h"

#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "runtime/text/grammar/SchemaFormats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>

namespace air::rt {
namespace {

/// The most combinations of the schemas in anyOf and oneOf. Each choice
/// multiplies their number, so twenty choices of two would make a million.
constexpr size_t kMostShapes = 1000;
/// A proof that two schemas of oneOf exclude each other may need such proofs
/// for the schemas of their properties, and so on. A proof fails if it is
/// nested in kDeepestProof other proofs, or if all proofs for the document have
/// taken more than kMostSteps steps (ProofCount). oneOf is refused if the proof
/// for two of its schemas fails.
constexpr int kDeepestProof = 4;
/// A step takes about as long as comparing two values of enum, so kMostSteps
/// steps take some seconds. Reading one combination of schemas counts as
/// kStepsPerPart steps.
constexpr uint64_t kMostSteps = 1'000'000'000;
constexpr uint64_t kStepsPerPart = 1000;

using namespace std::string_view_literals;

/// Keywords that do not restrict a value.
constexpr std::array kNeutral = {
    "$anchor"sv,        "$comment"sv,        "$defs"sv,
    "$dynamicAnchor"sv, "contentEncoding"sv, "contentMediaType"sv,
    "contentSchema"sv,  "default"sv,         "definitions"sv,
    "deprecated"sv,     "description"sv,     "example"sv,
    "examples"sv,       "readOnly"sv,        "title"sv,
    "writeOnly"sv};

/// Where the dialects of JSON Schema and of OpenAPI are published. In another
/// dialect, keywords may have other meanings, or none.
constexpr std::array kDialects = {"https://json-schema.org/"sv,
                                  "http://json-schema.org/"sv,
                                  "https://spec.openapis.org/oas/"sv};

struct NamedType {
  std::string_view name;
  uint8_t type;
};
constexpr std::array<NamedType, 7> kTypes = {{{"null", SchemaShape::Null},
                                              {"boolean", SchemaShape::Boolean},
                                              {"number", SchemaShape::Number},
                                              {"integer", SchemaShape::Number},
                                              {"string", SchemaShape::String},
                                              {"array", SchemaShape::Array},
                                              {"object", SchemaShape::Object}}};

uint8_t typeOf(const SchemaJson &value) {
  switch (value.type()) {
  case SchemaJson::value_t::null:
    return SchemaShape::Null;
  case SchemaJson::value_t::boolean:
    return SchemaShape::Boolean;
  case SchemaJson::value_t::string:
    return SchemaShape::String;
  case SchemaJson::value_t::array:
    return SchemaShape::Array;
  case SchemaJson::value_t::object:
    return SchemaShape::Object;
  default:
    return SchemaShape::Number;
  }
}

bool isInteger(const SchemaJson &value) {
  return value.is_number_integer() ||
         (value.is_number_float() &&
          std::trunc(value.get<double>()) == value.get<double>());
}

NumberBound boundOfJson(const SchemaJson &value, bool exclusive) {
  if (value.is_number_unsigned()) {
    return boundOf(value.get<uint64_t>(), exclusive);
  }
  return value.is_number_integer() ? boundOf(value.get<int64_t>(), exclusive)
                                   : boundOf(value.get<double>(), exclusive);
}

std::string textOf(const NumberBound &bound) {
  return (bound.negative ? "-" : "") + bound.integer +
         (bound.fraction.empty() ? "" : "." + bound.fraction);
}

/// A shape, and the schemas that have yet to be added to it.
struct Part {
  SchemaShape shape;
  SchemaList open; ///< schemas that are not read yet
  std::set<const SchemaJson *> read;
};

class Reader {
public:
  Reader(const SchemaDocument &source, ProofCount &count)
      : document(source), proofs(count) {}
  Result<std::vector<SchemaShape>> read(const SchemaList &schemas);

  int depth = 0;             ///< how deeply calls of exclude() are nested
  std::string contradiction; ///< why a shape was left out, if one was

private:
  Status readSchema(const SchemaJson &schema, Part &part,
                    std::vector<const SchemaJson *> &choices);
  Status readKeyword(const std::string &key, const SchemaJson &value,
                     Part &part, bool &isKnown);
  Status checkDialect(const SchemaJson &value);
  Status readTypes(const SchemaJson &value, SchemaShape &shape);
  Status readCount(const SchemaJson &value, uint32_t &count, bool isLeast);
  Status readBound(const std::string &key, const SchemaJson &value,
                   SchemaShape &shape);
  Status readRequired(const SchemaJson &value, SchemaShape &shape);
  Status addValues(const SchemaJson &where, SchemaList values,
                   SchemaShape &shape);
  Status finish(SchemaShape &shape);
  Result<bool> fulfils(const SchemaJson &value, const SchemaShape &shape);
  Status checkExclusive(const SchemaJson &oneOf);
  Result<bool> exclude(const SchemaList &a, const SchemaList &b);
  Result<bool> exclude(const SchemaShape &a, const SchemaShape &b);
  Status checkLoops(const SchemaJson &start);
  /// Counts work on proofs. Returns false if it exceeds the limit.
  bool count(uint64_t steps) {
    proofs.steps += steps;
    return proofs.steps <= kMostSteps;
  }

  const SchemaDocument &document;
  ProofCount &proofs;
};

Status Reader::checkDialect(const SchemaJson &value) {
  if (!value.is_string()) {
    return document.corrupt(value, "must be a string");
  }
  const auto &uri = *value.get_ptr<const std::string *>();
  if (std::ranges::none_of(kDialects, [&](std::string_view place) {
        return uri.starts_with(place);
      })) {
    return document.unsupported(
        value, "the dialect " + inQuotes(uri) +
                   " is not known; leave $schema out, or name a published "
                   "dialect, such as "
                   "https://json-schema.org/draft/2020-12/schema");
  }
  return Status::ok();
}

Status Reader::readTypes(const SchemaJson &value, SchemaShape &shape) {
  SchemaList names = {&value};
  if (value.is_array()) {
    names.clear();
    for (const SchemaJson &each : value) {
      names.push_back(&each);
    }
  }
  uint8_t types = 0;
  bool anyNumber = false;
  for (const SchemaJson *name : names) {
    auto found = std::ranges::find_if(kTypes, [&](const NamedType &type) {
      return name->is_string() && *name == type.name;
    });
    if (found == kTypes.end()) {
      return document.corrupt(
          *name, "is not the name of a type; the types are null, boolean, "
                 "integer, number, string, array and object");
    }
    types |= found->type;
    anyNumber |= found->name == "number";
  }
  shape.types &= types;
  shape.integers |= (types & SchemaShape::Number) != 0 && !anyNumber;
  return Status::ok();
}

Status Reader::readCount(const SchemaJson &value, uint32_t &count,
                         bool isLeast) {
  if (!value.is_number() || !isInteger(value) || value.get<double>() < 0) {
    return document.corrupt(value, "must be an integer that is not negative");
  }
  double number = value.get<double>();
  if (number > GrammarBuilder::kMostRepeats) {
    return document.unsupported(
        value,
        "must be at most " + std::to_string(GrammarBuilder::kMostRepeats));
  }
  auto given = static_cast<uint32_t>(number);
  count = isLeast ? std::max(count, given) : std::min(count, given);
  return Status::ok();
}

Status Reader::readBound(const std::string &key, const SchemaJson &value,
                         SchemaShape &shape) {
  if (!value.is_number()) {
    return document.corrupt(value, "must be a number");
  }
  NumberBound bound = boundOfJson(value, key.starts_with("exclusive"));
  bool isLeast = key.ends_with("inimum");
  std::optional<NumberBound> &known = isLeast ? shape.least : shape.most;
  if (!known || (isLeast && compareLeast(bound, *known) > 0) ||
      (!isLeast && compareMost(bound, *known) < 0)) {
    known = bound;
  }
  return Status::ok();
}

Status Reader::readRequired(const SchemaJson &value, SchemaShape &shape) {
  if (!value.is_array()) {
    return document.corrupt(value, "must be a list of names");
  }
  for (const SchemaJson &name : value) {
    if (!name.is_string()) {
      return document.corrupt(name, "must be a string");
    }
    const auto &text = *name.get_ptr<const std::string *>();
    if (std::ranges::find(shape.required, text) == shape.required.end()) {
      shape.required.push_back(text);
    }
  }
  return Status::ok();
}

Status Reader::addValues(const SchemaJson &where, SchemaList values,
                         SchemaShape &shape) {
  if (values.size() > GrammarBuilder::kMostRepeats) {
    return document.unsupported(
        where, "has " + countOf(values.size(), "value") +
                   "; it must have at most " +
                   std::to_string(GrammarBuilder::kMostRepeats));
  }
  if (shape.values) {
    std::erase_if(values, [&](const SchemaJson *value) {
      return std::ranges::none_of(*shape.values, [&](const SchemaJson *known) {
        return *known == *value;
      });
    });
  }
  shape.values = std::move(values);
  return Status::ok();
}

Status Reader::readKeyword(const std::string &key, const SchemaJson &value,
                           Part &part, bool &isKnown) {
  SchemaShape &shape = part.shape;
  isKnown = true;
  if (key == "type") {
    return readTypes(value, shape);
  }
  if (key == "const") {
    return addValues(value, {&value}, shape);
  }
  if (key == "enum") {
    if (!value.is_array()) {
      return document.corrupt(value, "must be a list of values");
    }
    SchemaList values;
    for (const SchemaJson &each : value) {
      values.push_back(&each);
    }
    return addValues(value, std::move(values), shape);
  }
  if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" ||
      key == "exclusiveMaximum") {
    return readBound(key, value, shape);
  }
  if (key == "minLength" || key == "maxLength") {
    bool isLeast = key == "minLength";
    return readCount(value, isLeast ? shape.minLength : shape.maxLength,
                     isLeast);
  }
  if (key == "minItems" || key == "maxItems") {
    bool isLeast = key == "minItems";
    return readCount(value, isLeast ? shape.minItems : shape.maxItems, isLeast);
  }
  if (key == "pattern" || key == "format") {
    if (!value.is_string()) {
      return document.corrupt(value, "must be a string");
    }
    if (key == "format" &&
        !isKnownFormat(*value.get_ptr<const std::string *>())) {
      return document.unsupported(
          value, "the format " + inQuotes(value.get<std::string>()) +
                     " is not supported");
    }
    shape.patterns.push_back(&value);
    return Status::ok();
  }
  if (key == "required") {
    return readRequired(value, shape);
  }
  if (key == "$schema") {
    return checkDialect(value);
  }
  if (key == "uniqueItems" && value.is_boolean()) {
    isKnown = !value.get<bool>();
    return Status::ok();
  }
  isKnown = std::ranges::find(kNeutral, key) != kNeutral.end() ||
            key.starts_with("x-");
  return Status::ok();
}

Status Reader::readSchema(const SchemaJson &schema, Part &part,
                          std::vector<const SchemaJson *> &choices) {
  if (schema.is_boolean()) {
    part.shape.types = schema.get<bool>() ? part.shape.types : 0;
    return Status::ok();
  }
  if (!schema.is_object()) {
    return document.corrupt(schema, "must be an object, true or false");
  }
  SchemaShape::Items items;
  SchemaShape::Properties properties;
  SchemaList more;
  for (const auto &[key, value] : schema.items()) {
    if (key == "$ref") {
      AIR_ASSIGN_OR_RETURN(const SchemaJson *target, document.resolve(value));
      more.push_back(target);
    } else if (key == "allOf" || key == "anyOf" || key == "oneOf") {
      if (!value.is_array() || value.empty()) {
        return document.corrupt(value, "must be a list of schemas");
      }
      if (key == "allOf") {
        for (const SchemaJson &each : value) {
          more.push_back(&each);
        }
      } else {
        if (key == "oneOf") {
          AIR_RETURN_IF_ERROR(checkExclusive(value));
        }
        choices.push_back(&value);
      }
    } else if (key == "prefixItems") {
      if (!value.is_array()) {
        return document.corrupt(value, "must be a list of schemas");
      }
      items.prefix = &value;
    } else if (key == "items") {
      if (value.is_array()) {
        return document.unsupported(
            value,
            "must be one schema; for a list of schemas write prefixItems");
      }
      items.rest = &value;
    } else if (key == "properties") {
      if (!value.is_object()) {
        return document.corrupt(value, "must be an object");
      }
      properties.named = &value;
    } else if (key == "additionalProperties") {
      properties.others = &value;
    } else if (key == "$id" && &schema == &document.root()) {
      // "$id" only names the document; local references do not depend on it.
    } else {
      bool isKnown = false;
      AIR_RETURN_IF_ERROR(readKeyword(key, value, part, isKnown));
      if (!isKnown) {
        return document.unsupported(value, "the keyword " + inQuotes(key) +
                                               " is not supported");
      }
    }
  }
  part.open.insert(part.open.end(), more.rbegin(), more.rend());
  if (items.prefix != nullptr || items.rest != nullptr) {
    part.shape.items.push_back(items);
  }
  if (properties.named != nullptr || properties.others != nullptr) {
    part.shape.properties.push_back(properties);
  }
  return Status::ok();
}

Status Reader::checkLoops(const SchemaJson &start) {
  // A depth-first search from `start` along $ref, allOf, anyOf and oneOf. Their
  // schemas apply to the same value as the schema that has the keyword.
  struct Visit {
    const SchemaJson *schema;
    SchemaList next;
  };
  auto nextOf = [&](const SchemaJson &schema) -> Result<SchemaList> {
    SchemaList next;
    if (!schema.is_object()) {
      return next;
    }
    for (const auto &[key, value] : schema.items()) {
      if (key == "$ref") {
        AIR_ASSIGN_OR_RETURN(const SchemaJson *target, document.resolve(value));
        next.push_back(target);
      } else if ((key == "allOf" || key == "anyOf" || key == "oneOf") &&
                 value.is_array()) {
        for (const SchemaJson &each : value) {
          next.push_back(&each);
        }
      }
    }
    return next;
  };
  std::set<const SchemaJson *> open;
  std::set<const SchemaJson *> done;
  std::vector<Visit> stack;
  auto enter = [&](const SchemaJson *schema) -> Status {
    AIR_ASSIGN_OR_RETURN(SchemaList next, nextOf(*schema));
    open.insert(schema);
    stack.push_back({schema, std::move(next)});
    return Status::ok();
  };
  AIR_RETURN_IF_ERROR(enter(&start));
  while (!stack.empty()) {
    Visit &visit = stack.back();
    if (visit.next.empty()) {
      open.erase(visit.schema);
      done.insert(visit.schema);
      stack.pop_back();
      continue;
    }
    const SchemaJson *next = visit.next.back();
    visit.next.pop_back();
    if (open.contains(next)) {
      return document.corrupt(*next, "refers to itself with no property or "
                                     "item in between, so it has no meaning");
    }
    if (!done.contains(next)) {
      AIR_RETURN_IF_ERROR(enter(next));
    }
  }
  return Status::ok();
}

Result<bool> Reader::fulfils(const SchemaJson &value,
                             const SchemaShape &shape) {
  uint8_t type = typeOf(value);
  if ((shape.types & type) == 0) {
    return false;
  }
  if (type == SchemaShape::Number) {
    return (!shape.integers || isInteger(value)) &&
           (!shape.least ||
            compareLeast(boundOfJson(value, false), *shape.least) >= 0) &&
           (!shape.most ||
            compareMost(boundOfJson(value, false), *shape.most) <= 0);
  }
  bool isSimple = true;
  if (type == SchemaShape::String) {
    std::string_view text = *value.get_ptr<const std::string *>();
    size_t length = 0;
    for (; !text.empty(); ++length) {
      text.remove_prefix(decodeUtf8(text).length);
    }
    if (length < shape.minLength || length > shape.maxLength) {
      return false;
    }
    isSimple = shape.patterns.empty();
  } else if (type == SchemaShape::Array) {
    isSimple = shape.items.empty();
    if (value.size() < shape.minItems || value.size() > shape.maxItems) {
      return false;
    }
  } else if (type == SchemaShape::Object) {
    isSimple = shape.properties.empty();
    for (const std::string &name : shape.required) {
      if (!value.contains(name)) {
        return false;
      }
    }
  }
  if (!isSimple) {
    return document.unsupported(value, "this value of enum or const cannot be "
                                       "combined with pattern, format, items "
                                       "or properties; leave them out");
  }
  return true;
}

Status Reader::finish(SchemaShape &shape) {
  const auto exclude = [&](uint8_t types, const std::string &why) {
    const bool wasPossible = shape.types != 0;
    shape.types &= ~types;
    if (wasPossible && shape.types == 0 && contradiction.empty()) {
      contradiction = why;
    }
  };
  if (shape.types == 0 && contradiction.empty()) {
    contradiction = "no type of value is allowed";
  }
  if (shape.values) {
    const bool hasValues = !shape.values->empty();
    SchemaList fulfilling;
    for (const SchemaJson *value : *shape.values) {
      AIR_ASSIGN_OR_RETURN(bool isOne, fulfils(*value, shape));
      if (isOne) {
        fulfilling.push_back(value);
      }
    }
    shape.values = std::move(fulfilling);
    if (shape.values->empty()) {
      exclude(UINT8_MAX,
              hasValues ? "no value of enum or const fulfils the other keywords"
                        : "enum and const allow no value");
    }
  }
  if (shape.minLength > shape.maxLength) {
    exclude(SchemaShape::String,
            "minLength " + std::to_string(shape.minLength) +
                " is above maxLength " + std::to_string(shape.maxLength));
  }
  if (shape.minItems > shape.maxItems) {
    exclude(SchemaShape::Array, "minItems " + std::to_string(shape.minItems) +
                                    " is above maxItems " +
                                    std::to_string(shape.maxItems));
  }
  if (shape.least && shape.most && isBelow(*shape.most, *shape.least)) {
    exclude(SchemaShape::Number,
            std::string("no number is ") +
                (shape.least->exclusive ? "above " : "at least ") +
                textOf(*shape.least) + " and " +
                (shape.most->exclusive ? "below " : "at most ") +
                textOf(*shape.most));
  }
  return Status::ok();
}

Result<std::vector<SchemaShape>> Reader::read(const SchemaList &schemas) {
  std::vector<SchemaShape> shapes;
  std::vector<Part> parts(1);
  parts[0].open.assign(schemas.rbegin(), schemas.rend());
  for (const SchemaJson *schema : schemas) {
    AIR_RETURN_IF_ERROR(checkLoops(*schema));
  }
  while (!parts.empty()) {
    Part part = std::move(parts.back());
    parts.pop_back();
    // The limit is one on the work of proofs, so reading is counted only if it
    // is part of a proof. If this exceeds the limit, exclude() notices it when
    // it calls count() the next time.
    if (depth != 0) {
      count(kStepsPerPart);
    }
    std::vector<const SchemaJson *> choices;
    while (!part.open.empty() && choices.empty()) {
      const SchemaJson *schema = part.open.back();
      part.open.pop_back();
      if (part.read.insert(schema).second) {
        AIR_RETURN_IF_ERROR(readSchema(*schema, part, choices));
      }
    }
    if (choices.empty()) {
      AIR_RETURN_IF_ERROR(finish(part.shape));
      if (part.shape.types != 0) {
        shapes.push_back(std::move(part.shape));
      }
    }
    // Makes one part for each way to pick one alternative from every anyOf and
    // oneOf.
    std::vector<Part> made;
    if (!choices.empty()) {
      made.push_back(std::move(part));
    }
    for (const SchemaJson *choice : choices) {
      // Checked before the parts are made, because there could be millions: in
      // a schema of one megabyte, an anyOf and a oneOf can have thousands of
      // alternatives each.
      if (made.size() * choice->size() + parts.size() + shapes.size() >
          kMostShapes) {
        return document.unsupported(
            *schemas[0], "anyOf and oneOf have more than " +
                             std::to_string(kMostShapes) + " combinations");
      }
      std::vector<Part> more;
      for (const Part &each : made) {
        for (const SchemaJson &option : *choice) {
          more.push_back(each);
          more.back().open.push_back(&option);
        }
      }
      made = std::move(more);
    }
    std::ranges::reverse(made);
    std::ranges::move(made, std::back_inserter(parts));
  }
  return shapes;
}

Status Reader::checkExclusive(const SchemaJson &oneOf) {
  for (size_t i = 0; i < oneOf.size(); ++i) {
    for (size_t j = i + 1; j < oneOf.size(); ++j) {
      AIR_ASSIGN_OR_RETURN(bool areExclusive,
                           exclude({&oneOf[i]}, {&oneOf[j]}));
      if (!areExclusive) {
        return document.unsupported(
            oneOf, "oneOf is only supported if its schemas exclude each other "
                   "by types, values or a required property; use anyOf "
                   "instead");
      }
    }
  }
  return Status::ok();
}

/// The number of values that enum and const allow; 0 without these keywords.
size_t valueCount(const SchemaShape &shape) {
  return shape.values ? shape.values->size() : 0;
}

Result<bool> Reader::exclude(const SchemaList &a, const SchemaList &b) {
  if (depth == kDeepestProof || !count(kStepsPerPart)) {
    return false;
  }
  Reader inner(document, proofs);
  inner.depth = depth + 1;
  AIR_ASSIGN_OR_RETURN(std::vector<SchemaShape> first, inner.read(a));
  AIR_ASSIGN_OR_RETURN(std::vector<SchemaShape> second, inner.read(b));
  for (const SchemaShape &one : first) {
    for (const SchemaShape &other : second) {
      const uint64_t values = std::max<uint64_t>(1, valueCount(one)) *
                              std::max<uint64_t>(1, valueCount(other));
      if (!count(values)) {
        return false;
      }
      AIR_ASSIGN_OR_RETURN(bool areExclusive, inner.exclude(one, other));
      if (!areExclusive) {
        return false;
      }
    }
  }
  return true;
}

Result<bool> Reader::exclude(const SchemaShape &a, const SchemaShape &b) {
  uint8_t common = a.types & b.types;
  if (a.values || b.values) {
    // The shapes exclude each other if `other` allows no value of `listed`.
    const SchemaShape &listed = a.values ? a : b;
    const SchemaShape &other = a.values ? b : a;
    for (const SchemaJson *value : *listed.values) {
      bool isOther = false;
      if (other.values) {
        isOther = std::ranges::any_of(
            *other.values, [&](auto *each) { return *each == *value; });
      } else if (Result<bool> does = fulfils(*value, other); does.isOk()) {
        isOther = *does;
      } else {
        isOther = true;
      }
      if (isOther) {
        return false;
      }
    }
    return true;
  }
  if ((common & (SchemaShape::Null | SchemaShape::Boolean)) != 0) {
    return false;
  }
  auto areApart = [](const SchemaShape &low, const SchemaShape &high) {
    return low.most && high.least && isBelow(*low.most, *high.least);
  };
  if ((common & SchemaShape::Number) != 0 && !areApart(a, b) &&
      !areApart(b, a)) {
    return false;
  }
  if ((common & SchemaShape::String) != 0 && a.maxLength >= b.minLength &&
      b.maxLength >= a.minLength) {
    return false;
  }
  if ((common & SchemaShape::Array) != 0 && a.maxItems >= b.minItems &&
      b.maxItems >= a.minItems) {
    return false;
  }
  if ((common & SchemaShape::Object) == 0) {
    return true;
  }
  for (const std::string &name : a.required) {
    if (std::ranges::find(b.required, name) != b.required.end()) {
      AIR_ASSIGN_OR_RETURN(
          bool areExclusive,
          exclude(schemasOfProperty(a, &name), schemasOfProperty(b, &name)));
      if (areExclusive) {
        return true;
      }
    }
  }
  return false;
}

} // namespace

Result<std::vector<SchemaShape>> shapesOf(const SchemaDocument &document,
                                          const SchemaList &schemas,
                                          std::string &contradiction,
                                          ProofCount &proofs) {
  Reader reader(document, proofs);
  Result<std::vector<SchemaShape>> shapes = reader.read(schemas);
  if (contradiction.empty() && !reader.contradiction.empty()) {
    contradiction = document.placeOf(*schemas[0]) + ": " + reader.contradiction;
  }
  return shapes;
}

SchemaList schemasOfItem(const SchemaShape &shape, size_t index) {
  SchemaList schemas;
  for (const SchemaShape::Items &items : shape.items) {
    if (items.prefix != nullptr && index < items.prefix->size()) {
      schemas.push_back(&(*items.prefix)[index]);
    } else if (items.rest != nullptr) {
      schemas.push_back(items.rest);
    }
  }
  return schemas;
}

SchemaList schemasOfProperty(const SchemaShape &shape,
                             const std::string *name) {
  SchemaList schemas;
  for (const SchemaShape::Properties &properties : shape.properties) {
    if (name != nullptr && properties.named != nullptr &&
        properties.named->contains(*name)) {
      schemas.push_back(&(*properties.named)[*name]);
    } else if (properties.others != nullptr) {
      schemas.push_back(properties.others);
    }
  }
  return schemas;
}

} // namespace air::rt
