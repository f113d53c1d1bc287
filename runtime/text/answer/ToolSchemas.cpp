//===- ToolSchemas.cpp - the types of arguments ---------------------------===//
#include "runtime/text/answer/ToolSchemas.h"

#include "formats/support/Printable.h"
#include "runtime/text/answer/JsonScanner.h"
#include "runtime/text/answer/Words.h"
#include "runtime/text/grammar/SchemaDocument.h"

#include <nlohmann/json.hpp>

namespace air::rt {
namespace {

using Json = nlohmann::ordered_json;
using Types = uint8_t;

constexpr uint8_t kString = 1;
constexpr uint8_t kFraction = 2; ///< numbers that are not whole
constexpr uint8_t kBoolean = 4;
constexpr uint8_t kNull = 8;
constexpr uint8_t kArray = 16;
constexpr uint8_t kObject = 32;
constexpr uint8_t kInteger = 64; ///< whole numbers
constexpr uint8_t kAny = 127;

uint8_t typeNamed(const Json &name) {
  static const std::map<std::string, uint8_t> types = {
      {"string", kString},   {"number", kFraction | kInteger},
      {"integer", kInteger}, {"boolean", kBoolean},
      {"null", kNull},       {"array", kArray},
      {"object", kObject}};
  const auto found =
      name.is_string() ? types.find(name.get<std::string>()) : types.end();
  return found == types.end() ? kAny : found->second;
}

uint8_t typeOf(const Json &value) {
  return value.is_string()           ? kString
         : value.is_number_integer() ? kInteger
         : value.is_number()         ? kFraction
         : value.is_boolean()        ? kBoolean
         : value.is_null()           ? kNull
         : value.is_array()          ? kArray
                                     : kObject;
}

/// Finds the types that an argument of a tool may have. A type is allowed
/// unless a keyword that is supported here excludes it.
class TypeReader {
public:
  /// `whole` is the document in which each $ref is resolved. If it is null,
  /// $ref is ignored.
  explicit TypeReader(const SchemaDocument *whole) : document(whole) {}

  /// `levels` bounds the depth of the search.
  Types typesOf(const Json &schema, int levels) const {
    if (!schema.is_object() || levels == 0 || looks == 0) {
      return kAny;
    }
    --looks;
    Types all = kAny;
    if (const auto type = schema.find("type"); type != schema.end()) {
      all &=
          type->is_array()
              ? anyOf(*type, [](const Json &each) { return typeNamed(each); })
              : typeNamed(*type);
    }
    if (const auto value = schema.find("const"); value != schema.end()) {
      all &= typeOf(*value);
    }
    if (const auto values = schema.find("enum"); values != schema.end()) {
      all &= anyOf(*values, [](const Json &each) { return typeOf(each); });
    }
    const auto inner = [&](const Json &each) {
      return typesOf(each, levels - 1);
    };
    for (const char *key : {"anyOf", "oneOf"}) {
      if (const auto list = schema.find(key); list != schema.end()) {
        all &= anyOf(*list, inner);
      }
    }
    if (const auto list = schema.find("allOf");
        list != schema.end() && list->is_array()) {
      for (const Json &each : *list) {
        all &= inner(each);
      }
    }
    if (const auto reference = schema.find("$ref");
        reference != schema.end() && document != nullptr) {
      const Result<const SchemaJson *> target = document->resolve(*reference);
      all &= target ? inner(**target) : kAny;
    }
    return all;
  }

