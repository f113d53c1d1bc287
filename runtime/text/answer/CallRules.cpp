//===- CallRules.cpp - rules that the notations of calls share ------------===//
#include "runtime/text/answer/CallRules.h"

#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "runtime/text/answer/JsonScanner.h"
#include "runtime/text/answer/Words.h"

#include <algorithm>
#include <set>

namespace air::rt {
namespace {

using Shape = SchemaShape;

std::u32string charactersOf(std::string_view text) {
  std::u32string characters;
  while (!text.empty()) {
    const Utf8Step step = decodeUtf8(text);
    characters += static_cast<char32_t>(step.codePoint);
    text.remove_prefix(step.length);
  }
  return characters;
}

CodePointSet only(char32_t character) {
  return CodePointSet({{character, character}});
}

uint8_t typeOf(const SchemaJson &value) {
  return value.is_string()    ? Shape::String
         : value.is_array()   ? Shape::Array
         : value.is_object()  ? Shape::Object
         : value.is_number()  ? Shape::Number
         : value.is_boolean() ? Shape::Boolean
                              : Shape::Null;
}

/// Returns `schemas` and one more, which excludes strings and, unless
/// `withLists` is true, arrays and objects.
SchemaList withoutStrings(SchemaList schemas, bool withLists) {
  static const SchemaJson scalar = {{"type", {"number", "boolean", "null"}}};
  static const SchemaJson other = {
      {"type", {"number", "boolean", "null", "array", "object"}}};
  schemas.push_back(withLists ? &other : &scalar);
  return schemas;
}

/// The types that schemas allow. `values` lists the allowed values if every
/// alternative of the schemas is limited to certain values (`enum` or `const`).
struct Allowed {
  uint8_t types = 0;
  std::optional<SchemaList> values;
};

Result<Allowed> allowedBy(const CallTool &tool, const SchemaList &schemas) {
  AIR_ASSIGN_OR_RETURN(const std::vector<SchemaShape> shapes,
                       tool.rules->shapesOf(schemas));
  Allowed all;
  SchemaList values;
  bool hasOthers = false;
  for (const SchemaShape &shape : shapes) {
    if (!shape.values) {
      hasOthers = true;
      all.types |= shape.types;
      continue;
    }
    for (const SchemaJson *value : *shape.values) {
      values.push_back(value);
      all.types |= typeOf(*value);
    }
  }
  if (!hasOthers) {
    all.values = std::move(values);
  }
  return all;
}

} // namespace

GrammarSequence CallRules::mark(std::string_view text) const {
  GrammarSequence all;
  while (!text.empty()) {
    size_t begin = std::string_view::npos;
    const std::pair<int32_t, std::string> *token = nullptr;
    for (const auto &control : controls) {
      const size_t at = text.find(control.second);
      if (at < begin || (at == begin && token != nullptr &&
                         control.second.size() > token->second.size())) {
        begin = at;
        token = &control;
      }
    }
    const GrammarSequence before = builder.text(text.substr(0, begin));
    all.insert(all.end(), before.begin(), before.end());
    if (token == nullptr) {
      break;
    }
    all.push_back({GrammarElement::Token, static_cast<uint32_t>(token->first)});
    text.remove_prefix(begin + token->second.size());
  }
  return all;
}

GrammarSymbol CallRules::gap() {
  if (!gapSymbol) {
    const GrammarSymbol blank =
        builder.set(CodePointSet({{' ', ' '}, {'\t', '\t'}}));
    gapSymbol = choice({joined(
        {builder.repeat(text("\n"), 0, 2), builder.repeat({blank}, 0, 20)})});
  }
  return *gapSymbol;
}

GrammarSequence CallRules::list(const GrammarSequence &item,
                                GrammarSequence separator) {
  return joined({item, builder.repeat(joined({std::move(separator), item}), 0,
                                      GrammarBuilder::kUnlimited)});
}

GrammarSequence CallRules::id() {
  // Ids of calls are short: Mistral's have nine characters, those of the OpenAI
  // API some thirty. Without a limit, a model could go on for ever.
  constexpr uint32_t kLongestId = 40;
  const GrammarSymbol part = builder.set(CodePointSet(
      {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}, {'-', '-'}}));
  return builder.repeat({part}, 1, kLongestId);
}

