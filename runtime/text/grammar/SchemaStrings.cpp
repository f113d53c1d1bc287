//===- SchemaStrings.cpp - texts of JSON strings ----------------*- C++ -*-===//
#include "runtime/text/grammar/SchemaStrings.h"

#include "formats/support/Utf8.h"
#include "formats/text/regex/RegexSyntax.h"
#include "runtime/text/grammar/EcmaPattern.h"

#include <array>
#include <map>

namespace air::rt {
namespace {

constexpr CodePointRange kControl = {0, 0x1f};
constexpr CodePointRange kSurrogates = {0xd800, 0xdfff};

struct ShortEscape {
  uint32_t character;
  char letter;
};
/// The characters that compact JSON writes as a backslash and one character.
constexpr std::array<ShortEscape, 7> kShortEscapes = {{{'"', '"'},
                                                       {'\\', '\\'},
                                                       {'\b', 'b'},
                                                       {'\f', 'f'},
                                                       {'\n', 'n'},
                                                       {'\r', 'r'},
                                                       {'\t', 't'}}};

CodePointSet plainCharacters() {
  CodePointSet plain({kControl, {'"', '"'}, {'\\', '\\'}, kSurrogates});
  plain.negate();
  return plain;
}

CodePointSet only(uint32_t character) {
  return CodePointSet({{character, character}});
}

CodePointSet hexDigits() {
  return CodePointSet({{'0', '9'}, {'a', 'f'}, {'A', 'F'}});
}

/// A hexadecimal digit in upper and lower case.
CodePointSet hexDigit(uint32_t value) {
  if (value < 10) {
    return only('0' + value);
  }
  return CodePointSet({{'a' + value - 10, 'a' + value - 10},
                       {'A' + value - 10, 'A' + value - 10}});
}

void append(GrammarSequence &to, const GrammarSequence &more) {
  to.insert(to.end(), more.begin(), more.end());
}

} // namespace

std::string SchemaStrings::spelled(std::string json) const {
  constexpr std::string_view kEscape = "\\u003c";
  for (size_t at = 0;
       escapesMarks && (at = json.find('<', at)) != std::string::npos;) {
    json.replace(at, 1, kEscape);
  }
  return json;
}

GrammarSymbol SchemaStrings::compact(const CodePointSet &characters) {
  std::vector<uint32_t> bounds;
  for (const CodePointRange &range : characters.ranges()) {
    bounds.insert(bounds.end(), {range.first, range.last});
  }
  const auto found = compacts.find(bounds);
  return found != compacts.end()
             ? found->second
             : compacts.emplace(std::move(bounds), makeCompact(characters))
                   .first->second;
}

GrammarSymbol SchemaStrings::makeCompact(CodePointSet characters) {
  CodePointSet plain = plainCharacters();
  plain.intersect(characters);
  CodePointSet numbered({kControl});
  if (escapesMarks) {
    CodePointSet others = only('<');
    numbered.add(others);
    others.negate();
    plain.intersect(others);
  }
  std::vector<GrammarSequence> options;
  if (!plain.empty()) {
    options.push_back({builder.set(plain)});
  }
  CodePointSet letters;
  for (const ShortEscape &escape : kShortEscapes) {
    if (characters.contains(escape.character)) {
      letters.add(only(static_cast<uint32_t>(escape.letter)));
    }
    CodePointSet others = only(escape.character);
    others.negate();
    numbered.intersect(others);
  }
  if (!letters.empty()) {
    GrammarSequence option = builder.text("\\");
    option.push_back(builder.set(letters));
    options.push_back(std::move(option));
  }
  numbered.intersect(characters);
  for (const CodePointRange &range : numbered.ranges()) {
    for (uint32_t c = range.first; c <= range.last; ++c) {
      GrammarSequence option = builder.text("\\u00");
      option.push_back(builder.set(hexDigit(c / 16)));
      option.push_back(builder.set(hexDigit(c % 16)));
      options.push_back(std::move(option));
    }
  }
  return builder.choice(std::move(options));
}

GrammarSymbol SchemaStrings::any() {
  if (anyCharacter) {
    return *anyCharacter;
  }
  if (escapesMarks) {
    anyCharacter = compact(CodePointSet({{0, kLastCodePoint}}));
    return *anyCharacter;
  }
  GrammarSymbol hex = builder.set(hexDigits());
  auto escape = [&](GrammarSequence digits) {
    GrammarSequence all = builder.text("\\u");
    append(all, digits);
    return all;
  };
  GrammarSymbol d = builder.set(CodePointSet({{'d', 'd'}, {'D', 'D'}}));
  GrammarSymbol notD = builder.set(CodePointSet(
      {{'0', '9'}, {'a', 'c'}, {'A', 'C'}, {'e', 'f'}, {'E', 'F'}}));
  GrammarSymbol lower = builder.set(CodePointSet({{'0', '7'}}));
  GrammarSymbol highHalf =
      builder.set(CodePointSet({{'8', '9'}, {'a', 'b'}, {'A', 'B'}}));
  GrammarSymbol lowHalf = builder.set(CodePointSet({{'c', 'f'}, {'C', 'F'}}));
  GrammarSequence pair = escape({d, highHalf, hex, hex});
  append(pair, escape({d, lowHalf, hex, hex}));
  GrammarSequence letter = builder.text("\\");
  CodePointSet letters = only('/');
  for (const ShortEscape &each : kShortEscapes) {
    letters.add(only(static_cast<uint32_t>(each.letter)));
  }
  letter.push_back(builder.set(letters));
  anyCharacter = builder.choice({{builder.set(plainCharacters())},
                                 std::move(letter),
                                 escape({notD, hex, hex, hex}),
                                 escape({d, lower, hex, hex}),
                                 std::move(pair)});
  return *anyCharacter;
}

GrammarSequence SchemaStrings::ofLength(uint32_t least, uint32_t most) {
  GrammarSequence all = builder.text("\"");
  append(all, builder.repeat({any()}, least, most));
  append(all, builder.text("\""));
  return all;
}

GrammarSymbol SchemaStrings::otherThan(const std::vector<std::string> &texts) {
  // A trie of the texts. Each node becomes a rule for what may follow it.
  struct Node {
    std::map<uint32_t, size_t> children;
    bool isText = false;
  };
  std::vector<Node> nodes(1);
  for (std::string_view text : texts) {
    size_t at = 0;
    while (!text.empty()) {
      Utf8Step step = decodeUtf8(text);
      text.remove_prefix(step.length);
      auto [child, isNew] =
          nodes[at].children.try_emplace(step.codePoint, nodes.size());
      at = child->second;
      if (isNew) {
        nodes.emplace_back();
      }
    }
    nodes[at].isText = true;
  }
  CodePointSet all({{0, kLastCodePoint}});
  GrammarSequence rest =
      builder.repeat({compact(all)}, 0, GrammarBuilder::kUnlimited);
  append(rest, builder.text("\""));
  GrammarSymbol anyRest = builder.choice({rest});
  std::vector<uint32_t> rules(nodes.size());
  for (uint32_t &rule : rules) {
    rule = builder.addRule("the name of an additional property");
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::vector<GrammarSequence> options;
    if (!nodes[i].isText) {
      options.push_back(builder.text("\""));
    }
    CodePointSet others = all;
    for (const auto &[character, child] : nodes[i].children) {
      options.push_back(
          {compact(only(character)), GrammarBuilder::rule(rules[child])});
      CodePointSet without = only(character);
      without.negate();
      others.intersect(without);
    }
    options.push_back({compact(others), anyRest});
    builder.define(rules[i], std::move(options));
  }
  GrammarSequence quoted = builder.text("\"");
  quoted.push_back(GrammarBuilder::rule(rules[0]));
  return builder.choice({std::move(quoted)});
}

Result<GrammarSequence> SchemaStrings::matching(std::string_view pattern) {
  // A schema often has the same format in several places.
  if (const auto found = matches.find(pattern); found != matches.end()) {
    return found->second;
  }
  AIR_ASSIGN_OR_RETURN(GrammarSequence made, makeMatching(pattern));
  matches.emplace(pattern, made);
  return made;
}

Result<GrammarSequence> SchemaStrings::makeMatching(std::string_view pattern) {
  AIR_ASSIGN_OR_RETURN(RegexSyntax syntax, parseEcmaPattern(pattern));
  CodePointSet all({{0, kLastCodePoint}});
  // Writes a part of an alternative. Anchors inside it are errors.
  auto write = [&](auto &&self, uint32_t index) -> Result<GrammarSequence> {
    const RegexNode &node = syntax.nodes[index];
    switch (node.kind) {
    case RegexNode::Empty:
      return GrammarSequence();
    case RegexNode::Set:
      return GrammarSequence{compact(syntax.sets[node.set])};
    case RegexNode::Sequence: {
      GrammarSequence sequence;
      for (uint32_t child : node.children) {
        AIR_ASSIGN_OR_RETURN(GrammarSequence part, self(self, child));
        append(sequence, part);
      }
      return sequence;
    }
    case RegexNode::Choice: {
      std::vector<GrammarSequence> options;
      for (uint32_t child : node.children) {
        AIR_ASSIGN_OR_RETURN(GrammarSequence option, self(self, child));
        options.push_back(std::move(option));
      }
      return GrammarSequence{builder.choice(std::move(options))};
    }
    case RegexNode::Repeat: {
      AIR_ASSIGN_OR_RETURN(GrammarSequence part, self(self, node.children[0]));
      if (node.least > GrammarBuilder::kMostRepeats ||
          (node.most != RegexNode::kUnlimited &&
           node.most > GrammarBuilder::kMostRepeats)) {
        return unsupportedError(
            "a repetition count in the pattern is above the limit of " +
            std::to_string(GrammarBuilder::kMostRepeats));
      }
      return builder.repeat(std::move(part), node.least,
                            node.most == RegexNode::kUnlimited
                                ? GrammarBuilder::kUnlimited
                                : node.most);
    }
    case RegexNode::LookAhead:
      return unsupportedError("look-ahead is not supported in a pattern");
    case RegexNode::Assertion:
      switch (node.assertion) {
      case RegexAssertion::WordEdge:
      case RegexAssertion::NoWordEdge:
        return unsupportedError("\\b and \\B are not supported in a pattern");
      case RegexAssertion::TextStart:
      case RegexAssertion::LineStart:
        return unsupportedError("^ is only supported at the beginning of a "
                                "pattern, or of one of its alternatives");
      case RegexAssertion::TextEnd:
      case RegexAssertion::FinalLine:
      case RegexAssertion::LineEnd:
        return unsupportedError("$ is only supported at the end of a pattern, "
                                "or of one of its alternatives");
      }
    }
    return internalError("schema: a regular expression has an unknown part");
  };
  const RegexNode &root = syntax.nodes[syntax.root];
  std::vector<uint32_t> alternatives = {syntax.root};
  if (root.kind == RegexNode::Choice) {
    alternatives = root.children;
  }
  std::vector<GrammarSequence> options;
  for (uint32_t alternative : alternatives) {
    std::vector<uint32_t> parts = {alternative};
    if (syntax.nodes[alternative].kind == RegexNode::Sequence) {
      parts = syntax.nodes[alternative].children;
    }
    auto asserts = [&](uint32_t index, RegexAssertion assertion) {
      const RegexNode &node = syntax.nodes[index];
      return node.kind == RegexNode::Assertion && node.assertion == assertion;
    };
    bool fromStart =
        !parts.empty() && asserts(parts.front(), RegexAssertion::TextStart);
    if (fromStart) {
      parts.erase(parts.begin());
    }
    bool toEnd =
        !parts.empty() && (asserts(parts.back(), RegexAssertion::TextEnd) ||
                           asserts(parts.back(), RegexAssertion::FinalLine));
    if (toEnd) {
      parts.pop_back();
    }
    GrammarSequence anything =
        builder.repeat({compact(all)}, 0, GrammarBuilder::kUnlimited);
    GrammarSequence option;
    if (!fromStart) {
      append(option, anything);
    }
    for (uint32_t part : parts) {
      AIR_ASSIGN_OR_RETURN(GrammarSequence written, write(write, part));
      append(option, written);
    }
    if (!toEnd) {
      append(option, anything);
    }
    options.push_back(std::move(option));
  }
  GrammarSequence quoted = builder.text("\"");
  quoted.push_back(builder.choice(std::move(options)));
  append(quoted, builder.text("\""));
  return quoted;
}

} // namespace air::rt
