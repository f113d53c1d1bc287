//===- JsonSchema.cpp - a grammar of the JSON of a schema -------*- C++ -*-===//
#include "runtime/text/grammar/JsonSchema.h"

#include "runtime/text/grammar/SchemaDocument.h"
#include "runtime/text/grammar/SchemaFormats.h"
#include "runtime/text/grammar/SchemaNumbers.h"

#include <algorithm>
#include <cmath>

namespace air::rt {
namespace {

/// The most combinations of schemas that get a rule of their own. References
/// may combine schemas in exponentially many ways, and each rule takes memory.
constexpr size_t kMostRules = 200'000;

/// 2^53. All integers up to it are exact as doubles.
constexpr double kMostExactInteger = 9007199254740992.0;

void append(GrammarSequence &to, const GrammarSequence &more) {
  to.insert(to.end(), more.begin(), more.end());
}

std::string compactText(const SchemaJson &value) {
  if (value.is_number_float()) {
    auto number = value.get<double>();
    if (std::trunc(number) == number && std::abs(number) < kMostExactInteger) {
      return std::to_string(static_cast<int64_t>(number));
    }
  }
  return value.dump();
}

} // namespace

SchemaRules::SchemaRules(const SchemaDocument &source, GrammarBuilder &made,
                         SchemaSpelling spelling)
    : document(source), builder(made),
      hasPythonWords(spelling == SchemaSpelling::Python),
      strings(made, spelling != SchemaSpelling::Json) {}

GrammarSymbol SchemaRules::space() {
  if (!spaceSymbol) {
    GrammarSymbol blank = builder.set(CodePointSet({{' ', ' '}, {'\t', '\t'}}));
    GrammarSequence line = builder.text("\n");
    append(line, builder.repeat({blank}, 0, 20));
    spaceSymbol = builder.choice({{}, builder.text(" "), std::move(line)});
  }
  return *spaceSymbol;
}

GrammarSequence SchemaRules::mark(const char *text) {
  GrammarSequence all = builder.text(text);
  all.push_back(space());
  return all;
}

GrammarSequence SchemaRules::inBrackets(const char *opening,
                                        GrammarSequence inner, bool mayBeEmpty,
                                        const char *closing) {
  Options options;
  GrammarSequence filled = {space()};
  append(filled, inner);
  filled.push_back(space());
  options.push_back(std::move(filled));
  if (mayBeEmpty) {
    options.push_back({space()});
  }
  GrammarSequence all = builder.text(opening);
  all.push_back(builder.choice(std::move(options)));
  append(all, builder.text(closing));
  return all;
}

GrammarSymbol SchemaRules::valueOf(SchemaList schemas) {
  SchemaList unique;
  for (const SchemaJson *schema : schemas) {
    if (std::ranges::find(unique, schema) == unique.end()) {
      unique.push_back(schema);
    }
  }
  schemas = std::move(unique);
  auto [found, isNew] = rules.try_emplace(schemas, 0);
  if (isNew) {
    found->second = builder.addRule(
        schemas.empty() ? "any value" : document.placeOf(*schemas[0]));
    open.emplace_back(found->second, std::move(schemas));
  }
  return GrammarBuilder::rule(found->second);
}

Result<GrammarSequence> SchemaRules::stringOf(const SchemaShape &shape) {
  if (shape.patterns.empty()) {
    return strings.ofLength(shape.minLength, shape.maxLength);
  }
  const SchemaJson &first = *shape.patterns[0];
  if (shape.patterns.size() > 1 || shape.minLength > 0 ||
      shape.maxLength != SchemaShape::kUnlimited) {
    return document.unsupported(first, "a string can have only one pattern or "
                                       "format, and no minLength or maxLength "
                                       "beside it");
  }
  std::string text = first.get<std::string>();
  // `first` is the value of `pattern` or of `format`. Its place in the document
  // tells which.
  bool isFormat = document.placeOf(first).ends_with("/format'");
  std::vector<GrammarSequence> options;
  for (const std::string &pattern :
       isFormat ? patternsOfFormat(text) : std::vector{text}) {
    Result<GrammarSequence> made = strings.matching(pattern);
    if (!made.isOk()) {
      return made.status().withContext(document.placeOf(first));
    }
    options.push_back(*std::move(made));
  }
  return options.size() == 1
             ? std::move(options.front())
             : GrammarSequence{builder.choice(std::move(options))};
}

GrammarSequence SchemaRules::arrayOf(const SchemaShape &shape) {
  // Each of the first `fixed` items has a symbol of its own. All later items
  // are a repetition of one symbol.
  size_t fixed = 0;
  for (const SchemaShape::Items &items : shape.items) {
    if (items.prefix != nullptr) {
      fixed = std::max(fixed, items.prefix->size());
    }
  }
  fixed = std::min<size_t>(std::max<size_t>(fixed, 1), shape.maxItems);
  // `rest` is what follows the first `fixed` items.
  auto count = static_cast<uint32_t>(fixed);
  GrammarSequence next = comma();
  next.push_back(valueOf(schemasOfItem(shape, fixed)));
  bool limited = shape.maxItems != SchemaShape::kUnlimited;
  GrammarSequence rest = builder.repeat(
      std::move(next), shape.minItems > count ? shape.minItems - count : 0,
      limited ? shape.maxItems - count : GrammarBuilder::kUnlimited);
  if (fixed == 0) {
    return inBrackets("[", {builder.choice({})}, true, "]");
  }
  for (size_t i = fixed; i-- > 0;) {
    GrammarSequence item = i > 0 ? comma() : GrammarSequence();
    item.push_back(valueOf(schemasOfItem(shape, i)));
    append(item, rest);
    bool maybe = i > 0 && i >= shape.minItems;
    rest = maybe ? GrammarSequence{builder.choice({std::move(item), {}})}
                 : std::move(item);
  }
  return inBrackets("[", std::move(rest), shape.minItems == 0, "]");
}

std::vector<std::string> namesOfProperties(const SchemaShape &shape) {
  std::vector<std::string> names;
  auto addName = [&](const std::string &name) {
    if (std::ranges::find(names, name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const SchemaShape::Properties &properties : shape.properties) {
    if (properties.named != nullptr) {
      for (const auto &[name, schema] : properties.named->items()) {
        addName(name);
      }
    }
  }
  for (const std::string &name : shape.required) {
    addName(name);
  }
  return names;
}

GrammarSequence membersInOrder(GrammarBuilder &builder,
                               const std::vector<GrammarMember> &members,
                               const GrammarSequence &comma, MemberRest rest) {
  GrammarSequence &first = rest.first;
  GrammarSequence &after = rest.after;
  for (size_t i = members.size(); i-- > 0;) {
    const auto &[text, isRequired] = members[i];
    GrammarSequence begin = text;
    append(begin, after);
    first = isRequired ? std::move(begin)
                       : GrammarSequence{builder.choice(
                             {std::move(begin), std::move(first)})};
    GrammarSequence later = comma;
    append(later, text);
    if (!isRequired) {
      later = builder.repeat(std::move(later), 0, 1);
    }
    append(later, after);
    // The choice becomes a new rule, so `after` is a single symbol and does not
    // grow from member to member.
    after = {builder.choice({std::move(later)})};
  }
  return std::move(first);
}

GrammarSequence SchemaRules::objectOf(const SchemaShape &shape) {
  const std::vector<std::string> names = namesOfProperties(shape);
  GrammarSequence colon = mark(":");
  SchemaList others = schemasOfProperty(shape, nullptr);
  bool closed = std::ranges::any_of(others, [](const SchemaJson *schema) {
    return schema->is_boolean() && !schema->get<bool>();
  });
  MemberRest rest{{builder.choice({})}, {}};
  if (!closed) {
    GrammarSequence other = {strings.otherThan(names)};
    append(other, colon);
    other.push_back(valueOf(others));
    GrammarSequence more = comma();
    append(more, other);
    rest.after = builder.repeat(std::move(more), 0, GrammarBuilder::kUnlimited);
    append(other, rest.after);
    rest.first = {builder.choice({std::move(other)})};
  }
  std::vector<GrammarMember> members;
  for (const std::string &name : names) {
    GrammarSequence property =
        builder.text(strings.spelled(SchemaJson(name).dump()));
    append(property, colon);
    property.push_back(valueOf(schemasOfProperty(shape, &name)));
    members.push_back(
        {std::move(property),
         std::ranges::find(shape.required, name) != shape.required.end()});
  }
  return inBrackets("{",
                    membersInOrder(builder, members, comma(), std::move(rest)),
                    shape.required.empty(), "}");
}

void SchemaRules::addWord(const char *json, const char *python,
                          Options &options) {
  options.push_back(builder.text(json));
  if (hasPythonWords) {
    options.push_back(builder.text(python));
  }
}

Status SchemaRules::addShape(const SchemaShape &shape, Options &options) {
  if (shape.values) {
    for (const SchemaJson *value : *shape.values) {
      options.push_back(builder.text(strings.spelled(compactText(*value))));
    }
    return Status::ok();
  }
  auto has = [&](SchemaShape::Type type) { return (shape.types & type) != 0; };
  if (has(SchemaShape::Null)) {
    addWord("null", "None", options);
  }
  if (has(SchemaShape::Boolean)) {
    addWord("true", "True", options);
    addWord("false", "False", options);
  }
  if (has(SchemaShape::Number)) {
    options.push_back(
        {numbersBetween(builder, shape.integers, shape.least, shape.most)});
  }
  if (has(SchemaShape::String)) {
    AIR_ASSIGN_OR_RETURN(GrammarSequence text, stringOf(shape));
    options.push_back(std::move(text));
  }
  if (has(SchemaShape::Array)) {
    options.push_back(arrayOf(shape));
  }
  if (has(SchemaShape::Object)) {
    options.push_back(objectOf(shape));
  }
  return Status::ok();
}

Result<std::vector<SchemaShape>>
SchemaRules::shapesOf(const SchemaList &schemas) {
  std::string ignored;
  return air::rt::shapesOf(document, schemas, ignored, proofs);
}

Status SchemaRules::define(uint32_t rule, const SchemaList &schemas) {
  builder.setOrigin(schemas.empty() ? "any value"
                                    : document.placeOf(*schemas[0]));
  AIR_ASSIGN_OR_RETURN(
      std::vector<SchemaShape> shapes,
      air::rt::shapesOf(document, schemas, contradiction, proofs));
  Options options;
  for (const SchemaShape &shape : shapes) {
    AIR_RETURN_IF_ERROR(addShape(shape, options));
  }
  builder.define(rule, std::move(options));
  return Status::ok();
}

Status SchemaRules::define() {
  while (!open.empty()) {
    auto [rule, schemas] = std::move(open.back());
    open.pop_back();
    AIR_RETURN_IF_ERROR(define(rule, schemas));
    if (builder.isTooLarge()) {
      break;
    }
    if (rules.size() > kMostRules) {
      return document.unsupported(
          document.root(), "needs more than " + std::to_string(kMostRules) +
                               " combinations of schemas");
    }
  }
  return Status::ok();
}

Result<std::shared_ptr<const Grammar>> grammarOfSchema(std::string_view text) {
  AIR_ASSIGN_OR_RETURN(SchemaDocument document, SchemaDocument::parse(text));
  GrammarBuilder builder;
  SchemaRules rules(document, builder);
  const uint32_t root = rules.valueOf({&document.root()}).value;
  AIR_RETURN_IF_ERROR(rules.define());
  Result<std::shared_ptr<const Grammar>> made = std::move(builder).finish(root);
  if (made.status().code() == ErrorCode::Corrupt && !rules.whyEmpty().empty()) {
    return corruptError(rules.whyEmpty() + ", so no text matches the schema");
  }
  return made;
}

} // namespace air::rt