GrammarSequence CallRules::idString() {
  return joined({text("\""), id(), text("\"")});
}

// Each rule is a state of the automaton of Aho and Corasick (1975) that finds
// `end` and `other`. A state is a prefix of `end` or `other`: the longest one
// that is a suffix of the characters read so far.
GrammarSymbol CallRules::textUntil(std::string_view end,
                                   std::string_view other) {
  const std::string key = std::string(end) + '\n' + std::string(other);
  if (const auto known = untils.find(key); known != untils.end()) {
    return GrammarBuilder::rule(known->second);
  }
  const GrammarSequence mark = this->mark(end);
  const bool isText =
      std::ranges::all_of(mark, [](const GrammarSymbol &symbol) {
        return symbol.kind == GrammarElement::Set;
      });
  const std::u32string last = charactersOf(end);
  std::vector<std::u32string> texts = {last};
  if (!other.empty()) {
    texts.push_back(charactersOf(other));
  }
  std::map<std::u32string, uint32_t> states;
  std::set<char32_t> alphabet;
  for (const std::u32string &each : texts) {
    alphabet.insert(each.begin(), each.end());
    for (size_t length = 0; length < each.size(); ++length) {
      states.try_emplace(each.substr(0, length), 0);
    }
  }
  for (auto &[prefix, rule] : states) {
    rule = builder.addRule("the text before " + inQuotes(end));
  }
  const auto endsWithText = [&](const std::u32string &read) {
    return std::ranges::any_of(texts, [&](const std::u32string &each) {
      return read.ends_with(each);
    });
  };
  for (const auto &[prefix, rule] : states) {
    CodePointSet others({{0, kLastCodePoint}});
    std::vector<GrammarSequence> options;
    for (char32_t character : alphabet) {
      CodePointSet rest = only(character);
      rest.negate();
      others.intersect(rest);
      const std::u32string read = prefix + character;
      if (endsWithText(read)) {
        if (isText && read.ends_with(last)) {
          options.push_back({builder.set(only(character))});
        }
        continue;
      }
      std::u32string next = read;
      while (!states.contains(next)) {
        next.erase(0, 1);
      }
      options.push_back({builder.set(only(character)),
                         GrammarBuilder::rule(states.at(next))});
    }
    options.push_back(
        {builder.set(others), GrammarBuilder::rule(states.at({}))});
    if (!isText) {
      options.push_back(mark);
    }
    builder.define(rule, std::move(options));
  }
  const uint32_t start = states.at({});
  untils.emplace(key, start);
  return GrammarBuilder::rule(start);
}

Result<GrammarSequence> CallRules::members(const CallTool &tool,
                                           const GrammarSequence &comma,
                                           std::string_view separator,
                                           const Write &write) {
  std::vector<GrammarSequence> options;
  for (const SchemaShape &shape : tool.shapes) {
    std::vector<GrammarMember> parts;
    bool canBeWritten = true;
    for (const std::string &name : namesOfProperties(shape)) {
      const bool isRequired =
          std::ranges::find(shape.required, name) != shape.required.end();
      if (!canBeKey(name, separator)) {
        canBeWritten = canBeWritten && !isRequired;
        continue;
      }
      AIR_ASSIGN_OR_RETURN(GrammarSequence part,
                           write(name, schemasOfProperty(shape, &name)));
      parts.push_back({std::move(part), isRequired});
    }
    if (canBeWritten) {
      options.push_back(membersInOrder(builder, parts, comma, {}));
    }
  }
  return GrammarSequence{choice(std::move(options))};
}

