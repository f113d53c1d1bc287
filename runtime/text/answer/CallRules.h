//===- CallRules.h - rules that the notations of calls share ----*- C++ -*-===//
//
// Ownership: refers to the builder and the control tokens. Thread-safety: one
// caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_CALLRULES_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_CALLRULES_H

#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/answer/CallReader.h"
#include "runtime/text/answer/ToolSchemas.h"
#include "runtime/text/grammar/JsonSchema.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace air::rt {

/// The ids of control tokens, ascending, and their texts.
using ControlTexts = std::vector<std::pair<int32_t, std::string>>;

inline GrammarSequence joined(std::vector<GrammarSequence> parts) {
  GrammarSequence all;
  for (const GrammarSequence &part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// A tool, and the schema of its arguments.
struct CallTool {
  std::string name;
  std::unique_ptr<SchemaDocument> document;
  std::unique_ptr<SchemaRules> rules;
  /// The alternatives that the schema allows for the object of arguments.
  std::vector<SchemaShape> shapes;
  /// The list that contains the tool. The answer parser uses this list to
  /// decide whether an argument is a string.
  const ToolSchemas *list = nullptr;
};

/// Whether the notations without JSON can express the name of an argument.
/// `separator` stands between the name and the value.
inline bool canBeKey(std::string_view name, std::string_view separator) {
  return isCallName(name) && name.find(separator) == std::string_view::npos;
}

class CallRules {
public:
  CallRules(GrammarBuilder &made, const ControlTexts &texts)
      : builder(made), controls(texts) {}

  /// A delimiter of the notation as a sequence of the control tokens that occur
  /// in it and the text between them.
  GrammarSequence mark(std::string_view text) const;
  /// Optional white space.
  GrammarSymbol gap();
  GrammarSequence text(std::string_view characters) {
    return builder.text(characters);
  }
  GrammarSequence optional(GrammarSequence part) {
    return builder.repeat(std::move(part), 0, 1);
  }
  /// One or more occurrences of `item`, with `separator` between them.
  GrammarSequence list(const GrammarSequence &item, GrammarSequence separator);
  GrammarSymbol choice(std::vector<GrammarSequence> options) {
    return builder.choice(std::move(options));
  }
  /// Any text without `end` and `other` in it, followed by the delimiter `end`.
  /// If `other` is "", only `end` is excluded.
  GrammarSymbol textUntil(std::string_view end, std::string_view other = {});
  /// A JSON string, with its quotes, that consists of letters, digits, _ and -.
  GrammarSequence idString();
  GrammarSequence id();

  /// The arguments of a tool, each between delimiters of its own.
  Result<GrammarSequence> tagged(const CallTool &tool,
                                 const ArgumentTags &tags);
  /// The arguments of a tool as in Python, without the parentheses.
  Result<GrammarSequence> python(const CallTool &tool);
  /// The arguments of a tool as in CallStyle::Braces, without the braces.
  Result<GrammarSequence> braces(const CallTool &tool,
                                 const AnswerFamily &family);

private:
  using Write = std::function<Result<GrammarSequence>(const std::string &,
                                                      const SchemaList &)>;
  /// The arguments of a tool with `comma` between them. An argument is left out
  /// if the notation cannot express its name (see canBeKey()).
  Result<GrammarSequence> members(const CallTool &tool,
                                  const GrammarSequence &comma,
                                  std::string_view separator,
                                  const Write &write);
  /// A value of `argument`, and the delimiter after it. `wanted` has the bits
  /// of the types that the value may have (SchemaShape::Type).
  Result<GrammarSequence> taggedValue(const CallTool &tool,
                                      const std::string &argument,
                                      const SchemaList &schemas,
                                      const ArgumentTags &tags, uint8_t wanted);
  Result<GrammarSequence> bracesValue(const CallTool &tool,
                                      const SchemaList &schemas,
                                      const AnswerFamily &family);
  GrammarSequence quoted(const AnswerFamily &family);
  GrammarSymbol anyBraces(const AnswerFamily &family);
  GrammarSequence anyList(const AnswerFamily &family);
  GrammarSequence anyObject(const AnswerFamily &family);

  GrammarBuilder &builder;
  const ControlTexts &controls;
  std::optional<GrammarSymbol> gapSymbol;
  std::optional<uint32_t> bracesRule;
  std::map<std::string, uint32_t, std::less<>> untils;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_CALLRULES_H