  /// Adds the properties, with their types, that a schema describes directly,
  /// through $ref, or in `allOf`.
  void addProperties(const Json &schema, int levels,
                     std::map<std::string, Types, std::less<>> &all) const {
    if (!schema.is_object() || levels == 0 || looks == 0) {
      return;
    }
    --looks;
    if (const auto properties = schema.find("properties");
        properties != schema.end() && properties->is_object()) {
      for (const auto &[key, value] : properties->items()) {
        Types &types = all.try_emplace(key, kAny).first->second;
        types &= typesOf(value, levels);
        types = types == 0 ? kAny : types;
      }
    }
    if (const auto list = schema.find("allOf");
        list != schema.end() && list->is_array()) {
      for (const Json &each : *list) {
        addProperties(each, levels - 1, all);
      }
    }
    if (const auto reference = schema.find("$ref");
        reference != schema.end() && document != nullptr) {
      if (const Result<const SchemaJson *> target =
              document->resolve(*reference)) {
        addProperties(**target, levels - 1, all);
      }
    }
  }

private:
  template <typename TypesOf>
  static Types anyOf(const Json &list, const TypesOf &typesOfEach) {
    if (!list.is_array() || list.empty()) {
      return kAny;
    }
    Types all = 0;
    for (const Json &each : list) {
      all |= typesOfEach(each);
    }
    return all;
  }

  const SchemaDocument *document;
  /// The number of schemas that may still be read. Without this bound,
  /// references that lead to the same schema again and again could take hours.
  mutable int looks = 100'000;
};

/// The type of a JSON text, which its first character shows.
uint8_t typeOfText(std::string_view json) {
  switch (json.front()) {
  case '"':
    return kString;
  case '{':
    return kObject;
  case '[':
    return kArray;
  case 't':
  case 'f':
    return kBoolean;
  case 'n':
    return kNull;
  default:
    return json.find_first_of(".eE") == std::string_view::npos ? kInteger
                                                               : kFraction;
  }
}

} // namespace

Result<ToolSchemas> ToolSchemas::parse(std::string_view json) {
  // nlohmann's parser needs stack for each level, so the depth is checked.
  if (!isJson(json)) {
    return corruptError("the tools are not valid JSON, or have more than " +
                        std::to_string(JsonScanner::kMostLevels) +
                        " levels of nesting");
  }
  const Json list = Json::parse(json, nullptr, false);
  if (!list.is_array()) {
    return corruptError("the tools are not a JSON array of objects");
  }
  // The search for the types of an argument follows references and
  // alternatives to this depth. A limit is needed, because references may form
  // a cycle.
  constexpr int kLevels = 8;
  ToolSchemas schemas;
  for (size_t i = 0; i < list.size(); ++i) {
    const Json *tool = &list[i];
    if (tool->is_object() && tool->contains("function")) {
      tool = &tool->at("function");
    }
    if (!tool->is_object() || !tool->contains("name") ||
        !tool->at("name").is_string()) {
      return corruptError("tool " + std::to_string(i) +
                          " is not an object with a \"name\"");
    }
    const auto name = tool->at("name").get<std::string>();
    const auto [known, isNew] = schemas.tools.try_emplace(name);
    if (!isNew) {
      return corruptError("tool " + std::to_string(i) +
                          " has the same name as an earlier tool, " +
                          inQuotes(name) +
                          "; give each tool a name of its own");
    }
    auto &arguments = known->second;
    const auto parameters = tool->find("parameters");
    const bool isGiven = parameters != tool->end() && !parameters->is_null();
    schemas.ordered.push_back({name, isGiven ? parameters->dump() : ""});
    if (parameters == tool->end() || !parameters->is_object()) {
      continue;
    }
    const Result<SchemaDocument> document =
        SchemaDocument::parse(parameters->dump());
    const TypeReader reader(document ? &*document : nullptr);
    reader.addProperties(*parameters, kLevels, arguments);
  }
  return schemas;
}

std::string ToolSchemas::toJson(std::string_view tool,
                                std::string_view argument,
                                std::string_view text) const {
  Types types = kAny;
  if (const auto known = tools.find(tool); known != tools.end()) {
    if (const auto found = known->second.find(argument);
        found != known->second.end()) {
      types = found->second;
    }
  }
  const std::string_view value = trimmed(text);
  if (types != kString && isJson(value)) {
    const uint8_t type = typeOfText(value);
    if ((types & kString) == 0 || (type != kString && (types & type) != 0)) {
      return std::string(value);
    }
  }
  if ((types & kString) == 0) {
    if (const std::string_view word = plainWord(value); word != value) {
      return std::string(word);
    }
  }
  return jsonString(text);
}

} // namespace air::rt