Result<GrammarSequence> CallRules::taggedValue(const CallTool &tool,
                                               const std::string &argument,
                                               const SchemaList &schemas,
                                               const ArgumentTags &tags,
                                               uint8_t wanted) {
  AIR_ASSIGN_OR_RETURN(const Allowed allowed, allowedBy(tool, schemas));
  const uint8_t types = allowed.types & wanted;
  const uint8_t others = types & ~Shape::String;
  std::vector<GrammarSequence> options;
  if ((types & Shape::String) != 0) {
    for (const SchemaJson *value : allowed.values.value_or(SchemaList())) {
      if (!value->is_string()) {
        continue;
      }
      const auto word = value->get<std::string>();
      // The answer parser does not return every allowed string unchanged. It
      // removes a line break from the beginning of a value. If the schema
      // allows both strings and numbers, the parser returns a value such as 42
      // as a number, except where the call marks it as a string. The grammar
      // leaves out the strings that the parser would change.
      const bool isKept =
          wanted == Shape::String ||
          tool.list->toJson(tool.name, argument, word) == jsonString(word);
      if (!word.starts_with('\n') && !contains(word, tags.valueEnd) && isKept) {
        options.push_back(text(word));
        options.push_back(text("\n" + word + "\n"));
      }
    }
    if (!allowed.values || (options.empty() && others == 0)) {
      return GrammarSequence{textUntil(tags.valueEnd)};
    }
  }
  if (others != 0 || options.empty()) {
    std::vector<GrammarSequence> values = {{tool.rules->valueOf(
        (allowed.types & Shape::String) != 0 ? withoutStrings(schemas, true)
                                             : schemas)}};
    // If the schema has the keyword `type` and does not allow strings, the
    // answer parser reads Python's True, False and None as JSON. The grammar
    // therefore allows these words, too.
    if (allowed.types == types && (types & Shape::String) == 0 &&
        !allowed.values && schemas.size() == 1 &&
        schemas[0]->contains("type")) {
      for (const auto &[type, word] : {std::pair(Shape::Boolean, "True"),
                                       {Shape::Boolean, "False"},
                                       {Shape::Null, "None"}}) {
        if ((types & type) != 0) {
          values.push_back(text(word));
        }
      }
    }
    options.push_back({gap(), choice(std::move(values)), gap()});
  }
  return joined({{choice(std::move(options))}, mark(tags.valueEnd)});
}

Result<GrammarSequence> CallRules::tagged(const CallTool &tool,
                                          const ArgumentTags &tags) {
  // In DeepSeek's notation, the key says whether the value is a string.
  const bool hasStringMark = contains(tags.keyBegin, "DSML");
  const auto write = [&](const std::string &name,
                         const SchemaList &schemas) -> Result<GrammarSequence> {
    GrammarSequence begin = joined({{gap()}, mark(tags.keyBegin), text(name)});
    if (hasStringMark) {
      AIR_ASSIGN_OR_RETURN(const Allowed allowed, allowedBy(tool, schemas));
      std::vector<GrammarSequence> options;
      if ((allowed.types & Shape::String) != 0) {
        AIR_ASSIGN_OR_RETURN(
            const GrammarSequence value,
            taggedValue(tool, name, schemas, tags, Shape::String));
        options.push_back(joined({text("\" string=\"true\">"), value}));
      }
      if (allowed.types != Shape::String) {
        AIR_ASSIGN_OR_RETURN(const GrammarSequence value,
                             taggedValue(tool, name, schemas, tags,
                                         static_cast<uint8_t>(~Shape::String)));
        options.push_back(joined({text("\" string=\"false\">"), value}));
      }
      begin.push_back(choice(std::move(options)));
      return begin;
    }
    if (tags.keyBegin.ends_with('"')) {
      begin = joined({begin, text("\"")});
    }
    begin = joined({begin, mark(tags.keyEnd)});
    if (!tags.valueBegin.empty()) {
      begin = joined({begin, {gap()}, mark(tags.valueBegin)});
    }
    AIR_ASSIGN_OR_RETURN(GrammarSequence value,
                         taggedValue(tool, name, schemas, tags, UINT8_MAX));
    return joined({begin, value});
  };
  return members(tool, {}, "=", write);
}

Result<GrammarSequence> CallRules::python(const CallTool &tool) {
  return members(tool, joined({text(","), {gap()}}), "=",
                 [&](const std::string &name,
                     const SchemaList &schemas) -> Result<GrammarSequence> {
                   return joined(
                       {text(name), text("="), {tool.rules->valueOf(schemas)}});
                 });
}

GrammarSequence CallRules::quoted(const AnswerFamily &family) {
  return joined(
      {mark(family.quote), {textUntil(family.quote, family.callEnd)}});
}

GrammarSequence CallRules::anyList(const AnswerFamily &family) {
  const GrammarSequence comma = joined({text(","), {gap()}});
  return joined(
      {text("["), optional(list({anyBraces(family)}, comma)), text("]")});
}

GrammarSequence CallRules::anyObject(const AnswerFamily &family) {
  const GrammarSequence comma = joined({text(","), {gap()}});
  const GrammarSequence member = joined({id(), text(":"), {anyBraces(family)}});
  return joined({text("{"), optional(list(member, comma)), text("}")});
}

GrammarSymbol CallRules::anyBraces(const AnswerFamily &family) {
  if (!bracesRule) {
    bracesRule = builder.addRule("any value");
    builder.define(*bracesRule, {quoted(family),
                                 {numbersBetween(builder, false, std::nullopt,
                                                 std::nullopt)},
                                 text("true"),
                                 text("false"),
                                 text("null"),
                                 anyList(family),
                                 anyObject(family)});
  }
  return GrammarBuilder::rule(*bracesRule);
}

Result<GrammarSequence> CallRules::bracesValue(const CallTool &tool,
                                               const SchemaList &schemas,
                                               const AnswerFamily &family) {
  AIR_ASSIGN_OR_RETURN(const Allowed allowed, allowedBy(tool, schemas));
  constexpr uint8_t kOthers = Shape::String | Shape::Array | Shape::Object;
  std::vector<GrammarSequence> options;
  if ((allowed.types & Shape::String) != 0) {
    std::vector<GrammarSequence> texts;
    for (const SchemaJson *value : allowed.values.value_or(SchemaList())) {
      if (!value->is_string()) {
        continue;
      }
      const auto word = value->get<std::string>();
      if (!contains(word, family.quote) && !contains(word, family.callEnd)) {
        texts.push_back(text(word));
      }
    }
    options.push_back(texts.empty() ? quoted(family)
                                    : joined({mark(family.quote),
                                              {choice(std::move(texts))},
                                              mark(family.quote)}));
  }
  if ((allowed.types & Shape::Array) != 0) {
    options.push_back(anyList(family));
  }
  if ((allowed.types & Shape::Object) != 0) {
    options.push_back(anyObject(family));
  }
  if (options.empty()) {
    return GrammarSequence{tool.rules->valueOf(schemas)};
  }
  if ((allowed.types & ~kOthers) != 0) {
    options.push_back({tool.rules->valueOf(withoutStrings(schemas, false))});
  }
  return GrammarSequence{choice(std::move(options))};
}

Result<GrammarSequence> CallRules::braces(const CallTool &tool,
                                          const AnswerFamily &family) {
  return members(tool, joined({text(","), {gap()}}), ":",
                 [&](const std::string &name,
                     const SchemaList &schemas) -> Result<GrammarSequence> {
                   AIR_ASSIGN_OR_RETURN(GrammarSequence value,
                                        bracesValue(tool, schemas, family));
                   return joined({text(name), text(":"), value});
                 });
}

} // namespace air::rt
